// Being put in touch with a professional: what is asked, to whom it goes, exactly what is sent, and only then sent.

import { h, button, icon, freshId } from './dom.js';
import { trouble } from './stream.js';

/** @typedef {import('./chat.js').Chat} Chat */
/** @typedef {{name: string, most: number, type?: string, required?: boolean, long?: boolean, complete?: string}} Field */

/** @type {Field[]} */
const EVERYBODY = [
  { name: 'name', most: 100, required: true, complete: 'name' },
  { name: 'email', most: 254, type: 'email', required: true, complete: 'email' },
];
/** @type {Record<string, Field[]>} */
const KINDS = {
  training: [
    { name: 'interested_certification', most: 50 },
    { name: 'certification_level', most: 50 },
    { name: 'preferred_location', most: 100 },
  ],
  trip: [
    { name: 'destination', most: 100 },
    { name: 'travel_dates', most: 100 },
    { name: 'group_size', most: 2, type: 'number' },
    { name: 'budget', most: 50 },
  ],
};
/** @type {Field[]} */
const LAST = [
  { name: 'phone', most: 20, type: 'tel', complete: 'tel' },
  { name: 'message', most: 2000, long: true },
];
/** What the daemon adds from the conversation, in this order; concerns only when ticked. */
const PROFILE = ['agency', 'cert_level', 'dives', 'last_dive', 'region', 'travel_plans', 'units', 'language'];

export class LeadForm {
  /** @param {Chat} chat @param {string | null} kind `training` or `trip` */
  constructor(chat, kind) {
    this.chat = chat;
    this.values = {};
    this.errors = {};
    this.share = false;
    this.profile = {};
    const title = freshId('lead');
    this.heading = h('h2', { id: title, tabindex: '-1' }, chat.t('leadTitle'));
    this.body = h('div');
    this.node = h('section', { class: 'card lead', 'aria-labelledby': title },
      h('div', { class: 'card-head' }, icon('person'), this.heading), this.body);
    this.kind = kind ?? 'training';
    this.ask();
  }

  who() {
    const { name, contact } = this.chat.about.operator;
    return name ?? contact ?? this.chat.t('leadOperator');
  }

  fields() {
    return [...EVERYBODY, ...KINDS[this.kind], ...LAST];
  }

  /** First step: the form. */
  ask() {
    const { t } = this.chat;
    const kinds = h('div', { class: 'segments', role: 'group', 'aria-label': t('leadAbout') },
      ...Object.keys(KINDS).map((kind) => h('button', {
        type: 'button', 'aria-pressed': String(kind === this.kind), click: () => this.choose(kind),
      }, t(kind))));
    this.inputs = {};
    const form = h('form', { novalidate: true, submit: (event) => this.check(event) },
      kinds,
      h('div', { class: 'fields' }, ...this.fields().map((field) => this.field(field))),
      h('div', { class: 'row' },
        h('button', { type: 'submit', class: 'button strong' }, t('leadReview')),
        button(t('leadNot'), () => this.dismiss(), 'plain')));
    this.body.replaceChildren(h('p', { class: 'note' }, t('leadIntro', { who: this.who() })), form);
  }

  /** @param {Field} field */
  field({ name, most, type = 'text', required = false, long = false, complete = 'off' }) {
    const { t } = this.chat;
    const [id, hint] = [freshId('field'), freshId('hint')];
    const error = this.errors[name];
    const about = { id, name, maxlength: String(most), autocomplete: complete, required,
      'aria-invalid': error ? 'true' : null, 'aria-describedby': error ? hint : null };
    const number = type === 'number' ? { min: '1', max: '50', inputmode: 'numeric' } : {};
    const input = long ? h('textarea', { ...about, rows: '3' }) : h('input', { ...about, type, ...number });
    input.value = this.values[name] ?? '';
    this.inputs[name] = input;
    return h('div', { class: long ? 'field wide' : 'field' },
      h('label', { for: id }, t(`lead_${name}`), !required && h('span', { class: 'optional' }, ` ${t('optional')}`)),
      input,
      error && h('p', { class: 'error', id: hint }, icon('alert'), error));
  }

  keep() {
    for (const [name, input] of Object.entries(this.inputs)) this.values[name] = input.value;
  }

  choose(kind) {
    this.keep();
    this.kind = kind;
    this.errors = {};
    this.ask();
    this.body.querySelector('[aria-pressed=true]').focus();
  }

  /** @param {SubmitEvent} event */
  async check(event) {
    event.preventDefault();
    this.keep();
    const { t } = this.chat;
    this.errors = {};
    if (!this.values.name.trim()) this.errors.name = t('required');
    const email = this.values.email.trim();
    if (!email) this.errors.email = t('required');
    else if (!/^[^\s@]+@[^\s@]+\.[^\s@.]{2,}$/.test(email)) this.errors.email = t('badEmail');
    const size = this.values.group_size?.trim();
    if (this.kind === 'trip' && size && !(Number.isInteger(+size) && +size >= 1 && +size <= 50)) this.errors.group_size = t('badSize');
    if (Object.keys(this.errors).length) return this.complain();
    try {
      await this.fetchProfile();
    } catch (error) {
      // What is not known to be sent can't be shown, so nothing is.
      return this.chat.notice(trouble(error, t), 'error');
    }
    this.review();
  }

