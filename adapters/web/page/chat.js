// The chat page: one conversation, streamed, with its sources.

import { render } from './markdown.js';
import { ask, request } from './stream.js';

const byId = (id) => document.getElementById(id);
const log = byId('log');
const status = byId('status');
const welcome = byId('welcome');
const field = byId('message');
const sendButton = byId('send');
const MOST = 2000;
const SOURCES_LINE = /\n\n[^\n[\]]{1,24}: \[\d+\] [^\n]*$/;

let session = document.body.dataset.session || null;
let running = null;
let count = 0;

function node(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function atBottom() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 120;
}

function scroll() {
  log.scrollTop = log.scrollHeight;
}

function say(text, isError = false) {
  status.textContent = text;
  status.classList.toggle('error', isError);
}

function bubble(role) {
  welcome.hidden = true;
  const article = node('article', 'message ' + role);
  article.append(node('h2', 'hidden', role === 'user' ? 'You' : 'DovvyBuddy'));
  const body = node('div', 'body');
  article.append(body);
  log.append(article);
  return { article, body };
}

function showUser(text) {
  const { body } = bubble('user');
  for (const [i, line] of text.split('\n').entries()) {
    if (i) body.append(node('br'));
    body.append(line);
  }
  scroll();
}

/** The answer as it comes. */
class Answer {
  constructor() {
    Object.assign(this, bubble('assistant'));
    this.prefix = `source-${++count}-`;
    this.reset();
  }

  reset() {
    this.text = '';
    this.citations = [];
    this.article.classList.remove('emergency', 'caution');
    this.article.querySelectorAll('.after').forEach((old) => old.remove());
    this.body.replaceChildren(node('span', 'waiting', 'Thinking…'));
  }

  handle(event) {
    const stay = atBottom();
    switch (event.type) {
      case 'route':
        // A route in the middle means that the turn began anew.
        this.reset();
        if (event.metadata.sessionId) session = event.metadata.sessionId;
        break;
      case 'safety':
        if (event.content.classification === 'emergency') this.alarm();
        if (event.content.classification === 'caution') this.article.classList.add('caution');
        break;
      case 'token':
        this.text += event.content;
        this.paint();
        break;
      case 'citation':
        this.citations.push(event.metadata);
        break;
      case 'final':
        this.finish(event);
        break;
    }
    if (stay) scroll();
  }

  alarm() {
    this.article.classList.add('emergency');
    this.article.setAttribute('role', 'alert');
  }

  paint() {
    const citations = new Map(this.citations.map((c) => [c.n, this.prefix + c.n]));
    // The list of sources below says more than the line of sources in the text.
    const text = this.citations.length ? this.text.replace(SOURCES_LINE, '') : this.text;
    render(this.body, text, { citations, phones: this.article.classList.contains('emergency') });
  }

  finish(event) {
    this.text = event.content;
    const { metadata, followUpQuestion } = event.metadata;
    session = event.metadata.sessionId;
    this.citations = metadata.citations;
    if (metadata.emergency) this.alarm();
    this.paint();
    if (metadata.sessionRestarted) this.article.prepend(node('p', 'note after', 'Our last conversation has ended; this is a new one.'));
    if (this.citations.length) this.article.append(this.sources());
    if (followUpQuestion && !this.text.includes(followUpQuestion)) this.article.append(this.followUp(followUpQuestion));
    this.article.append(metadata.emergency ? this.standDown() : this.rating(metadata.turnId));
  }

  sources() {
    const details = node('details', 'sources after');
    details.append(node('summary', '', this.citations.length === 1 ? '1 source' : `${this.citations.length} sources`));
    const list = node('ol');
    for (const citation of this.citations) {
      const item = node('li');
      item.id = this.prefix + citation.n;
      item.value = citation.n;
      item.append(node('strong', '', citation.title));
      if (citation.section) item.append(' – ' + citation.section);
      const origin = [citation.publisher, citation.updated && 'revised ' + citation.updated].filter(Boolean).join(', ');
      if (origin) item.append(node('span', 'origin', origin));
      list.append(item);
    }
    details.append(list);
    this.body.addEventListener('click', (click) => {
      if (click.target.classList.contains('mark')) details.open = true;
    });
    return details;
  }

