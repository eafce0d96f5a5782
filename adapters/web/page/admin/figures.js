// Figures over time, and how the parts of the daemon are.

import { h } from '../dom.js';
import { chart } from './charts.js';
import { ago, money, plainWord, span } from './desk.js';
import { choices, dataTable, nothing, pairs, tag, time, viewHead, waiting, wentWrong } from './view.js';

/** More lines than this in one picture nobody tells apart. */
const MOST_SERIES = 6;

/** The steps of time from the first to now. */
function stepsOf({ since, until, stepSeconds }) {
  const steps = [];
  for (let at = Date.parse(since); at <= Date.parse(until) && steps.length < 400; at += stepSeconds * 1000) steps.push(at);
  return steps;
}

/** Figures by one of their fields, the largest first; what is too much becomes one. */
function seriesBy(figures, field, value, steps) {
  const sums = new Map();
  for (const one of figures) sums.set(one[field], (sums.get(one[field]) ?? 0) + value(one));
  const names = [...sums].sort((one, other) => other[1] - one[1]).map(([name]) => name);
  const kept = names.length > MOST_SERIES ? names.slice(0, MOST_SERIES - 1) : names;
  const place = new Map(steps.map((at, i) => [at, i]));
  const series = [...kept, ...(kept.length < names.length ? ['others'] : [])].map((label) => ({ label, values: steps.map(() => 0) }));
  for (const one of figures) {
    const i = place.get(Date.parse(one.at));
    const line = kept.indexOf(one[field]);
    if (i !== undefined) series[line < 0 ? kept.length : line].values[i] += value(one);
  }
  return series;
}

export class Figures {
  /** @param {import('./admin.js').Admin} admin */
  constructor(admin) {
    this.admin = admin;
    this.days = '7';
    this.body = h('div', { class: 'charts' });
    const days = choices([['1', 'Last 24 hours'], ['3', 'Last 3 days'], ['7', 'Last 7 days'], ['30', 'Last 30 days'], ['366', 'Last year']], '7', (value) => { this.days = value; void this.refresh(); });
    days.setAttribute('aria-label', 'Time');
    this.node = h('section', { class: 'pane one wide' }, viewHead('Figures', days), this.body);
  }

  async show() {
    if (!this.body.childElementCount) this.body.replaceChildren(waiting());
    await this.refresh();
  }

  async refresh() {
    try {
      const figures = await this.admin.desk.request(`figures?days=${this.days}`);
      const print = JSON.stringify([figures.turns, figures.latency, figures.since]);
      if (print === this.print) return;
      this.print = print;
      this.body.replaceChildren(...this.pictures(figures));
    } catch (error) {
      this.print = '';
      this.body.replaceChildren(wentWrong(error, () => this.show()));
    }
  }

