// Where the diver writes.

import { h, icon, iconButton, freshId } from './dom.js';

/** @typedef {import('./chat.js').Chat} Chat */

/** The longest message, as the daemon counts it: in Unicode scalars. */
const LONGEST_MESSAGE = 2000;
/** From here on it is told how many are left. */
const TELL_FROM = 1800;

export class Composer {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
    const { t } = chat;
    const [id, hint] = [freshId('message'), freshId('count')];
    this.field = h('textarea', { id, rows: '1', placeholder: t('placeholder'), enterkeyhint: 'send', 'aria-describedby': hint,
      input: () => this.changed(), keydown: (event) => this.key(event) });
    this.count = h('p', { class: 'count', id: hint, role: 'status' });
    this.sendButton = h('button', { type: 'submit', class: 'round strong send', 'aria-label': t('send'), title: t('send') }, icon('send'));
    this.stopButton = iconButton('stop', t('stop'), () => this.stop(), 'stop');
    this.stopButton.hidden = true;
    this.node = h('form', { class: 'composer', autocomplete: 'off', submit: (event) => this.submit(event) },
      h('label', { class: 'sr', for: id }, t('message')),
      h('div', { class: 'box' },
        iconButton('person', t('connect'), () => chat.openLead(null), 'quiet connect'),
        this.field, this.stopButton, this.sendButton),
      this.count);
    this.changed();
  }

  focus() {
    this.field.focus();
  }

  key(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.submit(event);
  }

  submit(event) {
    event.preventDefault();
    const text = this.field.value.trim();
    if (!text || this.length > LONGEST_MESSAGE) return this.field.focus();
    this.field.value = '';
    this.changed();
    this.chat.submit(text);
  }

  changed() {
    this.length = [...this.field.value.trim()].length;
    const over = this.length > LONGEST_MESSAGE;
    this.count.textContent = this.length > TELL_FROM ? this.chat.t(over ? 'tooLong' : 'count', { n: this.length, max: LONGEST_MESSAGE }) : '';
    this.count.classList.toggle('over', over);
    this.sendButton.setAttribute('aria-disabled', String(!this.length || over));
    // An empty field goes the page's way, a full one its words' way.
    this.field.dir = this.length ? 'auto' : '';
    this.field.style.height = 'auto';
    this.field.style.height = `${Math.min(this.field.scrollHeight, 180)}px`;
  }

  /** While an answer is being written it can be stopped. Writing on is possible at any time: an emergency waits for nothing. */
  running(yes) {
    if (!yes && this.stopButton.matches(':focus')) this.field.focus();
    this.stopButton.hidden = !yes;
  }

  stop() {
    this.chat.turns.stop();
    this.field.focus();
  }
}
