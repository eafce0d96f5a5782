// The daemon's API: plain requests, and answers as server-sent events that are taken up again where they broke off.

/**
 * @typedef {{n: number, source: string, title: string, section: string, publisher: string, updated: string}} Citation
 * @typedef {{type: string, content: any, metadata?: any}} TurnEvent
 * @typedef {'ok' | 'lost' | 'offline'} Line
 */

const MOST_TRIES = 7;
/** The daemon says something every 15 seconds; a line that is silent for longer is dead, whatever the browser thinks. */
const LONGEST_SILENCE = 25_000;

/** A failure with the server's own words. */
export class Refused extends Error {
  /** @param {number} status @param {any} body @param {number} retryAfter seconds */
  constructor(status, body, retryAfter) {
    super(body?.error ?? '');
    this.status = status;
    this.code = body?.code ?? '';
    this.details = body?.details ?? [];
    this.retryAfter = retryAfter;
  }
}

/** What went wrong, in the reader's language where it is not about what the reader wrote. */
export function trouble(error, t) {
  if (!(error instanceof Refused) || !error.status) return t('unreachable');
  return error.status >= 500 || error.status === 404 ? t('failed') : error.message || t('failed');
}

async function refused(response) {
  const body = await response.json().catch(() => null);
  return new Refused(response.status, body, Number(response.headers.get('Retry-After')) || 0);
}

/** Waits; rejects when `signal` fires first. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** Waits until the browser believes in a network again. */
function online(signal) {
  return new Promise((resolve, reject) => {
    addEventListener('online', resolve, { once: true, signal });
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** A name for a request, so that its repeat is no second one. Without TLS `randomUUID` is missing. */
export function freshKey() {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return [...parts].map((part) => part.toString(16).padStart(8, '0')).join('');
}

/** Reads one response's events; `true` when the turn's end was among them. */
async function read(response, progress, handle) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    let timer;
    const silence = new Promise((resolve) => { timer = setTimeout(() => resolve({ done: true }), LONGEST_SILENCE); });
    const { value, done } = await Promise.race([reader.read(), silence]);
    clearTimeout(timer);
    if (done) {
      void reader.cancel().catch(() => {});
      return false;
    }
    buffer += value;
    let end;
    while ((end = buffer.indexOf('\n\n')) >= 0) {
      const block = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      const data = [];
      for (const line of block.split('\n')) {
        if (line.startsWith('id: ')) progress.last = line.slice(4);
        else if (line.startsWith('data: ')) data.push(line.slice(6));
      }
      if (!data.length) continue;
      const event = JSON.parse(data.join('\n'));
      if (event.type === 'route') progress.turn = event.metadata.turnId;
      if (event.type === 'error') return false;
      handle(event);
      if (event.type === 'final') return true;
    }
  }
}

/** Where the daemon is, and as which site it is spoken to. */
export class Api {
  /** @param {string} base address without a slash at its end @param {{site?: string | null, cookies: boolean}} options */
  constructor(base, { site = null, cookies }) {
    this.base = base;
    this.site = site;
    this.credentials = /** @type {RequestCredentials} */ (cookies ? 'same-origin' : 'omit');
  }

  /** @param {string} path @param {RequestInit} [options] */
  send(path, options = {}) {
    const headers = { ...options.headers, ...(this.site ? { 'X-Dovvybuddy-Site': this.site } : {}) };
    return fetch(this.base + path, { ...options, headers, credentials: this.credentials });
  }

  /** One plain request; a body makes it a POST. */
  async request(path, { body = undefined, method = body ? 'POST' : 'GET' } = {}) {
    const headers = body ? { 'Content-Type': 'application/json' } : {};
    const response = await this.send(path, { method, headers, body: body && JSON.stringify(body) });
    if (!response.ok) throw await refused(response);
    return response.status === 204 ? null : response.json();
  }

  /**
   * Asks, and calls `handle` with each event until `final`. A lost connection is taken up again: before the
   * first event by the same request with the same key, afterwards where the stream broke off.
   * @param {{body: object, key: string, turn?: string | null}} what
   * @param {(event: TurnEvent) => void} handle
   * @param {{signal: AbortSignal, onLine: (line: Line) => void}} options
   */
  async ask({ body, key, turn = null }, handle, { signal, onLine }) {
    const progress = { turn, last: null };
    for (let tries = 0; ; tries++) {
      let failure = null;
      try {
        const response = await this.open(progress, body, key, signal);
        if (response.status === 204) return;
        if (response.ok) {
          onLine('ok');
          const before = progress.last;
          if (await read(response, progress, handle)) return;
          if (progress.last !== before) tries = 0;
        } else {
          failure = await refused(response);
          if (failure.status !== 503) throw failure;
        }
      } catch (error) {
        if (error instanceof Refused || signal.aborted) throw error;
      }
      if (!navigator.onLine) {
        onLine('offline');
        await online(signal);
        tries = 0;
      } else if (tries >= MOST_TRIES) {
        throw failure ?? new Refused(0, null, 0);
      }
      onLine('lost');
      await pause(Math.max((failure?.retryAfter ?? 0) * 1000, Math.min(250 * 2 ** tries, 8000)), signal);
    }
  }

  open({ turn, last }, body, key, signal) {
    if (turn) return this.send(`/api/turns/${turn}/events`, { headers: last ? { 'Last-Event-ID': last } : {}, signal });
    const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'Idempotency-Key': key };
    return this.send('/api/chat/stream', { method: 'POST', headers, body: JSON.stringify(body), signal });
  }
}