  pictures(figures) {
    const steps = stepsOf(figures);
    const hourly = figures.stepSeconds < 86_400;
    const label = (at) => new Date(at).toLocaleString('en-GB', hourly ? { hour: '2-digit', minute: '2-digit' } : { day: 'numeric', month: 'short', timeZone: 'UTC' });
    const name = (at) => new Date(at).toLocaleString('en-GB', hourly ? { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' } : { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
    const [labels, names] = [steps.map(label), steps.map(name)];
    const sum = (list, value) => list.reduce((total, one) => total + value(one), 0);
    const turns = sum(figures.turns, (one) => one.turns);
    const cost = sum(figures.turns, (one) => one.costMicros);
    const tokens = sum(figures.turns, (one) => one.tokens);
    const count = (value) => value.toLocaleString('en-GB');
    const latency = new Map(figures.latency.map((one) => [Date.parse(one.at), one]));
    const line = (label, field) => ({ label, values: steps.map((at) => latency.get(at)?.[field] ?? null) });
    const most = Math.max(0, ...figures.latency.map((one) => one.totalP95));
    const numbers = h('div', { class: 'numbers' }, ...[['Turns', count(turns)], ['Tokens', count(tokens)], ['Cost', money(cost)], ['Slowest 5 % took over', span(most)]]
      .map(([words, value]) => h('div', { class: 'card' }, h('p', { class: 'note' }, words), h('p', { class: 'number' }, value))));
    if (!turns) return [numbers, nothing('No turns in this time', 'Pictures appear as soon as somebody asks.')];
    const per = hourly ? 'hour' : 'day';
    return [numbers,
      chart({ title: 'Turns by channel', summary: `${count(turns)} turns, by ${per}.`, kind: 'bars', labels, names, series: seriesBy(figures.turns, 'channel', (one) => one.turns, steps), words: count }),
      chart({ title: 'Turns by agent', summary: 'Which agent answered.', kind: 'bars', labels, names, series: seriesBy(figures.turns, 'agent', (one) => one.turns, steps), words: count }),
      chart({ title: 'How long answers took', summary: 'From receipt: the first words, and the whole reply.', kind: 'lines', labels, names, series: [line('First words, half', 'firstP50'), line('First words, 95 %', 'firstP95'), line('Whole, half', 'totalP50'), line('Whole, 95 %', 'totalP95')], words: span }),
      cost > 0 && chart({ title: 'Cost', summary: `${money(cost)} in the configured currency, by ${per}.`, kind: 'bars', labels, names, series: seriesBy(figures.turns, 'agent', (one) => one.costMicros, steps), words: money }),
      cost === 0 && h('figure', { class: 'card' }, h('figcaption', null, h('h2', null, 'Cost'), h('p', { class: 'note' }, 'Nothing was spent: no model was asked, or none has a price.')))].filter(Boolean);
  }
}

export class Health {
  /** @param {import('./admin.js').Admin} admin */
  constructor(admin) {
    this.admin = admin;
    this.body = h('div', { class: 'entries' });
    this.node = h('section', { class: 'pane one' }, viewHead('Health and spend'), this.body);
  }

  async show() {
    if (!this.body.childElementCount) this.body.replaceChildren(waiting());
    await this.refresh();
  }

  async refresh() {
    try {
      const [status, figures] = await Promise.all([
        fetch('/status', { credentials: 'omit', cache: 'no-store' }).then((response) => response.json()),
        this.admin.desk.request('figures?days=1'),
      ]);
      this.body.replaceChildren(...this.cards(status, figures));
    } catch (error) {
      this.body.replaceChildren(wentWrong(error, () => this.show()));
    }
  }

  cards(status, figures) {
    const cost = figures.turns.reduce((sum, one) => sum + one.costMicros, 0);
    const tokens = figures.turns.reduce((sum, one) => sum + one.tokens, 0);
    const { queue, content } = status;
    const card = (title, ...children) => h('article', { class: 'card' }, h('h2', null, title), ...children);
    return [
      card('Channels', dataTable('Channels', ['Channel', 'Last message'], status.channels.map((one) => [one.id, one.last_message ? h('span', null, `${ago(one.last_message)} · `, time(one.last_message)) : 'none since the start']))),
      card('Loops', dataTable('Loops', ['Part', 'State', 'Last sign of life', 'Started again'], status.loops.map((one) => [one.name, tag(one.stalled ? 'stalled' : 'moving', one.stalled ? 'danger' : 'good'), time(one.last_progress), one.restarts]))),
      card('Queue and outbox', queue ? pairs([['Messages waiting', queue.waiting], ['The oldest for', `${queue.oldest_seconds.toFixed(1)} s`], ['Turns running', status.turns_running], ['Parts to be sent', queue.outbox_pending], ['Delivery uncertain', queue.outbox_unknown], ['Given up', queue.outbox_dead]]) : h('p', null, 'The store does not answer.')),
      card('Models', status.models.length ? dataTable('Models', ['Model', 'State'], status.models.map((one) => [one.name, tag(plainWord(one.breaker), one.breaker === 'closed' ? 'good' : 'caution')])) : h('p', null, 'None is configured: answers quote their sources.')),
      card('Spend', pairs([['Last 24 hours', money(cost)], ['Tokens in 24 hours', tokens.toLocaleString('en-GB')], ['Counted against today’s caps', `${figures.tokensToday.toLocaleString('en-GB')} tokens, ${money(figures.costMicrosToday)}`]])),
      card('Content', pairs([['Documents', content.documents], ['Passages', content.passages], ['With a vector', content.embedded], ['Newest revision', content.updated], ['Version', content.version], ['Program', status.version]])),
    ];
  }
}
