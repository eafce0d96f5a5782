// What the browser keeps between two pages: never more than is needed to go on.

/** How many replies' sources and ratings are kept. */
const MOST_REPLIES = 40;
/** A session ends after a day without a message. */
const SESSION_LIFE = 24 * 60 * 60 * 1000;
/** A message without an answer is given up after this long. */
const PENDING_LIFE = 15 * 60 * 1000;

/**
 * @typedef {object} Known  What the history does not tell about a reply
 * @property {string} turn
 * @property {string} print
 * @property {import('./stream.js').Citation[]} citations
 * @property {string | null} followUp
 * @property {boolean} emergency
 * @property {string} [rating]
 * @property {boolean} [person]  a person wrote it
 *
 * @typedef {{text: string, key: string, turn: string | null, session: string | null, before: number, at: number}} Pending
 */

/** Tells replies apart without keeping their words. */
function print(text) {
  let sum = 7;
  for (let i = 0; i < text.length; i++) sum = (sum * 31 + text.charCodeAt(i)) | 0;
  return `${text.length}:${sum}`;
}

/** Web storage under one name, which a browser may deny at any time. */
export class Memory {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** @param {Storage} store */
  #read(store, key) {
    try {
      return JSON.parse(store.getItem(`${this.name}:${key}`) ?? 'null');
    } catch {
      return null;
    }
  }

  #write(store, key, value) {
    try {
      if (value === null) store.removeItem(`${this.name}:${key}`);
      else store.setItem(`${this.name}:${key}`, JSON.stringify(value));
    } catch {
      // Full or forbidden: the conversation goes on without it.
    }
  }

  /** A setting of this person: appearance, language. */
  setting(key) {
    return this.#attempt(() => this.#read(localStorage, key));
  }

  set(key, value) {
    this.#attempt(() => this.#write(localStorage, key, value));
  }

  /** What only this tab knows: whether the panel is open. */
  tab(key) {
    return this.#attempt(() => this.#read(sessionStorage, key));
  }

  setTab(key, value) {
    this.#attempt(() => this.#write(sessionStorage, key, value));
  }

  /** The very mention of storage throws where it is forbidden. */
  #attempt(action) {
    try {
      return action();
    } catch {
      return null;
    }
  }

  session() {
    const kept = this.setting('session');
    return kept && Date.now() - kept.at < SESSION_LIFE ? kept.id : null;
  }

  keepSession(id) {
    this.set('session', id && { id, at: Date.now() });
  }

  /** @returns {Pending[]} messages whose answer had not come when the page was left */
  pending() {
    return (this.tab('pending') ?? []).filter((one) => Date.now() - one.at < PENDING_LIFE);
  }

  /** @param {Pending} one */
  keepPending(one) {
    this.setTab('pending', [...this.pending().filter((other) => other.key !== one.key), one]);
  }

  dropPending(key) {
    const rest = this.pending().filter((one) => one.key !== key);
    this.setTab('pending', rest.length ? rest : null);
  }

  /** @param {string} session @param {string} text @param {Omit<Known, 'print'>} reply */
  keepReply(session, text, reply) {
    const kept = this.setting('replies');
    const list = kept?.session === session ? kept.list.filter((one) => one.turn !== reply.turn) : [];
    list.push({ ...reply, print: print(text) });
    this.set('replies', { session, list: list.slice(-MOST_REPLIES) });
  }

  keepRating(turn, rating) {
    const kept = this.setting('replies');
    const one = kept?.list.find((reply) => reply.turn === turn);
    if (!one) return;
    one.rating = rating;
    this.set('replies', kept);
  }

  /** @returns {Known | null} */
  reply(session, text) {
    const kept = this.setting('replies');
    const wanted = print(text);
    return (kept?.session === session && kept.list.findLast((one) => one.print === wanted)) || null;
  }

  /** Forgets the conversation; settings stay. */
  forget() {
    this.set('session', null);
    this.set('replies', null);
    this.setTab('pending', null);
  }
}
