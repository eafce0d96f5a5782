// Whether an answer helped, and what the diver says about it.

import { h, button, iconButton, freshId } from './dom.js';
import { trouble } from './stream.js';

/** @typedef {import('./chat.js').Chat} Chat */

const LONGEST_COMMENT = 2000;

/** Two thumbs, and a comment once one of them was given. */
export class Feedback {
  /** @param {Chat} chat @param {string} turn @param {string | undefined} rating as given before */
  constructor(chat, turn, rating) {
    this.chat = chat;
    this.turn = turn;
    this.up = this.#thumb('up', 'up', 'helpful');
    this.down = this.#thumb('thumbDown', 'down', 'notHelpful');
    this.node = h('div', { class: 'feedback' }, this.up, this.down);
    if (rating) this.#press(rating);
  }

  #thumb(drawn, rating, word) {
    const thumb = iconButton(drawn, this.chat.t(word), () => this.rate(rating), 'quiet');
    thumb.setAttribute('aria-pressed', 'false');
    return thumb;
  }

  #press(rating) {
    this.rating = rating;
    this.up.setAttribute('aria-pressed', String(rating === 'up'));
    this.down.setAttribute('aria-pressed', String(rating === 'down'));
  }

  async rate(rating) {
    const before = this.rating;
    this.#press(rating);
    if (!(await this.#send(rating))) return this.#press(before);
    this.chat.memory.keepRating(this.turn, rating);
    this.chat.announce(this.chat.t('rated'));
    this.#ask();
  }

  /** @returns {Promise<boolean>} whether it was taken */
  async #send(rating, comment) {
    try {
      await this.chat.api.request('/api/feedback', { body: { turnId: this.turn, rating, comment } });
      return true;
    } catch (error) {
      this.chat.notice(trouble(error, this.chat.t), 'error');
      return false;
    }
  }

  #ask() {
    this.form?.remove();
    const id = freshId('comment');
    const field = h('textarea', { id, rows: '2', maxlength: String(LONGEST_COMMENT) });
    const label = this.chat.t(this.rating === 'up' ? 'commentUp' : 'commentDown');
    const submit = async (event) => {
      event.preventDefault();
      const comment = field.value.trim();
      if (!comment) return field.focus();
      if (!(await this.#send(this.rating, comment))) return;
      this.#thank();
    };
    this.form = h('form', { class: 'comment', submit },
      h('label', { for: id }, label), field,
      h('div', { class: 'row' },
        h('button', { type: 'submit', class: 'button small' }, this.chat.t('commentSend')),
        button(this.chat.t('close'), () => this.#dismiss(), 'small plain')));
    this.node.after(this.form);
    this.chat.keepInView(this.form);
  }

  #dismiss() {
    this.form.remove();
    (this.rating === 'up' ? this.up : this.down).focus();
  }

  #thank() {
    const thanks = h('p', { class: 'note', tabindex: '-1' }, this.chat.t('commentThanks'));
    this.form.replaceWith(thanks);
    this.form = thanks;
    thanks.focus();
    this.chat.announce(thanks.textContent);
  }
}
