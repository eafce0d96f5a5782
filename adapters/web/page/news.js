// What comes without having been asked for: a person who writes, and what is taken up after that.

import { Reply } from './reply.js';

/** How often is asked while nothing is expected, and while a person has the conversation. */
const SELDOM = 8_000;
const OFTEN = 2_500;
/** After a pause the bot may take up what was left. */
const AFTERWARDS = 20_000;

export class News {
  /** @param {import('./chat.js').Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.after = 0;
    /** When a person last had the conversation. */
    this.lastHeld = -Infinity;
    // Whoever comes back to the page sees at once what came meanwhile.
    document.addEventListener('visibilitychange', () => this.look(0));
  }

  /** The place from which on everything is new; what was said before stands in the history. */
  async begin() {
    try {
      this.hear(await this.ask());
    } catch {
      // Then the next look tells.
    }
    this.look();
  }

  ask() {
    return this.chat.api.request(`/api/sessions/${this.chat.session}/news?after=${this.after}`);
  }

  hear(news) {
    this.after = news.after;
    const held = Boolean(news.pausedUntil);
    if (held) this.lastHeld = Date.now();
    this.chat.held(held);
  }

  /** Another conversation begins. */
  forget() {
    this.after = 0;
    this.lastHeld = -Infinity;
    this.chat.held(false);
  }

  /** Looks from now on, again and again, as long as the page is seen. */
  look(after = Date.now() - this.lastHeld < AFTERWARDS ? OFTEN : SELDOM) {
    clearTimeout(this.timer);
    // A chat that was built anew, in another language, leaves the old one behind.
    if (document.visibilityState !== 'visible' || !this.chat.node.isConnected) return;
    this.timer = setTimeout(() => this.once().finally(() => this.look()), after);
  }

  async once() {
    const { session } = this.chat;
    if (!session || !navigator.onLine || this.looking) return;
    this.looking = true;
    try {
      const news = await this.ask();
      if (session !== this.chat.session) return;
      this.hear(news);
      for (const { turnId } of news.turns) await this.show(turnId, session);
    } catch {
      // The next look tells.
    } finally {
      this.looking = false;
    }
  }

  /** Shows a turn nobody asked for. */
  async show(turn, session) {
    const { chat } = this;
    const reply = new Reply(chat);
    const signal = AbortSignal.timeout(60_000);
    const handle = (event) => {
      if (session !== chat.session) return;
      const stay = chat.follows();
      reply.handle(event);
      if (!reply.node.isConnected && event.type !== 'route') chat.log.append(reply.node);
      if (event.type === 'final') chat.turns.final(event, reply);
      if (stay || reply.emergency) chat.reveal(reply.node);
    };
    try {
      await chat.api.ask({ body: {}, key: '', turn }, handle, { signal, onLine: () => {} });
    } catch {
      // It stands in the history.
      if (!reply.whole) reply.node.remove();
    }
  }
}
