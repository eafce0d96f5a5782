// The operator's view: who comes in, where they are, and what they are told.

import { h, icon, button, iconButton, mark } from '../dom.js';
import { Desk } from './desk.js';
import { Conversations } from './conversations.js';
import { Audit, Feedback, Leads, Unanswered } from './lists.js';
import { Entries } from './entries.js';
import { Figures, Health } from './figures.js';
import { choices } from './view.js';

/** @type {[string, string, string, new (admin: Admin) => any][]} */
const VIEWS = [
  ['conversations', 'Conversations', 'reply', Conversations],
  ['unanswered', 'Open questions', 'alert', Unanswered],
  ['entries', 'Answers and facts', 'book', Entries],
  ['leads', 'Leads', 'person', Leads],
  ['feedback', 'Feedback', 'up', Feedback],
  ['figures', 'Figures', 'chart', Figures],
  ['health', 'Health', 'worries', Health],
  ['audit', 'Audit', 'clock', Audit],
];
const ROLES = ['read', 'reply', 'edit'];
/** What does not tell by itself that it changed is looked at this often. */
const LOOK = 15_000;

/** How it looks is the same setting as on the chat page. */
const SCHEME = 'dovvybuddy:scheme';

function keptScheme() {
  try {
    return JSON.parse(localStorage.getItem(SCHEME) ?? '"auto"');
  } catch {
    return 'auto';
  }
}

function paint(scheme) {
  document.documentElement.style.colorScheme = scheme === 'auto' ? '' : scheme;
  try {
    localStorage.setItem(SCHEME, JSON.stringify(scheme));
  } catch {
    // Forbidden: for this page only.
  }
}

export class Admin {
  constructor() {
    this.desk = new Desk(() => this.logOut('This key is not valid (any more).'));
    /** An open question that is to be answered. @type {string | null} */
    this.question = null;
    this.node = h('div', { class: 'dv admin' });
    addEventListener('hashchange', () => this.go());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) void this.view?.refresh(); });
  }

  async start() {
    if (!this.desk.key) return this.logIn();
    try {
      this.me = await this.desk.request('me');
      this.enter();
    } catch (error) {
      if (this.desk.key) this.logIn(error.message);
    }
  }

  may(role) {
    return ROLES.indexOf(this.me?.role) >= ROLES.indexOf(role);
  }

  get entries() {
    return this.me?.entries;
  }

  logIn(problem = '') {
    const key = h('input', { type: 'password', id: 'key', autocomplete: 'off', required: true, spellcheck: 'false', 'aria-describedby': 'key-hint' });
    const error = h('p', { class: 'error', role: 'alert', hidden: !problem }, icon('alert'), h('span', null, problem));
    const form = h('form', { class: 'card login', submit: async (event) => {
      event.preventDefault();
      this.desk.keep(key.value.trim());
      await this.start();
    } },
    mark(), h('h1', null, 'The operator’s view'),
    h('p', { class: 'note', id: 'key-hint' }, 'Log in with a key of yours. It stays in this tab until you close it or log out.'),
    h('div', { class: 'field' }, h('label', { for: 'key' }, 'API key'), key), error,
    h('button', { class: 'button strong', type: 'submit' }, 'Log in'),
    h('details', null, h('summary', null, 'How to get one'), h('p', null, 'On the machine that runs the daemon:'), h('pre', { tabindex: '0' }, h('code', null, 'dovvybuddy keys create NAME --scope read\ndovvybuddy keys create NAME --scope reply\ndovvybuddy keys create NAME --scope edit'))));
    this.node.replaceChildren(h('main', { class: 'gate' }, form));
    key.focus();
  }

  logOut(problem = '') {
    this.line?.abort();
    clearInterval(this.timer);
    this.desk.keep('');
    this.view = null;
    this.views = new Map();
    this.logIn(problem);
  }

  enter() {
    this.views = new Map();
    const links = VIEWS.filter(([name]) => name !== 'entries' || this.entries).map(([name, words, drawn]) => h('li', null, h('a', { href: `/admin#${name}`, 'data-view': name }, icon(/** @type {any} */ (drawn)), h('span', null, words))));
    this.nav = h('nav', { 'aria-label': 'Views' }, h('ul', null, ...links));
    this.live = h('p', { class: 'live', role: 'status' });
    const scheme = choices([['auto', 'Auto'], ['light', 'Light'], ['dark', 'Dark']], keptScheme(), paint);
    scheme.setAttribute('aria-label', 'Appearance');
    this.main = h('main', { tabindex: '-1' });
    this.toast = h('div', { class: 'toast', role: 'status' });
    this.node.replaceChildren(
      h('header', { class: 'head' }, mark(), h('div', { class: 'names' }, h('p', { class: 'brand' }, 'DovvyBuddy'), h('p', null, `${this.me.name} · ${this.me.role}`)), this.live, scheme,
        button('Log out', () => this.logOut(), 'small plain')),
      h('div', { class: 'body' }, this.nav, this.main), this.toast);
    this.line = new AbortController();
    void this.desk.follow(() => this.view?.refresh(), (stands) => this.stands(stands), this.line.signal);
    clearInterval(this.timer);
    this.timer = setInterval(() => { if (!document.hidden) void this.view?.refresh(); }, LOOK);
    this.go(true);
  }

  stands(stands) {
    this.live.replaceChildren(h('span', { class: `dot ${stands ? 'on' : ''}` }), h('span', null, stands ? 'Live' : 'Reconnecting…'));
  }

  /** Shows the view that the address names. */
  go(first = false) {
    if (!this.me || !this.main?.isConnected) return;
    const [wanted, id = null] = decodeURIComponent(location.hash.slice(1)).split('/');
    const [name, words, , View] = VIEWS.find(([one]) => one === wanted && (one !== 'entries' || this.entries)) ?? VIEWS[0];
    let view = this.views.get(name);
    if (!view) {
      view = new View(this);
      this.views.set(name, view);
    }
    for (const link of this.nav.querySelectorAll('a')) {
      if (link.dataset.view === name) {
        link.setAttribute('aria-current', 'page');
        link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
      } else link.removeAttribute('aria-current');
    }
    document.title = `${words} · DovvyBuddy`;
    if (this.view !== view) {
      this.view = view;
      this.main.replaceChildren(view.node);
    }
    void view.show(id);
    if (!first) (id ? view.node.querySelector('.detail h2') ?? this.main : this.main).focus({ preventScroll: true });
  }

  /** Goes to the editor with a question. */
  teach(question) {
    this.question = question;
    if (location.hash === '#entries') void this.view.show();
    else location.hash = '#entries';
  }

  /** Tells what became of something. @param {[string, () => Promise<void>] | null} [then] what can be done about it */
  say(words, bad = false, then = null) {
    this.toast.className = `toast ${bad ? 'error' : ''}`;
    const act = then && button(then[0], async () => {
      try {
        await then[1]();
        this.say('Undone.');
      } catch (error) {
        this.say(error.message, true);
      }
    }, 'small');
    this.toast.replaceChildren(h('span', null, words), ...(act ? [act] : []), iconButton('close', 'Close', () => this.hush(), 'quiet'));
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => this.hush(), 12_000);
  }

  hush() {
    if (this.toast.contains(document.activeElement)) this.main.focus();
    this.toast.replaceChildren();
  }

  /** Saves a list as a file. */
  async save(path, name) {
    try {
      await this.desk.download(path, name);
    } catch (error) {
      this.say(error.message, true);
    }
  }
}

paint(keptScheme());
const admin = new Admin();
document.getElementById('app').replaceChildren(admin.node);
void admin.start();