  followUp(question) {
    const holder = node('p', 'follow after');
    holder.append(question);
    return holder;
  }

  standDown() {
    const holder = node('p', 'after');
    const button = node('button', 'quiet', 'This is not an emergency');
    button.type = 'button';
    button.addEventListener('click', () => {
      button.disabled = true;
      submit('This is not an emergency.');
    });
    holder.append(button);
    return holder;
  }

  rating(turn) {
    const holder = node('p', 'rating after');
    for (const [rating, words, label] of [['up', 'Helpful', 'This answer helped'], ['down', 'Not helpful', 'This answer did not help']]) {
      const button = node('button', 'quiet', words);
      button.type = 'button';
      button.setAttribute('aria-label', label);
      button.setAttribute('aria-pressed', 'false');
      button.addEventListener('click', async () => {
        try {
          const headers = { 'Content-Type': 'application/json' };
          await request('/api/feedback', { method: 'POST', headers, body: JSON.stringify({ turnId: turn, rating }) });
          for (const other of holder.children) other.setAttribute('aria-pressed', String(other === button));
        } catch (error) {
          say(error.message, true);
        }
      });
      holder.append(button);
    }
    return holder;
  }

  fail(error) {
    this.body.replaceChildren(node('p', '', error.message));
    this.article.classList.add('failed');
    const again = node('button', 'quiet after', 'Try again');
    again.type = 'button';
    again.addEventListener('click', () => {
      this.article.remove();
      answer(this.asked);
    });
    this.article.append(again);
  }
}

async function answer(text) {
  const shown = new Answer();
  shown.asked = text;
  scroll();
  const turn = new AbortController();
  running = turn;
  log.setAttribute('aria-busy', 'true');
  const body = session ? { message: text, sessionId: session } : { message: text };
  try {
    await ask(body, (event) => { say(''); shown.handle(event); }, {
      signal: turn.signal,
      onRetry: () => say('The connection was lost; trying again…'),
    });
    say('');
  } catch (error) {
    if (turn.signal.aborted) return;
    say('');
    shown.fail(error);
  } finally {
    if (running === turn) {
      running = null;
      log.setAttribute('aria-busy', 'false');
    }
    if (atBottom()) scroll();
  }
}

function submit(raw) {
  const text = raw.trim();
  if (!text) return;
  if ([...text].length > MOST) {
    say(`Please keep it under ${MOST} characters; this has ${[...text].length}.`, true);
    return;
  }
  // Messages may follow each other at once: an emergency never waits for the answer before it.
  say('');
  field.value = '';
  resize();
  showUser(text);
  answer(text);
}

function resize() {
  field.style.height = 'auto';
  field.style.height = Math.min(field.scrollHeight, 160) + 'px';
  sendButton.disabled = !field.value.trim();
}

function clear() {
  running?.abort();
  running = null;
  session = null;
  document.body.dataset.session = '';
  log.querySelectorAll('.message').forEach((old) => old.remove());
  welcome.hidden = false;
  say('');
  field.focus();
}

async function forget() {
  if (!session) return clear();
  if (!confirm('Delete this conversation and everything it holds about you?')) return;
  try {
    await request(`/api/sessions/${session}`, { method: 'DELETE' });
  } catch (error) {
    if (error.status !== 404) return say(error.message, true);
  }
  clear();
  say('The conversation was deleted.');
}

async function restore() {
  if (!session) return;
  try {
    const known = await request(`/api/sessions/${session}`);
    for (const message of known.conversation_history) {
      if (message.role === 'user') showUser(message.content);
      else render(bubble('assistant').body, message.content);
    }
    scroll();
  } catch {
    session = null;
  }
}

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  submit(field.value);
});
field.addEventListener('input', resize);
field.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit(field.value);
  }
});
byId('starters').addEventListener('click', (event) => {
  if (event.target.tagName === 'BUTTON') submit(event.target.textContent);
});
byId('new').addEventListener('click', clear);
byId('forget').addEventListener('click', forget);
resize();
restore();
