// Conversations: the list as it changes, one of them, and a person's words in it.

import { h, icon, button } from '../dom.js';
import { ago, moment, plainWord } from './desk.js';
import { turnNode } from './turn.js';
import { busy, choices, nothing, pairs, profilePairs, tag, time, toggle, waiting, wentWrong } from './view.js';

const FILTERS = { emergency: 'Emergency', paused: 'With a person', unanswered: 'Open questions' };
/** How long the bot may be silent. @type {[string, string][]} */
const MINUTES = [['10', '10 minutes'], ['30', '30 minutes'], ['120', '2 hours'], ['480', '8 hours'], ['1440', '1 day']];
const DID = { pause: 'took over', resume: 'gave it back to the bot', taken_up: 'The bot took up what was left open' };

export class Conversations {
  /** @param {import('./admin.js').Admin} admin */
  constructor(admin) {
    this.admin = admin;
    this.filter = { channel: '', agent: '' };
    this.items = h('ul', { class: 'items' });
    this.more = button('Earlier conversations', () => busy(this.more, () => this.load(true)), 'small');
    this.more.hidden = true;
    this.state = h('div');
    this.list = h('section', { class: 'pane list-pane', 'aria-label': 'Conversations' }, this.head(), this.state, this.items, this.more);
    this.detail = h('section', { class: 'pane detail-pane', 'aria-label': 'Conversation' });
    this.node = h('div', { class: 'panes' }, h('h1', { class: 'sr' }, 'Conversations'), this.list, this.detail);
  }

  head() {
    const filters = Object.entries(FILTERS).map(([name, words]) => toggle(words, false, (on) => { this.filter[name] = on; void this.load(); }));
    const channel = choices([['', 'Every channel'], ...['web', 'telegram', 'discord', 'whatsapp'].map((name) => /** @type {[string, string]} */ ([name, name]))], '', (value) => { this.filter.channel = value; void this.load(); });
    const agent = choices([['', 'Every agent'], ...['certification', 'trip', 'safety', 'retrieval'].map((name) => /** @type {[string, string]} */ ([name, name]))], '', (value) => { this.filter.agent = value; void this.load(); });
    channel.setAttribute('aria-label', 'Channel');
    agent.setAttribute('aria-label', 'Agent');
    const save = (format) => button(format.toUpperCase(), (event) => busy(event.currentTarget, () => this.admin.save(`export/conversations?${this.query({ format })}`, `conversations.${format}`)), 'small plain');
    return h('div', null, h('div', { class: 'view-head' }, h('h2', null, 'Conversations'), h('span', { class: 'row', role: 'group', 'aria-label': 'Export' }, save('csv'), save('jsonl'))),
      h('div', { class: 'filters' }, channel, agent, ...filters));
  }

  query(more = {}) {
    const wanted = Object.entries({ ...this.filter, ...more }).filter(([, value]) => value);
    return new URLSearchParams(wanted.map(([key, value]) => [key, String(value)])).toString();
  }

  /** @param {string | null} id the conversation to open */
  async show(id) {
    this.node.classList.toggle('with-detail', Boolean(id));
    if (!this.loaded) void this.load();
    if (id !== this.open?.id) {
      this.open = id ? new Conversation(this.admin, id) : null;
      this.detail.replaceChildren(this.open?.node ?? nothing('Choose a conversation', 'It opens here, with everything that is known of each turn.'));
    }
    this.markOpen();
    if (this.open) await this.open.load();
  }

  markOpen() {
    for (const link of this.items.querySelectorAll('a')) {
      if (link.hash === `#conversations/${this.open?.id}`) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
  }

  /** Something has changed. */
  async refresh() {
    await Promise.all([this.load(), this.open?.load()]);
  }

  async load(further = false) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (!this.loaded) this.state.replaceChildren(waiting());
    try {
      const found = await this.admin.desk.request(`conversations?${this.query({ cursor: further ? this.next : '', limit: 50 })}`);
      // A later look overtook this one.
      if (turn !== this.turn) return;
      this.loaded = true;
      this.next = found.next;
      const items = found.conversations.map((one) => this.item(one));
      if (further) this.items.append(...items);
      else this.put(items);
      this.more.hidden = !found.next;
      const filtered = Object.values(this.filter).some(Boolean);
      this.state.replaceChildren(...(this.items.childElementCount ? [] : [filtered ? nothing('None like this') : nothing('No conversations yet', 'They appear here as they happen.')]));
      this.markOpen();
    } catch (error) {
      if (turn === this.turn) this.state.replaceChildren(wentWrong(error, () => this.load()));
    }
  }

