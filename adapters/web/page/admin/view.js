// What the views are made of.

import { h, icon, button } from '../dom.js';
import { moment, plainWord } from './desk.js';

/** A small word in a shape of its own. */
export function tag(words, kind = '') {
  return h('span', { class: `tag ${kind}` }, words);
}

/** A moment, with the whole of it for those who point at it. */
export function time(text) {
  return h('time', { datetime: text, title: new Date(text).toLocaleString('en-GB') }, moment(text));
}

/** Names and values. @param {[string, any][]} pairs */
export function pairs(list) {
  return h('dl', { class: 'pairs' }, ...list.filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => h('div', null, h('dt', null, name), h('dd', { dir: 'auto' }, value instanceof Node ? value : shown(value)))));
}

/** Any value as text. */
export function shown(value) {
  if (Array.isArray(value)) return value.map(shown).join(', ');
  return value && typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** An object of the diver's as names and values. */
export function profilePairs(profile) {
  return Object.entries(profile ?? {}).map(([name, value]) => [plainWord(name), shown(value)]);
}

/** The head of a view. @param {...any} actions */
export function viewHead(title, ...actions) {
  return h('div', { class: 'view-head' }, h('h1', null, title), h('div', { class: 'row' }, ...actions));
}

/** What stands there when there is nothing. */
export function nothing(words, more = '') {
  return h('div', { class: 'nothing' }, icon('book'), h('p', null, h('strong', null, words)), more && h('p', null, more));
}

/** While something is fetched. */
export function waiting() {
  return h('div', { class: 'loading', role: 'status' }, h('span', { class: 'sr' }, 'Loading…'), ...[7, 10, 9, 4].map((width) => h('span', { class: `bar w${width}` })));
}

/** What went wrong, and another try. */
export function wentWrong(error, again) {
  return h('div', { class: 'wrong', role: 'alert' }, icon('alert'), h('p', null, error.message), again && button('Try again', again, 'small', 'reply'));
}

/** A table that scrolls by itself, also by keyboard. @param {string[]} heads @param {any[][]} rows */
export function dataTable(caption, heads, rows) {
  return h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption }, h('table', null,
    h('caption', { class: 'sr' }, caption),
    h('thead', null, h('tr', null, ...heads.map((head) => h('th', { scope: 'col' }, head)))),
    h('tbody', null, ...rows.map((row) => h('tr', null, ...row.map((cell) => h('td', { dir: 'auto' }, cell instanceof Node ? cell : String(cell ?? ''))))))));
}

/** A field with its label. */
export function labelled(label, input, id, hint = '') {
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, hint && h('p', { class: 'note', id: `${id}-hint` }, hint));
}

/** Choices of a list. @param {[string, string][]} choices */
export function choices(list, chosen, onChange) {
  const node = h('select', { change: () => onChange(node.value) }, ...list.map(([value, words]) => h('option', { value, selected: value === chosen }, words)));
  return node;
}

/** A button that stays pressed. */
export function toggle(words, pressed, onChange) {
  const node = h('button', { type: 'button', class: 'button small toggle', 'aria-pressed': String(pressed), click: () => {
    const now = node.getAttribute('aria-pressed') !== 'true';
    node.setAttribute('aria-pressed', String(now));
    onChange(now);
  } }, words);
  return node;
}

/** Runs something that a button began, with the button out of the way meanwhile. */
export async function busy(node, work) {
  node.disabled = true;
  try {
    return await work();
  } finally {
    node.disabled = false;
  }
}
