// Building nodes. Text stays text, whatever it looks like: nothing here reads HTML.

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Makes an element. Functions become listeners, `true` an empty attribute; `false` and `null` are left out.
 * @param {string} name
 * @param {Record<string, unknown> | null} [properties]
 * @param {...Child} children
 * @returns {any}
 */
export function h(name, properties, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') node.addEventListener(key, /** @type {EventListener} */ (value));
    else node.setAttribute(key, value === true ? '' : String(value));
  }
  node.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child || child === '')));
  return node;
}

/** Line drawings on a grid of 24. */
const PATHS = {
  send: 'M5 12h13M12 5l7 7-7 7',
  stop: 'M7 7h10v10H7z',
  plus: 'M12 5v14M5 12h14',
  more: 'M4.5 12h1M11.5 12h1M18.5 12h1',
  courses: 'M2 9l10-5 10 5-10 5zM6 11.500v5c3.5 3 8.5 3 12 0v-5M22 9v6',
  trips: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM15.5 8.500l-2 5-5 2 2-5z',
  safety: 'M12 3l8 3v5.500c0 4.5-3.2 8-8 9.5-4.8-1.5-8-5-8-9.500V6zM8.5 12l2.5 2.5 4.5-5',
  worries: 'M12 20s-8-4.7-8-10.500A4.5 4.5 0 0 1 12 7a4.5 4.5 0 0 1 8 2.500C20 15.3 12 20 12 20z',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M12 5v14M6 13l6 6 6-6',
  up: 'M7 11v9H4v-9zM7 11l4-8c1.7 0 2.6 1 2.4 2.6L13 9h5.5c1.3 0 2.2 1.2 1.9 2.4l-1.7 7c-.2.9-1 1.6-2 1.6H7',
  thumbDown: 'M17 13V4h3v9zM17 13l-4 8c-1.7 0-2.6-1-2.4-2.6L11 15H5.500c-1.3 0-2.2-1.2-1.9-2.400l1.7-7C5.5 4.7 6.3 4 7.3 4H17',
  alert: 'M12 3.5 22 20.500H2zM12 10v4.500M12 17.500v.01',
  phone: 'M6.5 3.500h3l1.5 4.5-2 1.500a12 12 0 0 0 5.5 5.500l1.5-2 4.5 1.500v3c0 1-.8 2-2 2C11 19.5 4.5 13 4.5 5.500c0-1.2 1-2 2-2z',
  book: 'M5 4.500h10a3 3 0 0 1 3 3v12H8a3 3 0 0 1-3-3zM5 16.500a3 3 0 0 1 3-3h10',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.500c.8-3.5 3.8-5.5 7.5-5.500s6.7 2 7.5 5.5',
  check: 'M5 12.500l4.5 4.500L19 7.5',
  cloudOff: 'M3 3l18 18M7 9a4.5 4.5 0 0 0 .5 9H17M10 5.500a6 6 0 0 1 7.5 5A4 4 0 0 1 20 17',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2',
  chart: 'M3 20.500h18M6 17v-5M11 17V5M16 17V9M20.500 17v-2.500',
  reply: 'M9 7l-5 5 5 5M4 12h10a6 6 0 0 1 6 6v1',
};

/** What DovvyBuddy is drawn as: a speech bubble half under water, with air rising. */
const MARK = [
  'M24 4C12.4 4 4 11.4 4 21c0 5.4 2.7 10 7 13.100V42l7.3-4.700c1.8.4 3.7.7 5.7.7 11.6 0 20-7.4 20-17S35.6 4 24 4z',
  'M8.5 23.500c3.9-3.2 7.7-3.2 11.6 0s7.7 3.2 11.6 0 5.8-2.8 7.8-1.700c-.6 7-7 12.2-15.5 12.2-8.3 0-14.8-4.4-15.5-10.500z',
];

/** @param {string} view @returns {SVGElement} */
function drawing(view, className) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', view);
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', className);
  return svg;
}

function stroke(svg, d, className) {
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', d);
  if (className) path.setAttribute('class', className);
  svg.append(path);
}

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  const svg = drawing('0 0 24 24', 'icon');
  stroke(svg, PATHS[name]);
  return svg;
}

/** The bubble with the waterline. */
export function mark() {
  const svg = drawing('0 0 48 48', 'mark-logo');
  stroke(svg, MARK[0], 'bubble');
  stroke(svg, MARK[1], 'water');
  for (const [x, y, r] of [[19, 17, 2.6], [26.5, 12, 2], [29, 18, 1.5]]) {
    const circle = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
    for (const [key, value] of Object.entries({ cx: x, cy: y, r })) circle.setAttribute(key, String(value));
    circle.setAttribute('class', 'air');
    svg.append(circle);
  }
  return svg;
}

/** A button with a drawing, and words for those who don't see it. */
export function iconButton(name, label, onClick, className = '') {
  return h('button', { type: 'button', class: `round ${className}`, 'aria-label': label, title: label, click: onClick }, icon(name));
}

/** A plain button. */
export function button(label, onClick, className = '', drawn = null) {
  return h('button', { type: 'button', class: `button ${className}`, click: onClick }, drawn && icon(drawn), h('span', null, label));
}

let lastId = 0;

/** An id of its own in the document. */
export function freshId(prefix) {
  return `dv-${prefix}-${++lastId}`;
}

/** Fills `{name}` in a text. */
export function fill(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