  /** Puts the newest items in place of the old ones, with the focus where it was. */
  put(items) {
    const focused = /** @type {HTMLAnchorElement | null} */ (this.items.contains(document.activeElement) ? document.activeElement : null)?.hash;
    this.items.replaceChildren(...items);
    if (focused) /** @type {HTMLElement | undefined} */ ([...this.items.querySelectorAll('a')].find((link) => link.hash === focused))?.focus();
  }

  item(one) {
    return h('li', null, h('a', { class: `item ${one.emergency ? 'alarm' : ''}`, href: `#conversations/${one.id}` },
      h('span', { class: 'item-top' }, h('span', { class: 'channel' }, one.channel), h('span', null, one.agent ?? ''), h('time', { datetime: one.updatedAt, title: moment(one.updatedAt) }, ago(one.updatedAt))),
      h('span', { class: 'words', dir: 'auto' }, one.lastWords || 'Nothing said yet'),
      h('span', { class: 'tags' }, one.emergency && tag('emergency', 'danger'), one.pausedUntil && tag(`with ${one.pausedBy}`, 'accent'),
        one.notCovered > 0 && tag(`${one.notCovered} not covered`, 'caution'), one.waiting > 0 && tag(`${one.waiting} waiting`), h('span', { class: 'note' }, one.turns === 1 ? '1 turn' : `${one.turns} turns`))));
  }
}

/** One conversation. */
class Conversation {
  /** @param {import('./admin.js').Admin} admin */
  constructor(admin, id) {
    this.admin = admin;
    this.id = id;
    /** What stands there by turn, so that a look again changes only what changed. @type {Map<string, {print: string, node: HTMLElement}>} */
    this.shown = new Map();
    this.title = h('div', { class: 'detail-head' });
    this.state = h('div', null, waiting());
    this.earlier = button('Earlier turns', () => busy(this.earlier, () => this.loadEarlier()), 'small');
    this.earlier.hidden = true;
    this.turns = h('div', { class: 'turns' });
    this.waits = h('div');
    this.bar = h('div', { class: 'held', role: 'status', hidden: true });
    this.desk = admin.may('reply') ? this.compose() : h('p', { class: 'note compose' }, 'This key may look. To write to divers it needs the scope “reply”.');
    this.node = h('div', { class: 'detail' }, this.title, this.state, h('div', { class: 'detail-scroll', tabindex: '0', role: 'region', 'aria-label': 'Turns' }, this.earlier, this.turns, this.waits), h('div', { class: 'desk' }, this.bar, this.desk));
    this.scroller = /** @type {HTMLElement} */ (this.turns.parentElement);
  }

  compose() {
    this.field = h('textarea', { id: 'reply', rows: 2, maxlength: 2000, placeholder: 'Write as a person…', required: true });
    this.minutes = choices(MINUTES, '30', () => {});
    this.minutes.id = 'minutes';
    this.take = button('Take over', () => this.act('pause', { minutes: Number(this.minutes.value) }, this.take), 'small', 'person');
    this.give = button('Give back to the bot', () => this.act('resume', undefined, this.give), 'small', 'reply');
    const send = h('button', { class: 'button strong', type: 'submit' }, icon('send'), h('span', null, 'Send'));
    const form = h('form', { class: 'compose', submit: (event) => { event.preventDefault(); void this.say(send); } },
      h('label', { for: 'reply', class: 'sr' }, 'Your words to the diver'), this.field,
      h('div', { class: 'row' }, h('label', { for: 'minutes' }, 'The bot is silent for'), this.minutes, this.take, this.give, h('span', { class: 'push' }), send));
    this.field.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    return form;
  }

  async say(send) {
    const text = this.field.value.trim();
    if (!text) return this.field.focus();
    await busy(send, async () => {
      try {
        await this.admin.desk.request(`conversations/${this.id}/reply`, { body: { text, minutes: Number(this.minutes.value) } });
        this.field.value = '';
        this.admin.say('Sent. The bot is silent here meanwhile.');
        await this.load();
      } catch (error) {
        this.admin.say(error.message, true);
      }
    });
    this.field.focus();
  }

