// Leads, ratings, questions that were not covered, and who looked at what.

import { h, icon, button } from '../dom.js';
import { render } from '../markdown.js';
import { plainWord } from './desk.js';
import { busy, choices, dataTable, nothing, pairs, profilePairs, shown, tag, time, viewHead, waiting, wentWrong } from './view.js';

/** A view that is one list. */
class Listing {
  /** @param {import('./admin.js').Admin} admin */
  constructor(admin, title, exported = '') {
    this.admin = admin;
    this.body = h('div', { class: 'entries' });
    const save = (format) => button(format.toUpperCase(), (event) => busy(event.currentTarget, () => admin.save(`export/${exported}?format=${format}`, `${exported}.${format}`)), 'small plain');
    const actions = exported ? [h('span', { class: 'row', role: 'group', 'aria-label': 'Export' }, save('csv'), save('jsonl'))] : [];
    this.node = h('section', { class: 'pane one' }, viewHead(title, ...this.actions(), ...actions), this.body);
  }

  /** @returns {Node[]} */
  actions() {
    return [];
  }

  async show() {
    if (!this.body.childElementCount) this.body.replaceChildren(waiting());
    await this.refresh();
  }

  async refresh() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const found = await this.admin.desk.request(this.path());
      const print = JSON.stringify(found);
      if (turn !== this.turn || print === this.print) return;
      this.print = print;
      this.body.replaceChildren(...this.nodes(found));
    } catch (error) {
      this.print = '';
      if (turn === this.turn) this.body.replaceChildren(wentWrong(error, () => this.show()));
    }
  }
}

function conversationLink(id) {
  return h('a', { href: `#conversations/${id}` }, 'Conversation');
}

export class Leads extends Listing {
  constructor(admin) {
    super(admin, 'Leads', 'leads');
  }

  path() {
    return 'leads?limit=200';
  }

  nodes(leads) {
    if (!leads.length) return [nothing('No leads yet', 'What divers ask professionals for appears here.')];
    return leads.map((lead) => h('article', { class: 'card' },
      h('div', { class: 'card-top' }, h('h2', { dir: 'auto' }, shown(lead.data.name ?? 'Somebody')), tag(lead.kind, 'accent'), ...lead.deliveries.map((one) => tag(`${one.outlet}: ${plainWord(one.state)}`, one.state === 'dead' ? 'danger' : '')), h('span', { class: 'push' }), time(lead.createdAt)),
      pairs([...Object.entries(lead.data).filter(([name]) => name !== 'name').map(([name, value]) => [plainWord(name), shown(value)]), ...profilePairs(lead.profile)]),
      lead.sessionId && h('p', null, conversationLink(lead.sessionId))));
  }
}

export class Feedback extends Listing {
  constructor(admin) {
    super(admin, 'Feedback', 'feedback');
  }

  path() {
    return 'feedback?limit=200';
  }

  nodes(ratings) {
    if (!ratings.length) return [nothing('No ratings yet', 'Divers rate answers with a thumb up or down.')];
    const up = ratings.filter((one) => one.up).length;
    return [h('p', { class: 'note' }, `${up} of the last ${ratings.length} ratings say that the answer helped.`), ...ratings.map((one) => {
      const answer = h('div', { class: 'md clip', dir: 'auto' });
      render(answer, one.reply, {});
      return h('article', { class: 'card' },
        h('div', { class: 'card-top' }, icon(one.up ? 'up' : 'thumbDown'), h('h2', { dir: 'auto' }, one.said ?? 'A reply'), tag(one.up ? 'helped' : 'did not help', one.up ? 'good' : 'caution'), h('span', { class: 'push' }), time(one.at)),
        one.comment && h('blockquote', { dir: 'auto' }, one.comment), h('details', null, h('summary', null, 'The answer'), answer), h('p', null, conversationLink(one.sessionId)));
    })];
  }
}

export class Unanswered extends Listing {
  constructor(admin) {
    super(admin, 'Open questions', 'unanswered');
  }

  actions() {
    this.days = '30';
    const node = choices([['7', 'Last 7 days'], ['30', 'Last 30 days'], ['366', 'Last year']], '30', (value) => { this.days = value; void this.refresh(); });
    node.setAttribute('aria-label', 'Time');
    return [node];
  }

  path() {
    return `unanswered?days=${this.days}`;
  }

  nodes(questions) {
    if (!questions.length) return [nothing('Nothing open', 'Questions the content did not cover gather here, the most frequent first.')];
    const teach = this.admin.may('edit') && this.admin.entries;
    return questions.map((one) => h('article', { class: 'card open-question' },
      h('span', { class: 'times', title: 'How often it was asked' }, `${one.count}×`),
      h('div', null, h('h2', { dir: 'auto' }, one.text), h('p', { class: 'note' }, 'Last asked ', time(one.lastAt), ...one.sessions.flatMap((id, i) => [' · ', h('a', { href: `#conversations/${id}` }, `Conversation ${i + 1}`)]))),
      teach && button('Write the answer', () => this.admin.teach(one.text), 'small', 'plus')));
  }
}

export class Audit extends Listing {
  constructor(admin) {
    super(admin, 'Audit');
  }

  path() {
    return 'audit?limit=200';
  }

  nodes({ entries }) {
    return [h('p', { class: 'note' }, 'Who looked at what, and who changed what. Looking at the same thing again within ten minutes is not noted again.'),
      dataTable('Audit', ['When', 'Who', 'Key', 'What', 'Of what'], entries.map((one) => [time(one.at), one.name, one.key, one.action, one.subject]))];
  }
}
