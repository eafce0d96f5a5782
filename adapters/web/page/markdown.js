// A safe subset of Markdown, built as DOM nodes: text stays text, whatever it looks like.

const LINK = /^(https?:|mailto:|tel:)/i;
const INLINE = /(`[^`\n]+`)|(\*\*[^*\n]+\*\*)|(\*[^*\s][^*\n]*\*|_[^_\s][^_\n]*_(?!\w))|\[([^\]\n]*)\]\(([^()\s]+)\)|\[(\d{1,3})\]|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?'"])|(\\[\\`*_[\]()#+\-.!])/g;

function element(name, className) {
  const node = document.createElement(name);
  if (className) node.className = className;
  return node;
}

function link(target, text) {
  if (!LINK.test(target)) return document.createTextNode(text);
  const node = element('a');
  node.href = target;
  node.rel = 'noopener noreferrer nofollow';
  if (/^https?:/i.test(target)) node.target = '_blank';
  node.textContent = text;
  return node;
}

/** Telephone numbers in an emergency reply become links; depths, times and shares do not. */
const PHONE = /\+\d[\d\s().-]{5,18}\d|\b\d{3,4}[ -]\d{3}[ -]\d{3,4}\b|\b(?:000|1\d\d|9\d\d|1\d{3}|116 ?123)\b(?!\s*(?:%|m\b|ft\b|bar\b|psi\b|min|metres|meters|hours?\b|h\b|kg\b|l\b))/g;

function phones(parent, text) {
  let last = 0;
  for (const match of text.matchAll(PHONE)) {
    parent.append(text.slice(last, match.index));
    const node = element('a', 'phone');
    node.href = 'tel:' + match[0].replace(/[^\d+]/g, '');
    node.textContent = match[0];
    parent.append(node);
    last = match.index + match[0].length;
  }
  parent.append(text.slice(last));
}

function inline(parent, text, options) {
  let last = 0;
  const plain = (piece) => {
    if (!piece) return;
    if (options.phones) phones(parent, piece);
    else parent.append(piece);
  };
  for (const match of text.matchAll(INLINE)) {
    plain(text.slice(last, match.index));
    last = match.index + match[0].length;
    const [whole, code, strong, emphasis, label, target, mark, url, escape] = match;
    if (code) {
      const node = element('code');
      node.textContent = code.slice(1, -1);
      parent.append(node);
    } else if (strong) {
      const node = element('strong');
      inline(node, strong.slice(2, -2), options);
      parent.append(node);
    } else if (emphasis) {
      const node = element('em');
      inline(node, emphasis.slice(1, -1), options);
      parent.append(node);
    } else if (target !== undefined) {
      parent.append(link(target, label || target));
    } else if (mark) {
      parent.append(citation(mark, whole, options));
    } else if (url) {
      parent.append(link(url, url));
    } else if (escape) {
      parent.append(escape.slice(1));
    }
  }
  plain(text.slice(last));
}

function citation(mark, whole, options) {
  const target = options.citations && options.citations.get(Number(mark));
  if (!target) return document.createTextNode(whole);
  const node = element('a', 'mark');
  node.href = '#' + target;
  node.textContent = mark;
  node.setAttribute('aria-label', 'Source ' + mark);
  return node;
}

function isTable(lines, i) {
  return /^\s*\|.*\|\s*$/.test(lines[i]) && /^\s*\|[\s:|-]+\|\s*$/.test(lines[i + 1] || '');
}

function cells(line) {
  return line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim());
}

function table(lines, start, parent, options) {
  const scroll = element('div', 'table');
  const node = element('table');
  const row = (into, line, kind) => {
    const tr = element('tr');
    for (const cell of cells(line)) {
      const td = element(kind);
      inline(td, cell, options);
      tr.append(td);
    }
    into.append(tr);
  };
  const head = element('thead');
  row(head, lines[start], 'th');
  const body = element('tbody');
  let i = start + 2;
  for (; i < lines.length && /^\s*\|.*\|\s*$/.test(lines[i]); i++) row(body, lines[i], 'td');
  node.append(head, body);
  scroll.append(node);
  parent.append(scroll);
  return i;
}

function list(lines, start, parent, options) {
  const ordered = /^\s*\d+[.)]\s/.test(lines[start]);
  const item = ordered ? /^\s*\d+[.)]\s+(.*)$/ : /^\s*[-*+•]\s+(.*)$/;
  const node = element(ordered ? 'ol' : 'ul');
  if (ordered) node.start = parseInt(lines[start], 10) || 1;
  let i = start;
  for (; i < lines.length; i++) {
    const match = lines[i].match(item);
    if (match) {
      const li = element('li');
      inline(li, match[1], options);
      node.append(li);
    } else if (/^\s{2,}\S/.test(lines[i]) && node.lastChild) {
      node.lastChild.append(' ');
      inline(node.lastChild, lines[i].trim(), options);
    } else {
      break;
    }
  }
  parent.append(node);
  return i;
}

function fence(lines, start, parent) {
  const node = element('pre');
  const code = element('code');
  let i = start + 1;
  const kept = [];
  for (; i < lines.length && !/^\s*```/.test(lines[i]); i++) kept.push(lines[i]);
  code.textContent = kept.join('\n');
  node.append(code);
  parent.append(node);
  return i + 1;
}

const BLOCK = /^\s*(```|#{1,6}\s|[-*+•]\s|\d+[.)]\s|>\s?)/;

/** Renders `text` into `parent`, replacing what is there. */
export function render(parent, text, options = {}) {
  const into = document.createDocumentFragment();
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  let i = 0;
  while (i < lines.length) {
    const line = lines[i];
    if (!line.trim()) {
      i++;
    } else if (/^\s*```/.test(line)) {
      i = fence(lines, i, into);
    } else if (/^\s*(\*\s*){3,}$|^\s*(-\s*){3,}$/.test(line)) {
      into.append(element('hr'));
      i++;
    } else if (/^\s*#{1,6}\s/.test(line)) {
      const node = element('h3');
      inline(node, line.replace(/^\s*#{1,6}\s+/, '').replace(/\s+#+\s*$/, ''), options);
      into.append(node);
      i++;
    } else if (isTable(lines, i)) {
      i = table(lines, i, into, options);
    } else if (/^\s*([-*+•]|\d+[.)])\s/.test(line)) {
      i = list(lines, i, into, options);
    } else if (/^\s*>/.test(line)) {
      const node = element('blockquote');
      const quoted = [];
      for (; i < lines.length && /^\s*>/.test(lines[i]); i++) quoted.push(lines[i].replace(/^\s*>\s?/, ''));
      inline(node, quoted.join(' '), options);
      into.append(node);
    } else {
      const node = element('p');
      for (let first = true; i < lines.length && lines[i].trim() && (first || !(BLOCK.test(lines[i]) || isTable(lines, i))); i++, first = false) {
        if (!first) node.append(element('br'));
        inline(node, lines[i].trim(), options);
      }
      into.append(node);
    }
  }
  parent.replaceChildren(into);
}
