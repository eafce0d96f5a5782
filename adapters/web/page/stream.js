// Server-sent events over fetch, taken up again after the last event that arrived.

const MOST_TRIES = 6;

/** A failure with the server's own words. */
export class Refused extends Error {
  constructor(status, body, retryAfter) {
    super((body && body.error) || 'The service can’t be reached.');
    this.status = status;
    this.code = body && body.code;
    this.retryAfter = retryAfter;
  }
}

async function refused(response) {
  const body = await response.json().catch(() => null);
  return new Refused(response.status, body, Number(response.headers.get('Retry-After')) || 0);
}

function wait(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** Reads one response's events; `true` when the turn's end was among them. */
async function read(response, progress, handle) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
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
      if (event.type === 'error') {
        progress.error = event.content;
        return false;
      }
      handle(event);
      if (event.type === 'final') return true;
    }
  }
}

/**
 * Asks, and calls `handle` with each event until `final`. A lost connection is taken up again: before
 * the first event by the same request with the same key, afterwards where the stream broke off.
 */
export async function ask(body, handle, { signal, onRetry } = {}) {
  const key = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2) + Date.now();
  const progress = { turn: null, last: null, error: null };
  const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'Idempotency-Key': key };
  for (let tries = 0; ; tries++) {
    let failure = null;
    try {
      const response = progress.turn
        ? await fetch(`/api/turns/${progress.turn}/events`, { headers: progress.last ? { 'Last-Event-ID': progress.last } : {}, signal })
        : await fetch('/api/chat/stream', { method: 'POST', headers, body: JSON.stringify(body), signal });
      if (response.ok && response.status !== 204) {
        progress.error = null;
        if (await read(response, progress, handle)) return;
      } else if (!response.ok) {
        failure = await refused(response);
        if (failure.status !== 503) throw failure;
      }
    } catch (error) {
      if (error instanceof Refused || signal?.aborted) throw error;
      failure = error;
    }
    if (tries >= MOST_TRIES) {
      throw failure instanceof Refused ? failure : new Refused(0, null, 0);
    }
    onRetry?.();
    await wait(Math.max((failure?.retryAfter || 0) * 1000, Math.min(500 * 2 ** tries, 8000)), signal);
  }
}

/** One plain request. */
export async function request(path, options) {
  const response = await fetch(path, options);
  if (!response.ok) throw await refused(response);
  return response.status === 204 ? null : response.json();
}
