// A whole conversation: what the page and the widget have in common.

import { h, icon, button, iconButton, mark, fill } from './dom.js';
import { PassageView } from './passage.js';
import { LeadForm } from './leads.js';
import { Reply, question } from './reply.js';
import { Composer } from './composer.js';
import { Turns } from './turns.js';
import { News } from './news.js';
import { Menu } from './menu.js';
import { trouble, pause } from './stream.js';

/**
 * @typedef {object} About
 * @property {string} lang
 * @property {{code: string, name: string}[]} languages
 * @property {{name: string | null, contact: string | null}} operator
 * @property {Record<string, any>} words
 *
 * @typedef {object} Setting
 * @property {import('./stream.js').Api} api
 * @property {import('./memory.js').Memory} memory
 * @property {About} about
 * @property {string | null} session
 * @property {boolean} embedded  on somebody else's page: the session's id is kept here, and not in the daemon's cookie
 * @property {string} [title]
 * @property {string} [greeting]
 * @property {Node[]} [actions]  further buttons of the header
 * @property {(code: string) => void} onLanguage
 * @property {(scheme: string) => void} onScheme
 * @property {(name: string, detail: object) => void} [onEvent]
 */

/** Within this many pixels of the end a reader follows what comes. */
const NEAR = 140;
/** How long a message waits for the new conversation it belongs to. */
const SETTLE = 1000;

export class Chat {
  /** @param {Setting} setting */
  constructor(setting) {
    this.setting = setting;
    this.api = setting.api;
    this.memory = setting.memory;
    this.about = setting.about;
    this.lang = setting.about.lang;
    this.session = setting.session;
    /** How many messages were said, both sides. */
    this.said = 0;
    this.t = (key, values) => fill(String(this.about.words[key] ?? key), values);
    this.build();
    this.watch();
  }

