// One turn: what was said, what was answered, and how it came about.

import { h, icon, button } from '../dom.js';
import { render } from '../markdown.js';
import { money, plainWord, span } from './desk.js';
import { pairs, tag, time } from './view.js';

/** Outcomes that want to be seen. */
const LOUD = { emergency: 'danger', not_covered: 'caution', fallback: 'danger', set_aside: 'danger', with_person: 'accent', person: 'accent' };

/** The steps of a turn and when each was reached, in milliseconds from receipt. */
function timings(usage) {
  const answered = Math.max(0, usage.totalMs - usage.waitedMs - usage.routeMs - usage.searchMs);
  return [['Waited', usage.waitedMs], ['Routing', usage.routeMs], ['Search', usage.searchMs], ['Answer', answered]];
}

function timingBar(usage) {
  const total = Math.max(1, usage.totalMs);
  const SVG = 'http://www.w3.org/2000/svg';
  const bar = document.createElementNS(SVG, 'svg');
  for (const [key, value] of Object.entries({ viewBox: '0 0 100 6', preserveAspectRatio: 'none', class: 'timing', 'aria-hidden': 'true' })) bar.setAttribute(key, value);
  let x = 0;
  timings(usage).forEach(([, value], k) => {
    const piece = document.createElementNS(SVG, 'rect');
    const width = (100 * Number(value)) / total;
    for (const [key, number] of Object.entries({ x, y: 0, width, height: 6 })) piece.setAttribute(key, String(number));
    piece.setAttribute('class', `fill${k}`);
    bar.append(piece);
    x += width;
  });
  return bar;
}

/** A passage that was cited, opened on demand. */
function passage(citation) {
  const body = h('div', { class: 'md', dir: 'auto' });
  const node = h('details', { class: 'cited' }, h('summary', null,
    h('span', { class: 'n' }, String(citation.n)), h('span', null, h('strong', null, citation.title), ' ', h('span', { class: 'note' }, [citation.section, citation.publisher, citation.source].filter(Boolean).join(' · '))),
    tag(citation.score.toFixed(2))), body);
  node.addEventListener('toggle', async () => {
    if (!node.open || body.childElementCount) return;
    const query = new URLSearchParams({ source: citation.source, section: citation.section });
    const found = await fetch(`/api/passages?${query}`, { credentials: 'omit' }).then((response) => (response.ok ? response.json() : null)).catch(() => null);
    if (found) render(body, found.text, {});
    else body.replaceChildren(h('p', null, 'The passage has changed since, or can’t be loaded.'));
  });
  return node;
}

function how(turn) {
  const { usage } = turn;
  const inner = [];
  if (usage) {
    inner.push(timingBar(usage), h('ul', { class: 'legend' }, ...timings(usage).map(([name, value], k) => h('li', null, h('span', { class: `key key${k}` }), `${name} ${span(Number(value))}`))));
  }
  inner.push(pairs([
    ['Agent', turn.agent], ['Confidence', turn.confidence.toFixed(2)], ['Read as', plainWord(turn.intent)], ['Language', turn.language], ['Safety', turn.safety === 'none' ? '' : turn.safety],
    ['Model', turn.model], ['Passages given', turn.contextChunks], ['First words after', usage && span(usage.firstPieceMs)], ['Whole after', usage && span(usage.totalMs)],
    ['Tokens', usage && usage.tokens], ['Cost', usage && money(usage.costMicros)], ['Had to do without', turn.degraded.join(', ')], ['Attempt', turn.attempt > 1 ? turn.attempt : ''],
    ['Content version', turn.versions.content], ['Prompt version', turn.versions.prompts], ['Turn', turn.id],
  ]));
  if (turn.citations.length) inner.push(h('h3', null, 'Passages'), ...turn.citations.map(passage));
  return h('details', { class: 'how' }, h('summary', null, 'How this came about'), h('div', { class: 'how-body' }, ...inner));
}

/** @param {any} turn @param {{onTeach: ((question: string) => void) | null}} options */
export function turnNode(turn, { onTeach }) {
  const person = turn.outcome === 'person';
  const answer = h('div', { class: 'md', dir: 'auto' });
  render(answer, turn.reply, {});
  const loud = LOUD[turn.outcome];
  const facts = [person ? turn.by ?? 'A person' : turn.agent, turn.usage && span(turn.usage.totalMs), turn.usage?.tokens ? `${turn.usage.tokens} tokens` : ''];
  return h('article', { class: `turn ${person ? 'by-person' : ''} ${turn.outcome === 'emergency' ? 'alarm' : ''}` },
    turn.said && h('div', { class: 'question' }, h('h3', { class: 'sr' }, 'Diver'), h('div', { class: 'said', dir: 'auto' }, turn.said)),
    h('div', { class: 'answer' },
      h('h3', { class: 'turn-head' }, icon(person ? 'person' : 'reply'), h('span', null, facts.filter(Boolean).join(' · ')), loud && tag(plainWord(turn.outcome), loud), time(turn.finishedAt)),
      answer,
      turn.rating && h('p', { class: 'rating' }, icon(turn.rating.up ? 'up' : 'thumbDown'), h('span', null, turn.rating.up ? 'Rated helpful' : 'Rated not helpful', turn.rating.comment ? `: ${turn.rating.comment}` : '')),
      h('div', { class: 'row' }, !person && how(turn),
        turn.outcome === 'not_covered' && turn.said && onTeach && button('Write the answer', () => onTeach(turn.said), 'small', 'plus'))));
}
