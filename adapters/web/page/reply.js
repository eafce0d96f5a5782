// One message, and one reply as it comes.

import { h, icon, button, freshId } from './dom.js';
import { render } from './markdown.js';
import { Feedback } from './feedback.js';

/** @typedef {import('./chat.js').Chat} Chat @typedef {import('./stream.js').Citation} Citation */

/** The line of sources at a reply's end; the list below says more. */
const SOURCES_LINE = /\n\n[^\n[\]]{1,24}: (\[\d+\] [^\n]*)$/;
/** Commands a button may have sent; the history shows what the button said. */
const COMMANDS = { '/not-an-emergency': 'notEmergency' };
/** Numbers shown above an emergency reply. */
const MOST_CALLS = 3;
/** Suggestions to go deeper. */
const MOST_SUGGESTIONS = 3;

/** @param {Chat} chat @param {string} text what the diver said */
export function question(chat, text) {
  const words = COMMANDS[text] ? chat.t(COMMANDS[text]) : text;
  return h('article', { class: 'question' },
    h('h2', { class: 'sr' }, chat.t('you')),
    h('div', { class: 'said', dir: 'auto' }, words));
}

/** The sources a reply names in its last line, where nothing more is known of them. */
function namedSources(text) {
  const line = SOURCES_LINE.exec(text)?.[1] ?? '';
  return [...line.matchAll(/\[(\d+)\] ([^;]+)/g)].map(([, n, title]) => ({ n: Number(n), title: title.trim() }));
}