  complain() {
    this.ask();
    const first = this.fields().find((field) => this.errors[field.name]);
    if (first) this.inputs[first.name].focus();
  }

  /** What the daemon knows of the diver and would pass on. */
  async fetchProfile() {
    this.profile = {};
    if (!this.chat.session) return;
    try {
      this.profile = (await this.chat.api.request(`/api/sessions/${this.chat.session}`)).diver_profile ?? {};
    } catch (error) {
      // A session that is gone adds nothing.
      if (error.status !== 404) throw error;
    }
  }

  data() {
    const data = {};
    for (const { name } of this.fields()) {
      const value = this.values[name]?.trim();
      if (value) data[name] = name === 'group_size' ? Number(value) : value;
    }
    if (this.share) data.share_concerns = true;
    return data;
  }

  /** Second step: who gets it, and exactly what. */
  review() {
    const { t } = this.chat;
    const pair = (label, value) => h('div', null, h('dt', null, label), h('dd', { dir: 'auto' }, String(value)));
    const said = Object.entries(this.data()).filter(([name]) => name !== 'share_concerns');
    const known = PROFILE.filter((name) => this.profile[name] !== undefined && this.profile[name] !== null);
    const concerns = this.profile.concerns ?? [];
    const contact = this.chat.about.operator.name && this.chat.about.operator.contact;
    const tick = h('input', { type: 'checkbox', change: () => { this.share = tick.checked; shared.hidden = !tick.checked; } });
    tick.checked = this.share;
    // What a client told under names of its own may be private too; the daemon passes it on with the concerns only.
    const other = Object.entries(this.profile).filter(([name, value]) => !PROFILE.includes(name) && name !== 'concerns' && value);
    const shared = h('dl', { class: 'pairs', hidden: !this.share }, pair(t('profile_concerns'), concerns.join(', ')),
      ...other.map(([name, value]) => pair(name, typeof value === 'string' ? value : JSON.stringify(value))));
    this.problem = h('p', { class: 'error', role: 'alert', hidden: true });
    this.body.replaceChildren(h('div', null,
      h('p', { class: 'goes-to' }, icon('send'), h('span', null, t('leadTo'), ' ', h('strong', { dir: 'auto' }, this.who()), contact && h('span', { class: 'optional' }, ` ${contact}`))),
      h('dl', { class: 'pairs' }, pair(t('leadAbout'), t(this.kind)), ...said.map(([name, value]) => pair(t(`lead_${name}`), value))),
      known.length > 0 && h('h3', null, t('leadFromChat')),
      known.length > 0 && h('dl', { class: 'pairs' }, ...known.map((name) => pair(t(`profile_${name}`), this.profile[name]))),
      concerns.length > 0 && h('label', { class: 'tick' }, tick, h('span', null, t('leadShare'))),
      concerns.length > 0 && shared,
      h('p', { class: 'note' }, t('leadNothingElse')),
      this.problem,
      h('div', { class: 'row' }, this.sendButton = button(t('leadSend'), () => this.send(), 'strong'), button(t('leadEdit'), () => this.edit(), 'plain')),
    ));
    this.heading.textContent = t('leadCheck');
    this.heading.focus();
    this.chat.keepInView(this.node);
  }

  edit() {
    this.heading.textContent = this.chat.t('leadTitle');
    this.ask();
    this.heading.focus();
  }

  async send() {
    const { t } = this.chat;
    this.sendButton.setAttribute('aria-disabled', 'true');
    if (this.sending) return;
    this.sending = true;
    this.problem.hidden = true;
    try {
      const body = { type: this.kind, data: this.data(), session_id: this.chat.session ?? undefined };
      this.sent(await this.chat.api.request('/api/leads', { body }));
    } catch (error) {
      const own = { name: 'required', email: 'badEmail', group_size: 'badSize' };
      const named = (error.details ?? []).map(({ field, message }) => [field.replace(/^data\./, ''), message]);
      const wrong = named.map(([name, message]) => [name, own[name] ? t(own[name]) : message]);
      if (wrong.some(([name]) => name in this.inputs)) {
        this.errors = Object.fromEntries(wrong);
        this.heading.textContent = t('leadTitle');
        return this.complain();
      }
      this.problem.textContent = error.status === 429 ? t('leadLimited', { n: error.retryAfter }) : trouble(error, t);
      this.problem.hidden = false;
    } finally {
      this.sending = false;
      this.sendButton.removeAttribute('aria-disabled');
    }
  }

  sent({ lead_id: id }) {
    const { t } = this.chat;
    const words = t('leadSent', { who: this.who() });
    this.heading.textContent = t('leadDone');
    this.node.classList.add('done');
    this.body.replaceChildren(h('p', null, words), h('p', { class: 'note' }, t('leadReference', { id: id.slice(0, 8) })));
    this.heading.focus();
    this.chat.announce(words);
    this.chat.leadClosed(this, true);
    this.chat.emit('lead', { leadId: id, type: this.kind });
  }

  dismiss() {
    this.node.remove();
    this.chat.leadClosed(this, false);
  }
}