  build() {
    const { t, setting } = this;
    this.turns = new Turns(this);
    this.news = new News(this);
    this.log = h('div', { class: 'log' });
    this.welcome = this.greet();
    this.column = h('div', { class: 'column' }, this.welcome, this.log);
    this.scroller = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t('conversation') }, this.column);
    this.banner = h('div', { class: 'banner', role: 'status', hidden: true });
    this.person = h('div', { class: 'banner person', role: 'status', hidden: true });
    this.alarmBar = h('button', { type: 'button', class: 'alarm-bar', hidden: true, click: () => this.showAlarm() }, icon('alert'), h('span', null, t('emergencyBack')));
    this.jump = iconButton('down', t('latest'), () => this.toEnd(), 'jump');
    this.jump.hidden = true;
    // Screen readers hear a whole answer once, from here, and not its pieces.
    this.polite = h('div', { class: 'sr', 'aria-live': 'polite' });
    this.urgent = h('div', { class: 'sr', role: 'alert' });
    this.composer = new Composer(this);
    this.passage = new PassageView(this);
    this.menu = new Menu(this);
    this.toast = h('p', { class: 'toast', role: 'status', hidden: true });
    this.talk = h('div', { class: 'talk' }, this.alarmBar, h('div', { class: 'banners' }, this.banner, this.person), this.scroller,
      h('div', { class: 'foot' }, this.jump, this.toast, this.composer.node, h('p', { class: 'small' }, t('footer'))));
    // On somebody else's page the landmarks are theirs.
    const [head, main] = setting.embedded ? ['div', 'div'] : ['header', 'main'];
    this.header = h(head, { class: 'head' },
      mark(),
      h('div', { class: 'names' }, h('h1', null, setting.title ?? 'DovvyBuddy'), h('p', null, t('assistant'))),
      button(t('newChat'), () => this.restart(), 'plain new', 'plus'),
      this.menu.node, ...(setting.actions ?? []));
    this.node = h('div', { class: 'dv', lang: this.lang, dir: this.lang === 'ar' ? 'rtl' : 'ltr' },
      this.header, h(main, { class: 'cols' }, this.talk, this.passage.node), this.polite, this.urgent);
  }

  /** What stands there before anything was said: who one is talking to, and what can be asked. */
  greet() {
    const { t, about } = this;
    const name = about.operator.name;
    const starters = Object.entries(about.words.starters).map(([topic, words]) => h('li', null,
      h('button', { type: 'button', class: 'starter', click: () => { this.composer.focus(); this.submit(words.question); } },
        icon(/** @type {any} */ (topic)), h('span', { class: 'eyebrow' }, words.topic), h('span', null, words.question))));
    return h('section', { class: 'welcome' },
      mark(),
      h('h2', null, this.setting.greeting ?? t('welcome')),
      h('p', { class: 'intro' }, t('intro'), name && ` ${t('introFor', { name })}`),
      h('ul', { class: 'starters' }, ...starters));
  }

  watch() {
    this.scroller.addEventListener('scroll', () => this.moved(), { passive: true });
    const connection = () => {
      this.banner.hidden = navigator.onLine;
      this.banner.replaceChildren(...(navigator.onLine ? [] : [icon('cloudOff'), h('span', null, this.t('offline'))]));
    };
    addEventListener('online', connection);
    addEventListener('offline', connection);
    connection();
    new ResizeObserver(() => this.passage.fit()).observe(this.scroller);
    this.seen = new IntersectionObserver((entries) => {
      this.alarmBar.hidden = !this.alarmed || entries.at(-1).isIntersecting;
    }, { root: this.scroller, rootMargin: '0px 0px -25% 0px' });
  }

  /** Shows what was said before, and takes up what was under way. */
  async restore() {
    const pending = this.memory.pending();
    if (this.session) {
      this.welcome.hidden = true;
      const loading = h('div', { class: 'loading', role: 'status' }, h('span', { class: 'sr' }, this.t('loading')),
        ...[7, 10, 9, 4].map((width) => h('span', { class: `bar w${width}` })));
      this.log.append(loading);
      try {
        await this.news.begin();
        const known = await this.api.request(`/api/sessions/${this.session}`);
        loading.remove();
        this.show(known.conversation_history);
      } catch (error) {
        loading.remove();
        if (error.status === 404) this.keepSession(null);
        else this.notRestored();
      }
    }
    for (const one of pending) void this.turns.resume(one, this.said > one.before);
    this.welcome.hidden = this.log.childElementCount > 0;
    if (this.log.lastElementChild) this.reveal(this.log.lastElementChild);
  }

  notRestored() {
    const again = button(this.t('again'), () => { note.remove(); this.composer.focus(); void this.restore(); }, 'small', 'reply');
    const note = h('div', { class: 'state', role: 'status' }, h('p', null, this.t('historyFailed')), again);
    this.log.append(note);
  }

  /** @param {{role: string, content: string}[]} history */
  show(history) {
    for (const { role, content } of history) {
      this.said += 1;
      if (role === 'user') {
        this.log.append(question(this, content));
        continue;
      }
      const reply = new Reply(this);
      reply.text = content;
      const known = this.memory.reply(this.session, content);
      if (known?.person) reply.byPerson();
      reply.finish({ turn: known?.turn ?? null, citations: known?.citations ?? [], followUp: known?.followUp, emergency: known?.emergency, rating: known?.rating });
      this.log.append(reply.node);
    }
    this.settleAlarm();
  }

  /** @param {string} text */
  submit(text) {
    this.welcome.hidden = true;
    this.toast.hidden = true;
    // Messages may follow each other at once: an emergency never waits for the answer before it.
    void this.turns.ask(text);
  }

  /** @param {Reply} reply a whole answer has come */
  answered(reply) {
    this.settleAlarm();
    if (reply.emergency) return;
    this.announce(reply.spoken());
    const offers = this.about.words.offers;
    if (!this.declined && offers.some((words) => reply.text.includes(words))) this.openLead(null, reply.node);
  }

  /** An emergency reply begins. @param {Reply} reply */
  alarm(reply) {
    this.alarmed = reply;
    if (reply.node.isConnected) requestAnimationFrame(() => this.reveal(reply.node));
    this.emit('emergency', { turnId: reply.turn });
  }

  /** The emergency stands until a reply after it is none. */
  settleAlarm() {
    const replies = this.log.querySelectorAll('.reply:not(.interrupted)');
    const last = replies[replies.length - 1];
    if (this.alarmed && last && !last.classList.contains('emergency')) this.alarmed = null;
    if (this.alarmed && this.alarmed.node !== this.announced) {
      this.announced = this.alarmed.node;
      this.urgent.textContent = `${this.t('emergency')}. ${this.alarmed.spoken()}`;
    }
    this.seen.disconnect();
    this.alarmBar.hidden = true;
    if (this.alarmed) this.seen.observe(this.alarmed.node);
  }

  showAlarm() {
    const { node } = this.alarmed;
    node.setAttribute('tabindex', '-1');
    node.focus({ preventScroll: true });
    this.scroller.scrollTop = node.offsetTop - 12;
  }

  /** @param {string | null} kind @param {Element | null} [after] the reply that offered it; the person did not ask for the focus to move then */
  openLead(kind, after = null) {
    if (!this.lead?.node.isConnected || this.lead.node.classList.contains('done')) this.lead = new LeadForm(this, kind);
    this.welcome.hidden = true;
    if (after) {
      after.after(this.lead.node);
      this.announce(this.t('leadBelow'));
      return;
    }
    this.log.append(this.lead.node);
    this.keepInView(this.lead.node);
    this.lead.heading.focus({ preventScroll: true });
  }

  leadClosed(form, sent) {
    // Whoever said no, or has sent one, is not asked again.
    this.declined = true;
    if (sent) return;
    this.lead = null;
    this.welcome.hidden = this.log.childElementCount > 0;
    this.composer.focus();
  }

  /** Begins a new conversation; the old one stays with the daemon until it ends. */
  restart() {
    this.turns.drop();
    this.news.forget();
    this.memory.forget();
    this.passage.close();
    this.session = null;
    this.said = 0;
    this.alarmed = null;
    this.lead = null;
    this.declined = false;
    this.settleAlarm();
    this.log.replaceChildren();
    this.welcome.hidden = false;
    this.composer.focus();
    if (!this.setting.embedded) this.settled = Promise.race([this.forgetCookie(), pause(SETTLE)]);
  }

  /** The page's cookie is the daemon's to change: a session nobody spoke in takes the old one's place. */
  async forgetCookie() {
    try {
      const { id } = await this.api.request('/api/sessions', { method: 'POST' });
      this.session ??= id;
    } catch {
      // Then the next message opens one.
    }
  }

  /** Deletes the conversation and everything it holds. */
  async erase() {
    if (this.session) {
      try {
        await this.api.request(`/api/sessions/${this.session}`, { method: 'DELETE' });
      } catch (error) {
        if (error.status !== 404) return this.notice(trouble(error, this.t), 'error');
      }
    }
    this.restart();
    this.notice(this.t('deleted'));
  }

  /** A person has the conversation, or no longer. */
  held(by) {
    if (this.person.hidden === !by) return;
    this.person.hidden = !by;
    this.person.replaceChildren(...(by ? [icon('person'), h('span', null, this.t('personHas'))] : []));
  }

  keepSession(id) {
    if (id && id !== this.session) this.news.look();
    this.session = id;
    if (this.setting.embedded) this.memory.keepSession(id);
  }

  /** Says something to those who listen. */
  announce(words) {
    this.polite.textContent = '';
    requestAnimationFrame(() => { this.polite.textContent = words; });
  }

  /** A short word above the field. */
  notice(words, kind = '') {
    this.toast.textContent = words;
    this.toast.className = `toast ${kind}`;
    this.toast.hidden = false;
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => { this.toast.hidden = true; }, 8000);
  }

  emit(name, detail) {
    this.setting.onEvent?.(name, detail);
  }

  get rest() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
  }

  follows() {
    return this.rest < NEAR || this.revealing;
  }

  /** Scrolls to the end, but never past the beginning of what is being read. @param {HTMLElement} node */
  reveal(node) {
    const { scroller } = this;
    const end = scroller.scrollHeight - scroller.clientHeight;
    const target = Math.max(0, Math.min(end, node.offsetTop - 12));
    this.revealing = target < end - 1;
    this.target = target;
    scroller.scrollTop = target;
    this.moved();
  }

  keepInView(node) {
    requestAnimationFrame(() => node.scrollIntoView({ block: 'nearest' }));
  }

  moved() {
    // Whoever scrolled away by hand is left alone.
    if (this.revealing && Math.abs(this.scroller.scrollTop - this.target) > 4) this.revealing = false;
    this.jump.hidden = this.rest < NEAR;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.composer.focus();
  }
}
