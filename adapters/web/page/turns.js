// Questions under way: sent, followed, stopped, and taken up again on the next page.

import { button } from './dom.js';
import { freshKey, pause, Refused, trouble } from './stream.js';
import { Reply, question } from './reply.js';

/** @typedef {import('./chat.js').Chat} Chat @typedef {import('./memory.js').Pending} Pending */

export class Turns {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
    /** @type {Map<Reply, AbortController>} */
    this.running = new Map();
    /** What was taken up on this page. */
    this.keys = new Set();
  }

  /** @param {string} text */
  ask(text) {
    const { chat } = this;
    const pending = { text, key: freshKey(), turn: null, session: chat.session, before: chat.said, at: Date.now() };
    chat.memory.keepPending(pending);
    const asked = question(chat, text);
    chat.log.append(asked);
    chat.said += 1;
    return this.follow(pending, new Reply(chat), asked);
  }

  /** Takes up what was under way when the page was left. @param {Pending} pending @param {boolean} known whether the history has the question */
  resume(pending, known) {
    if (this.keys.has(pending.key)) return;
    if (known) return this.chat.memory.dropPending(pending.key);
    const asked = question(this.chat, pending.text);
    this.chat.log.append(asked);
    this.chat.said += 1;
    return this.follow(pending, new Reply(this.chat), asked);
  }

  /** @param {Pending} pending @param {Reply} reply @param {HTMLElement} asked */
  async follow(pending, reply, asked) {
    const { chat } = this;
    if (!reply.node.isConnected) chat.log.append(reply.node);
    chat.reveal(asked);
    const stopper = new AbortController();
    this.running.set(reply, stopper);
    this.keys.add(pending.key);
    this.changed();
    await chat.settled;
    const session = pending.session ?? chat.session;
    const body = session ? { message: pending.text, sessionId: session } : { message: pending.text };
    try {
      await chat.api.ask({ body, key: pending.key, turn: pending.turn }, (event) => this.handle(event, pending, reply), {
        signal: stopper.signal,
        onLine: (line) => this.line(line, reply),
      });
      chat.memory.dropPending(pending.key);
    } catch (error) {
      if (!stopper.signal.aborted) await this.failed(error, pending, reply, asked);
    } finally {
      this.running.delete(reply);
      this.changed();
    }
  }

  handle(event, pending, reply) {
    const { chat } = this;
    const stay = chat.follows();
    reply.status(null);
    reply.handle(event);
    if (event.type === 'route') {
      chat.keepSession(event.metadata.sessionId);
      chat.memory.keepPending(Object.assign(pending, { turn: event.metadata.turnId, session: event.metadata.sessionId }));
    }
    if (event.type === 'final') this.final(event, reply);
    if (stay || reply.emergency) chat.reveal(reply.node);
  }

  final(event, reply) {
    const { chat } = this;
    const { sessionId, followUpQuestion, metadata } = event.metadata;
    chat.keepSession(sessionId);
    chat.said += 1;
    chat.memory.keepReply(sessionId, reply.text, {
      turn: metadata.turnId, citations: metadata.citations, followUp: followUpQuestion, emergency: metadata.emergency, person: reply.person,
    });
    chat.answered(reply);
  }

  /** @param {import('./stream.js').Line} line */
  line(line, reply) {
    if (line === 'ok') reply.status(null);
    else reply.status(this.chat.t(line === 'offline' ? (reply.text ? 'offlineRest' : 'offlineSend') : 'reconnecting'));
  }

  /** @param {Pending} pending */
  async failed(error, pending, reply, asked) {
    const { chat } = this;
    if (error instanceof Refused && error.status === 429) return this.limited(error, pending, reply, asked);
    chat.memory.dropPending(pending.key);
    // A turn that is gone, or a session that was deleted elsewhere: the question is still there to be asked again.
    const words = trouble(error, chat.t);
    reply.node.classList.add('failed');
    reply.status(words, button(chat.t('again'), () => this.again(pending, reply, asked), 'small', 'reply'));
    chat.announce(words);
  }

  again(pending, reply, asked) {
    reply.node.remove();
    asked.remove();
    this.chat.said -= 1;
    this.chat.composer.focus();
    this.ask(pending.text);
  }

  /** Too many messages: this one is sent as soon as it may be. */
  async limited(error, pending, reply, asked) {
    const { chat } = this;
    const stopper = new AbortController();
    const give = button(chat.t('dontSend'), () => stopper.abort(), 'small plain');
    chat.announce(chat.t('limited', { n: error.retryAfter }));
    try {
      for (let left = Math.max(1, error.retryAfter); left > 0; left--) {
        if (left === Math.max(1, error.retryAfter)) reply.status(chat.t('limited', { n: left }), give);
        else reply.state.firstChild.textContent = chat.t('limited', { n: left });
        chat.reveal(reply.node);
        await pause(1000, stopper.signal);
      }
    } catch {
      chat.memory.dropPending(pending.key);
      reply.node.remove();
      asked.remove();
      chat.said -= 1;
      chat.composer.field.value ||= pending.text;
      chat.composer.changed();
      return chat.composer.focus();
    }
    reply.reset();
    reply.status(null);
    if (give.matches(':focus')) chat.composer.focus();
    await this.follow(pending, reply, asked);
  }

  /** Stops following; the daemon finishes and keeps the answer all the same. */
  stop() {
    for (const [reply, stopper] of this.running) {
      stopper.abort();
      const [pending] = this.chat.memory.pending().filter((one) => one.turn === reply.turn);
      const more = pending && button(this.chat.t('showRest'), () => this.goOn(pending, reply), 'small', 'down');
      reply.status(this.chat.t('stopped'), ...(more ? [more] : []));
      if (pending) this.chat.memory.dropPending(pending.key);
      this.chat.announce(this.chat.t('stopped'));
    }
  }

  goOn(pending, reply) {
    this.chat.composer.focus();
    reply.status(null);
    this.chat.memory.keepPending(pending);
    return this.follow(pending, reply, reply.node);
  }

  /** Drops everything that is under way, for a new conversation. */
  drop() {
    for (const stopper of this.running.values()) stopper.abort();
    this.running.clear();
    this.changed();
  }

  changed() {
    this.chat.composer.running(this.running.size > 0);
    this.chat.log.setAttribute('aria-busy', String(this.running.size > 0));
  }
}