export class Reply {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.badge = h('p', { class: 'badge', hidden: true });
    this.calls = h('div', { class: 'calls', hidden: true });
    this.body = h('div', { class: 'md', dir: 'auto' });
    this.state = h('div', { class: 'state', hidden: true });
    this.after = h('div', { class: 'after' });
    this.heading = h('h2', { class: 'sr' }, chat.t('assistantName'));
    this.node = h('article', { class: 'reply' }, this.heading, this.badge, this.calls, this.body, this.state, this.after);
    this.reset();
  }

  reset() {
    this.text = '';
    /** @type {Citation[]} */
    this.citations = [];
    this.emergency = false;
    this.whole = false;
    this.turn = null;
    this.node.classList.remove('emergency', 'caution', 'failed');
    this.badge.hidden = true;
    this.calls.hidden = true;
    this.after.replaceChildren();
    this.body.replaceChildren(h('span', { class: 'waiting' }, h('i'), h('i'), h('i'), h('span', { class: 'sr' }, this.chat.t('thinking'))));
  }

  /** @param {import('./stream.js').TurnEvent} event */
  handle(event) {
    if (event.type === 'route') {
      // A route in the middle means that the reply begins anew.
      this.reset();
      this.turn = event.metadata.turnId;
      if (event.content.route === 'person') this.byPerson();
    } else if (event.type === 'safety') {
      this.safety(event.content.classification);
    } else if (event.type === 'token') {
      this.text += event.content;
      this.paint();
    } else if (event.type === 'citation') {
      this.citations.push(event.metadata);
    } else if (event.type === 'final') {
      this.text = event.content;
      const { followUpQuestion, metadata } = event.metadata;
      if (metadata.emergency) this.safety('emergency');
      this.finish({ turn: metadata.turnId, citations: metadata.citations, followUp: followUpQuestion, emergency: metadata.emergency, fresh: true });
      if (metadata.sessionRestarted) this.node.prepend(h('p', { class: 'note' }, this.chat.t('restarted')));
    }
  }

  /** Not the assistant: a person wrote this. */
  byPerson() {
    this.person = true;
    this.heading.className = 'eyebrow';
    this.heading.replaceChildren(icon('person'), this.chat.t('person'));
    this.node.classList.add('by-person');
  }

  safety(classification) {
    if (classification === 'none') return;
    const emergency = classification === 'emergency';
    this.node.classList.add(classification);
    this.badge.replaceChildren(icon('alert'), this.chat.t(emergency ? 'emergency' : 'caution'));
    this.badge.hidden = false;
    if (emergency && !this.emergency) {
      this.emergency = true;
      this.chat.alarm(this);
    }
  }

  paint() {
    const text = this.citations.length ? this.text.replace(SOURCES_LINE, '') : this.text;
    render(this.body, text, { mark: (n) => this.mark(n), phones: this.emergency });
    if (this.emergency) this.paintCalls();
  }

  /** The first number of each line that has one, once more, where thumbs are. */
  paintCalls() {
    const calls = new Map();
    for (const phone of this.body.querySelectorAll('a.phone')) {
      let label = '';
      for (let node = phone.previousSibling; node && node.nodeName !== 'BR'; node = node.previousSibling) label = node.textContent + label;
      label = label.split(':')[0].trim();
      if (!calls.has(label)) calls.set(label, phone);
    }
    const call = ([label, phone]) => h('a', { class: 'call', href: phone.href }, icon('phone'),
      h('span', null, h('strong', { dir: 'ltr' }, phone.textContent), label && label.length < 60 && h('small', null, label)));
    this.calls.replaceChildren(...[...calls].slice(0, MOST_CALLS).map(call));
    this.calls.hidden = !calls.size;
  }

  /** What stands for `[n]`. */
  mark(n) {
    const citation = this.citations.find((one) => one.n === n);
    // While the words come, what they cite is not known yet; it will be.
    if (!citation && !this.whole) return h('span', { class: 'mark' }, String(n));
    if (!citation?.source) return null;
    const opener = h('button', { type: 'button', class: 'mark', 'aria-label': this.chat.t('source', { n, title: citation.title }) }, String(n));
    opener.addEventListener('click', () => this.chat.passage.open(citation, opener));
    return opener;
  }

  /**
   * @param {{turn: string | null, citations: Citation[], followUp?: string | null, emergency?: boolean, rating?: string, fresh?: boolean}} known
   */
  finish({ turn, citations, followUp = null, emergency = false, rating, fresh = false }) {
    this.turn = turn;
    this.whole = true;
    this.citations = citations.length ? citations : /** @type {any} */ (namedSources(this.text));
    if (emergency && !fresh) this.safety('emergency');
    this.paint();
    this.status(null);
    const { t } = this.chat;
    this.after.replaceChildren();
    if (this.citations.length) this.after.append(this.sources());
    if (followUp && !this.text.includes(followUp)) this.after.append(h('p', { class: 'follow', dir: 'auto' }, followUp));
    if (this.person) return;
    if (fresh) this.after.append(this.suggestions());
    if (emergency) this.after.append(button(t('notEmergency'), (event) => this.standDown(event), 'stand-down', 'check'));
    else if (turn) this.after.append(new Feedback(this.chat, turn, rating).node);
  }

  standDown(event) {
    event.currentTarget.hidden = true;
    this.chat.composer.focus();
    this.chat.submit('/not-an-emergency');
  }

  sources() {
    const { t } = this.chat;
    const item = (citation) => {
      const words = [h('span', { class: 'n' }, String(citation.n)), h('span', { class: 'source-title' }, citation.title)];
      if (!citation.source) return h('li', null, h('span', { class: 'source' }, ...words));
      const opener = h('button', { type: 'button', class: 'source' }, ...words,
        h('span', { class: 'source-origin' }, citation.publisher || citation.section || ''));
      opener.addEventListener('click', () => this.chat.passage.open(citation, opener));
      return h('li', null, opener);
    };
    const title = freshId('sources');
    return h('div', { class: 'sources' }, h('h3', { class: 'eyebrow', id: title }, icon('book'), t('sources')),
      h('ul', { 'aria-labelledby': title }, ...this.citations.map(item)));
  }

  /** What could be asked next: more on what was cited. The newest reply alone makes suggestions. */
  suggestions() {
    this.chat.log.querySelectorAll('.suggestions').forEach((old) => old.remove());
    // A citation may name several headings of its document.
    const topics = new Set(this.citations.flatMap((citation) => (citation.section || citation.title).split('; ')).filter((topic) => topic && topic.length < 60));
    const chips = [...topics].slice(0, MOST_SUGGESTIONS).map((topic) => {
      const words = this.chat.t('more', { topic });
      return button(topic, () => { this.chat.composer.focus(); this.chat.submit(words); }, 'chip', 'reply');
    });
    const title = freshId('next');
    if (!chips.length || this.emergency) return h('div', { hidden: true });
    return h('div', { class: 'suggestions', role: 'group', 'aria-labelledby': title }, h('span', { class: 'eyebrow', id: title }, this.chat.t('goDeeper')), ...chips);
  }

  /** A line about how the reply is coming, with what can be done. @param {string | null} words @param {...Node} actions */
  status(words, ...actions) {
    this.state.hidden = !words;
    this.state.replaceChildren(...(words ? [h('p', null, words), ...actions] : []));
    this.node.classList.toggle('interrupted', Boolean(words));
    if (words && !this.text) this.body.replaceChildren();
  }

  /** The reply's words without what is only shown. */
  spoken() {
    const copy = /** @type {Element} */ (this.body.cloneNode(true));
    copy.querySelectorAll('.mark').forEach((mark) => mark.remove());
    copy.querySelectorAll('p, li, h3, td, th').forEach((block) => block.append('\n'));
    return copy.textContent.trim();
  }
}
