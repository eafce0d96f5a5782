// Pictures of figures: bars and lines as SVG, each with its table beside it.

import { h } from '../dom.js';
import { dataTable } from './view.js';

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 220;
const EDGE = { top: 10, right: 8, bottom: 26, left: 52 };

function s(name, properties, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

/** A number above `most` that reads well, and its quarter. */
export function scale(most) {
  if (!(most > 0)) return { top: 4, step: 1 };
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
  return { top: step * Math.ceil(most / step), step };
}

/** The frame: lines across with their values, and words below. */
function frame(width, top, step, labels, words) {
  const inner = { width: width - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
  const y = (value) => EDGE.top + inner.height * (1 - value / top);
  const band = inner.width / Math.max(1, labels.length);
  const node = s('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, class: 'chart', 'aria-hidden': 'true' });
  for (let value = 0; value <= top + step / 1000; value += step) {
    node.append(s('line', { x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value), class: 'grid' }));
    node.append(s('text', { x: EDGE.left - 6, y: y(value) + 4, class: 'tick end' }, words(value)));
  }
  const every = Math.max(1, Math.ceil(labels.length / Math.max(1, Math.floor(inner.width / 64))));
  labels.forEach((label, i) => {
    if (i % every) return;
    node.append(s('text', { x: EDGE.left + band * (i + 0.5), y: HEIGHT - 8, class: 'tick middle' }, label));
  });
  return { node, y, band };
}

/** @typedef {{label: string, values: number[]}} Series */

/** @param {string[]} labels @param {Series[]} series */
function bars(width, labels, series, words) {
  const sums = labels.map((_, i) => series.reduce((sum, one) => sum + one.values[i], 0));
  const { top, step } = scale(Math.max(0, ...sums));
  const { node, y, band } = frame(width, top, step, labels, words);
  const thick = Math.max(2, Math.min(44, band * 0.72));
  labels.forEach((_, i) => {
    let floor = 0;
    series.forEach((one, k) => {
      const value = one.values[i];
      if (!value) return;
      const [from, to] = [y(floor), y(floor + value)];
      node.append(s('rect', { x: EDGE.left + band * (i + 0.5) - thick / 2, y: to, width: thick, height: Math.max(1, from - to - 0.75), rx: 2, class: `fill${k % 6}` }));
      floor += value;
    });
  });
  return node;
}

/** @param {string[]} labels @param {Series[]} series where `null` is a gap */
function lines(width, labels, series, words) {
  const { top, step } = scale(Math.max(0, ...series.flatMap((one) => one.values.filter((value) => value !== null))));
  const { node, y, band } = frame(width, top, step, labels, words);
  series.forEach((one, k) => {
    const points = one.values.map((value, i) => value === null ? null : [EDGE.left + band * (i + 0.5), y(value)]);
    let path = '';
    points.forEach((point, i) => {
      if (point) path += `${i && points[i - 1] ? 'L' : 'M'}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    });
    node.append(s('path', { d: path, class: `line line${k % 6}` }));
    for (const point of points) {
      if (point) node.append(s('circle', { cx: point[0], cy: point[1], r: 3.5, class: `fill${k % 6}` }));
    }
  });
  return node;
}

/**
 * A picture with its legend and its table.
 * @param {{title: string, summary: string, kind: 'bars' | 'lines', labels: string[], names?: string[], series: Series[], words: (value: number) => string}} what
 */
export function chart({ title, summary, kind, labels, names = labels, series, words }) {
  const draw = kind === 'bars' ? bars : lines;
  const canvas = h('div', { class: 'canvas' });
  const shown = (value) => value === null || value === undefined ? '' : words(value);
  const rows = names.map((name, i) => [name, ...series.map((one) => shown(one.values[i]))]);
  const told = rows.filter((_, i) => series.some((one) => one.values[i]));
  const node = h('figure', { class: 'card' },
    h('figcaption', null, h('h2', null, title), h('p', { class: 'note' }, summary)),
    series.length > 1 && h('ul', { class: 'legend' }, ...series.map((one, k) => h('li', null, h('span', { class: `key key${k % 6}` }), one.label))),
    canvas,
    h('details', null, h('summary', null, 'As a table'), dataTable(title, ['When', ...series.map((one) => one.label)], told)));
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width < 40 || width === drawn) return;
    drawn = width;
    canvas.replaceChildren(draw(width, labels, series, words));
  }).observe(canvas);
  return node;
}
