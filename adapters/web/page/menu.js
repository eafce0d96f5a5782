// What is needed now and then: language, appearance, getting in touch, deleting.

import { h, icon, button, iconButton, freshId } from './dom.js';

/** @typedef {import('./chat.js').Chat} Chat */

const SCHEMES = ['auto', 'light', 'dark'];

export class Menu {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
    const id = freshId('menu');
    this.opener = iconButton('more', chat.t('menu'), () => this.toggle(), 'quiet');
    this.opener.setAttribute('aria-expanded', 'false');
    this.opener.setAttribute('aria-controls', id);
    this.panel = h('div', { class: 'menu', id, hidden: true, role: 'group', 'aria-label': chat.t('menu') });
    this.node = h('div', { class: 'menu-holder', keydown: (event) => this.key(event), focusout: (event) => this.left(event) }, this.opener, this.panel);
  }

  toggle() {
    if (!this.panel.hidden) return this.close();
    this.fillIn();
    this.panel.hidden = false;
    this.opener.setAttribute('aria-expanded', 'true');
    this.panel.querySelector('button, select').focus();
  }

  fillIn() {
    const { chat } = this;
    const { t } = chat;
    const [language, scheme] = [freshId('language'), freshId('scheme')];
    const now = chat.memory.setting('scheme') ?? 'auto';
    this.panel.replaceChildren(
      button(t('connect'), () => { this.close(); chat.openLead(null); }, 'plain item', 'person'),
      h('div', { class: 'item' }, h('label', { for: language }, t('language')),
        h('select', { id: language, change: (event) => chat.setting.onLanguage(event.target.value) },
          ...chat.about.languages.map(({ code, name }) => h('option', { value: code, lang: code, selected: code === chat.lang }, name)))),
      h('div', { class: 'item' }, h('label', { for: scheme }, t('appearance')),
        h('select', { id: scheme, change: (event) => this.paint(event.target.value) },
          ...SCHEMES.map((name) => h('option', { value: name, selected: name === now }, t(`scheme_${name}`))))),
      button(t('delete'), () => this.confirm(), 'plain item danger', 'close'));
  }

  paint(scheme) {
    this.chat.memory.set('scheme', scheme);
    this.chat.setting.onScheme(scheme);
  }

  /** Nothing is deleted by one click. */
  confirm() {
    const { t } = this.chat;
    const keep = button(t('keep'), () => this.close(true), 'small');
    this.panel.replaceChildren(
      h('p', { class: 'ask' }, icon('alert'), t('deleteAsk')),
      h('div', { class: 'row' }, button(t('deleteYes'), () => { this.close(true); void this.chat.erase(); }, 'small danger-fill'), keep));
    keep.focus();
  }

  key(event) {
    if (event.key !== 'Escape' || this.panel.hidden) return;
    event.stopPropagation();
    this.close(true);
  }

  left(event) {
    // Where the pressed thing takes no focus there is no target; then only a press outside closes.
    const to = event.relatedTarget;
    if (to && !this.node.contains(to)) this.close();
  }

  close(back = false) {
    if (this.panel.hidden) return;
    if (back) this.opener.focus();
    this.panel.hidden = true;
    this.opener.setAttribute('aria-expanded', 'false');
  }
}
