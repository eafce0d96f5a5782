// A safe subset of Markdown, built as DOM nodes: text stays text, whatever it looks like.

import { h } from './dom.js';

/**
 * @typedef {object} Rendering
 * @property {(n: number) => Node | null} [mark]  what stands for `[n]`; `null` leaves the text
 * @property {boolean} [phones]  telephone numbers become links
 */

const SAFE_TARGET = /^(https?:\/\/|mailto:|tel:)/i;
const INLINE = /(`[^`\n]+`)|(\*\*[^*\n]+\*\*)|(\*[^*\s][^*\n]*\*|(?<!\w)_[^_\s][^_\n]*_(?!\w))|!?\[([^\]\n]*)\]\(([^()\s]+)\)|\[(\d{1,3})\]|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?'"])|(\\[\\`*_[\]()#+\-.!])/g;

function link(target, text) {
  if (!SAFE_TARGET.test(target)) return document.createTextNode(text);
  const web = /^https?:/i.test(target);
  return h('a', { href: target, rel: 'noopener noreferrer nofollow', target: web && '_blank' }, text);
}

/** Telephone numbers in an emergency reply become links; depths, times and shares do not. */
const PHONE = /\+\d[\d\s().-]{5,18}\d|\b\d{3,4}[ -]\d{3}[ -]\d{3,4}\b|\b(?:000|1\d\d|9\d\d|1\d{3}|116 ?123)\b(?!\s*(?:%|m\b|ft\b|bar\b|psi\b|min|metres|meters|hours?\b|h\b|kg\b|l\b))/g;

function phones(parent, text) {
  let last = 0;
  for (const match of text.matchAll(PHONE)) {
    const number = match[0].replace(/[^\d+]/g, '');
    parent.append(text.slice(last, match.index), h('a', { class: 'phone', href: 'tel:' + number }, match[0]));
    last = match.index + match[0].length;
  }
  parent.append(text.slice(last));
}

/** @param {Element} parent @param {string} text @param {Rendering} options */
function inline(parent, text, options) {
  let last = 0;
  const plain = (piece) => {
    if (!piece) return;
    if (options.phones) phones(parent, piece);
    else parent.append(piece);
  };
  for (const match of text.matchAll(INLINE)) {
    plain(text.slice(last, match.index));
    last = match.index + match[0].length;
    const [whole, code, strong, emphasis, label, target, mark, url, escape] = match;
    if (code) parent.append(h('code', null, code.slice(1, -1)));
    else if (strong) parent.append(spanning('strong', strong.slice(2, -2), options));
    else if (emphasis) parent.append(spanning('em', emphasis.slice(1, -1), options));
    else if (target !== undefined) parent.append(link(target, label || target));
    else if (mark) parent.append(options.mark?.(Number(mark)) ?? whole);
    else if (url) parent.append(link(url, url));
    else if (escape) parent.append(escape.slice(1));
  }
  plain(text.slice(last));
}

function spanning(name, text, options) {
  const node = h(name);
  inline(node, text, options);
  return node;
}

function isTable(lines, i) {
  return /^\s*\|.*\|\s*$/.test(lines[i]) && /^\s*\|[\s:|-]+\|\s*$/.test(lines[i + 1] || '');
}

function row(line, kind, options) {
  const cells = line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => spanning(kind, cell.trim(), options));
  return h('tr', null, ...cells);
}

function table(lines, start, parent, options) {
  const head = h('thead', null, row(lines[start], 'th', options));
  const body = h('tbody');
  let i = start + 2;
  for (; i < lines.length && /^\s*\|.*\|\s*$/.test(lines[i]); i++) body.append(row(lines[i], 'td', options));
  // Wider than the screen it scrolls, also by keyboard.
  parent.append(h('div', { class: 'table', tabindex: '0' }, h('table', null, head, body)));
  return i;
}

const ORDERED = /^\s*(\d+)[.)]\s+(.*)$/;
const BULLET = /^\s*[-*+•]\s+(.*)$/;

function list(lines, start, parent, options) {
  const ordered = ORDERED.exec(lines[start]);
  const node = h(ordered ? 'ol' : 'ul');
  if (ordered && ordered[1] !== '1') node.start = Number(ordered[1]);
  let i = start;
  for (; i < lines.length; i++) {
    const match = (ordered ? ORDERED : BULLET).exec(lines[i]);
    if (match) {
      node.append(spanning('li', match[ordered ? 2 : 1], options));
    } else if (/^\s{2,}\S/.test(lines[i]) && node.lastChild) {
      node.lastChild.append(' ');
      inline(node.lastChild, lines[i].trim(), options);
    } else {
      break;
    }
  }
  parent.append(node);
  return i;
}

function fence(lines, start, parent) {
  const kept = [];
  let i = start + 1;
  for (; i < lines.length && !/^\s*```/.test(lines[i]); i++) kept.push(lines[i]);
  parent.append(h('pre', { tabindex: '0' }, h('code', null, kept.join('\n'))));
  return i + 1;
}

function quote(lines, start, parent, options) {
  const quoted = [];
  let i = start;
  for (; i < lines.length && /^\s*>/.test(lines[i]); i++) quoted.push(lines[i].replace(/^\s*>\s?/, ''));
  parent.append(spanning('blockquote', quoted.join(' '), options));
  return i;
}

const BLOCK = /^\s*(```|#{1,6}\s|[-*+•]\s|\d+[.)]\s|>\s?)/;

function paragraph(lines, start, parent, options) {
  const node = h('p');
  let i = start;
  do {
    if (i > start) node.append(h('br'));
    inline(node, lines[i].trim(), options);
    i++;
  } while (i < lines.length && lines[i].trim() && !BLOCK.test(lines[i]) && !isTable(lines, i));
  parent.append(node);
  return i;
}

/**
 * Renders `text` into `parent`, replacing what is there.
 * @param {Element} parent @param {string} text @param {Rendering} [options]
 */
export function render(parent, text, options = {}) {
  const into = document.createDocumentFragment();
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  let i = 0;
  while (i < lines.length) {
    const line = lines[i];
    if (!line.trim()) {
      i++;
    } else if (/^\s*```/.test(line)) {
      i = fence(lines, i, into);
    } else if (/^\s*(\*\s*){3,}$|^\s*(-\s*){3,}$/.test(line)) {
      into.append(h('hr'));
      i++;
    } else if (/^\s*#{1,6}\s/.test(line)) {
      into.append(spanning('h3', line.replace(/^\s*#{1,6}\s+/, '').replace(/\s+#+\s*$/, ''), options));
      i++;
    } else if (isTable(lines, i)) {
      i = table(lines, i, into, options);
    } else if (ORDERED.test(line) || BULLET.test(line)) {
      i = list(lines, i, into, options);
    } else if (/^\s*>/.test(line)) {
      i = quote(lines, i, into, options);
    } else {
      i = paragraph(lines, i, into, options);
    }
  }
  parent.replaceChildren(into);
}
