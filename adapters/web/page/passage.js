// The words a citation points at, beside the conversation where there is room, over it where there is none.

import { h, icon, iconButton, button, freshId } from './dom.js';
import { render } from './markdown.js';

/** @typedef {import('./chat.js').Chat} Chat @typedef {import('./stream.js').Citation} Citation */

/** Who published it, and when it was revised. */
function origin(chat, citation) {
  const date = citation.updated && new Date(citation.updated + 'T12:00:00');
  const shown = date && !Number.isNaN(date.valueOf()) ? date.toLocaleDateString(chat.lang, { dateStyle: 'medium' }) : '';
  return [citation.publisher, shown && chat.t('revised', { date: shown })].filter(Boolean).join(' · ');
}

export class PassageView {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.opener = null;
    /** Passages that were read once are not fetched again. */
    this.known = new Map();
    const title = freshId('passage');
    this.heading = h('h2', { id: title, tabindex: '-1' });
    this.section = h('p', { class: 'passage-section' });
    this.origin = h('p', { class: 'passage-origin' });
    this.text = h('div', { class: 'md' });
    this.node = h('aside', { class: 'passage', hidden: true, 'aria-labelledby': title, keydown: (event) => this.key(event) },
      h('div', { class: 'passage-bar' },
        h('span', { class: 'eyebrow' }, icon('book'), chat.t('passage')),
        iconButton('close', chat.t('close'), () => this.close())),
      h('div', { class: 'passage-scroll', tabindex: '0', role: 'region', 'aria-labelledby': title },
        this.heading, this.section, this.origin, this.text));
  }

  key(event) {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    this.close();
  }

  /** @param {Citation} citation @param {HTMLElement} opener gets the focus back */
  async open(citation, opener) {
    this.opener?.removeAttribute('aria-expanded');
    this.opener = opener;
    opener.setAttribute('aria-expanded', 'true');
    this.heading.textContent = citation.title;
    this.section.textContent = citation.section;
    // Several headings stand in the text itself.
    this.section.hidden = !citation.section || citation.section.includes('; ');
    this.origin.textContent = origin(this.chat, citation);
    this.origin.hidden = !this.origin.textContent;
    this.node.hidden = false;
    this.chat.node.classList.add('with-passage');
    this.fit();
    this.heading.focus();
    await this.show(citation);
  }

  async show(citation) {
    const key = `${citation.source}\n${citation.section}`;
    this.wanted = key;
    if (this.known.has(key)) return this.fillIn(this.known.get(key));
    this.text.replaceChildren(...[9, 11, 8, 10, 5].map((width) => h('span', { class: `bar w${width}` })));
    this.text.setAttribute('aria-busy', 'true');
    try {
      const query = new URLSearchParams({ source: citation.source, section: citation.section });
      const passage = await this.chat.api.request(`/api/passages?${query}`);
      this.known.set(key, passage.text);
      if (this.wanted === key) this.fillIn(passage.text);
    } catch (error) {
      if (this.wanted === key) this.failed(citation, error);
    }
  }

  fillIn(text) {
    this.text.removeAttribute('aria-busy');
    render(this.text, text);
  }

  failed(citation, error) {
    this.text.removeAttribute('aria-busy');
    const gone = error.status === 404;
    const note = h('p', { class: 'note', role: 'status' }, this.chat.t(gone ? 'passageGone' : 'passageFailed'));
    this.text.replaceChildren(note, ...(gone ? [] : [button(this.chat.t('again'), () => this.show(citation))]));
  }

  /** Where the passage lies over the conversation, only one of them can be used. */
  fit() {
    const over = !this.node.hidden && getComputedStyle(this.node).position === 'absolute';
    this.chat.talk.inert = over;
  }

  close() {
    if (this.node.hidden) return;
    this.node.hidden = true;
    this.wanted = null;
    this.chat.node.classList.remove('with-passage');
    this.fit();
    this.opener?.removeAttribute('aria-expanded');
    if (this.opener?.isConnected) this.opener.focus();
    else this.chat.composer.focus();
  }
}