  async act(what, body, node) {
    await busy(node, async () => {
      try {
        await this.admin.desk.request(`conversations/${this.id}/${what}`, { method: 'POST', body });
        this.admin.say(what === 'pause' ? 'The conversation is yours; the diver was told.' : 'The bot answers again.');
        await this.load();
      } catch (error) {
        this.admin.say(error.message, true);
      }
    });
    (node.hidden ? this.field : node).focus();
  }

  async load() {
    try {
      const found = await this.admin.desk.request(`conversations/${this.id}`);
      this.state.replaceChildren();
      this.head(found);
      this.put(found);
    } catch (error) {
      this.state.replaceChildren(wentWrong(error, error.status === 404 ? null : () => this.load()));
    }
  }

  head(found) {
    this.before ??= found.earlier;
    this.earlier.hidden = !this.before;
    const print = JSON.stringify([found.profile, found.emergency, found.channel, found.updatedAt]);
    if (print !== this.headPrint) {
      this.headPrint = print;
      const known = profilePairs(found.profile);
      const open = this.title.querySelector('details')?.open;
      this.title.replaceChildren(
        h('a', { class: 'button small plain back', href: '#conversations' }, icon('reply'), h('span', null, 'All conversations')),
        h('h2', { tabindex: '-1' }, h('span', { class: 'channel' }, found.channel), ' ', found.emergency && tag(`emergency: ${plainWord(found.emergency)}`, 'danger')),
        h('details', { open }, h('summary', null, 'About this conversation'), pairs([['Opened', time(found.createdAt)], ['Last used', time(found.updatedAt)], ['Session', found.id], ['On the platform', found.conversation], ...known])));
    }
    this.bar.hidden = !found.pausedUntil;
    const words = found.pausedUntil ? `${found.pausedBy} has this conversation until ${moment(found.pausedUntil)}. Emergencies are still answered at once.` : '';
    if (this.bar.textContent !== words) this.bar.replaceChildren(...(words ? [icon('person'), h('span', null, words)] : []));
    if (this.give) {
      this.give.hidden = !found.pausedUntil;
      this.take.lastElementChild.textContent = found.pausedUntil ? 'Change the time' : 'Take over';
    }
  }

  /** Turns and what people did, in the order of time. */
  put(found) {
    const end = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < 80 || !this.shown.size;
    for (const turn of found.turns) this.place(turn.id, turn.finishedAt, turn, () => turnNode(turn, { onTeach: this.admin.may('edit') ? (question) => this.admin.teach(question) : null }));
    for (const one of found.interventions) {
      if (DID[one.kind]) this.place(`${one.kind}${one.at}`, one.at, one, () => h('p', { class: 'did' }, icon(one.kind === 'taken_up' ? 'reply' : 'person'), h('span', null, one.by ? `${one.by} ${DID[one.kind]}` : DID[one.kind]), time(one.at)));
    }
    this.waits.replaceChildren(...found.waiting.map((one) => h('div', { class: 'question' }, h('div', { class: 'said', dir: 'auto' }, one.text), h('p', { class: 'note' }, 'Waits for its reply · ', time(one.at)))));
    if (end) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  place(key, at, what, make) {
    const print = JSON.stringify(what);
    const held = this.shown.get(key);
    if (held?.print === print) return;
    const node = make();
    node.dataset.at = at;
    this.shown.set(key, { print, node });
    if (held) return held.node.replaceWith(node);
    const later = [...this.turns.children].find((other) => /** @type {HTMLElement} */ (other).dataset.at > at);
    this.turns.insertBefore(node, later ?? null);
  }

  async loadEarlier() {
    try {
      const found = await this.admin.desk.request(`conversations/${this.id}?before=${this.before}`);
      const height = this.scroller.scrollHeight;
      this.put({ ...found, interventions: [] });
      this.scroller.scrollTop += this.scroller.scrollHeight - height;
      this.before = found.earlier;
      this.earlier.hidden = !found.earlier;
    } catch (error) {
      this.admin.say(error.message, true);
    }
  }
}
