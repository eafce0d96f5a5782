// The way to the daemon for somebody with a key.

/** Where the key is kept: for this tab, and no longer than it. */
const KEY = 'dovvybuddy:key';
/** At most so often a view is looked at again because something changed. */
const CALM = 1500;

/** A request that was refused, with the server's own words. */
export class Refusal extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.error ?? (status ? `The daemon answered ${status}.` : 'The daemon can’t be reached.'));
    this.status = status;
    this.details = body?.details ?? [];
  }
}

export class Desk {
  /** @param {() => void} onLost what to do when the key is not valid any more */
  constructor(onLost) {
    this.onLost = onLost;
    this.key = this.#kept();
  }

  #kept() {
    try {
      return sessionStorage.getItem(KEY) ?? '';
    } catch {
      return '';
    }
  }

  /** @param {string} key empty: forget it */
  keep(key) {
    this.key = key;
    try {
      if (key) sessionStorage.setItem(KEY, key);
      else sessionStorage.removeItem(KEY);
    } catch {
      // Forbidden: then it is asked for again on the next page.
    }
  }

  /** @param {string} path @param {RequestInit} [options] */
  send(path, options = {}) {
    return fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${this.key}` }, credentials: 'omit', cache: 'no-store' });
  }

  /** One plain request of `/api/admin`; a body makes it a POST. */
  async request(path, { body = undefined, method = body ? 'POST' : 'GET' } = {}) {
    const headers = body ? { 'Content-Type': 'application/json' } : {};
    let response;
    try {
      response = await this.send(`/api/admin/${path}`, { method, headers, body: body && JSON.stringify(body) });
    } catch {
      throw new Refusal(0, null);
    }
    if (response.ok) return response.status === 204 ? null : response.json();
    const refusal = new Refusal(response.status, await response.json().catch(() => null));
    if (response.status === 401) this.onLost();
    throw refusal;
  }

  /** Saves a list as a file. */
  async download(path, name) {
    const response = await this.send(`/api/admin/${path}`).catch(() => null);
    if (!response?.ok) throw new Refusal(response?.status ?? 0, await response?.json().catch(() => null));
    const address = URL.createObjectURL(await response.blob());
    const link = document.createElement('a');
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  /** Calls `changed` whenever something is new, and `state` with whether the line stands, until `signal` fires. */
  async follow(changed, state, signal) {
    let last = null;
    let due = null;
    const tell = () => {
      due ??= setTimeout(() => { due = null; changed(); }, CALM);
    };
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        const response = await this.send('/api/admin/events', { headers: last ? { 'Last-Event-ID': last } : {}, signal });
        if (response.status === 401) return this.onLost();
        if (response.ok) {
          state(true);
          tries = 0;
          const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
          for (let rest = ''; ;) {
            const { value, done } = await reader.read();
            if (done) break;
            rest += value;
            const blocks = rest.split('\n\n');
            rest = blocks.pop();
            for (const block of blocks) {
              const id = /^id: (.*)$/m.exec(block);
              if (!id) continue;
              // The first event only says how things stand.
              if (last !== null) tell();
              last = id[1];
            }
          }
        }
      } catch {
        // Taken up again below.
      }
      if (signal.aborted) break;
      state(false);
      await new Promise((done) => { setTimeout(done, Math.min(500 * 2 ** tries, 10_000)); });
    }
    clearTimeout(due);
  }
}

/** A moment as people read it. */
export function moment(text) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  return at.toLocaleString('en-GB', today ? { hour: '2-digit', minute: '2-digit' } : { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
}

/** How long ago, in short. */
export function ago(text) {
  const seconds = Math.max(0, (Date.now() - new Date(text).getTime()) / 1000);
  if (seconds < 60) return 'now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** Millionths of a currency. */
export function money(micros) {
  const whole = micros / 1e6;
  return whole && whole < 0.01 ? whole.toPrecision(2) : whole.toFixed(2);
}

/** Milliseconds as people read them. */
export function span(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** `not_covered` as words. */
export function plainWord(text) {
  return String(text).replace(/_/g, ' ');
}
