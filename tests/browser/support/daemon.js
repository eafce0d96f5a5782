// The real daemon in a directory of its own, with a model that tests pace, behind a line that tests can cut.

import { spawn, execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../../..');
const BINARY = process.env.DOVVYBUDDY_BIN ?? join(ROOT, 'target/debug/dovvybuddy');
/** How long a daemon may take to become ready beside other tests. */
const START = 30_000;

const DOCUMENTS = [
  'certifications/padi/open-water-diver.md',
  'certifications/general/padi-vs-ssi.md',
  'safety/flying-after-diving.md',
  'safety/safety-stop.md',
  'destinations/komodo/overview.md',
  'emergency',
];

/** A file that says where a server listens, once it does. */
async function address(path, child, log) {
  for (const began = Date.now(); Date.now() - began < START; ) {
    if (child.exitCode !== null) throw new Error(`the daemon ended: ${log()}`);
    try {
      const text = readFileSync(path, 'utf8').trim();
      if (text && (await fetch(`http://${text}/ready`)).ok) return text;
    } catch {
      // Not yet.
    }
    await new Promise((done) => setTimeout(done, 25));
  }
  throw new Error(`the daemon was not ready in time: ${log()}`);
}

/**
 * @param {{toml?: string, model?: Model, limits?: Record<string, number>}} [wishes]
 */
export async function startDaemon({ toml = '', model, limits = {} } = {}) {
  const home = mkdtempSync(join(tmpdir(), 'dovvybuddy-browser-'));
  for (const document of DOCUMENTS) cpSync(join(ROOT, 'content', document), join(home, 'content', document), { recursive: true });
  writeFileSync(join(home, 'dovvybuddy.toml'), toml);
  const environment = {
    PATH: process.env.PATH,
    DOVVYBUDDY_DATA_DIR: join(home, 'data'),
    DOVVYBUDDY_CONTENT_DIR: join(home, 'content'),
    DOVVYBUDDY_PROMPTS_DIR: join(ROOT, 'prompts'),
    DOVVYBUDDY_HTTP__BIND: '127.0.0.1:0',
    DOVVYBUDDY_HTTP__ADDRESS_FILE: join(home, 'address'),
    DOVVYBUDDY_EMBEDDINGS__PROVIDER: 'none',
    DOVVYBUDDY_OPERATOR__NAME: 'Blue Fin Divers',
    DOVVYBUDDY_OPERATOR__CONTACT: 'hello@bluefin.example',
  };
  for (const limit of ['DIVER', 'IP', 'LEADS', 'SESSIONS', 'FEEDBACK']) {
    environment[`DOVVYBUDDY_LIMITS__${limit}_PER_MINUTE`] = String(limits[limit] ?? 0);
  }
  if (model) Object.assign(environment, { OPENAI_API_KEY: 'test', OPENAI_MODEL: 'paced', OPENAI_BASE_URL: model.url });
  let said = '';
  const child = spawn(BINARY, ['serve'], { cwd: home, env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.on('data', (data) => { said += data; });
  child.on('error', (error) => { said += error; });
  const host = await address(join(home, 'address'), child, () => said);
  return {
    url: `http://${host}`,
    port: Number(host.split(':')[1]),
    log: () => said,
    /** Runs a command of the same installation; gives its JSON. */
    async run(...words) {
      const { stdout } = await promisify(execFile)(BINARY, [...words, '--json'], { cwd: home, env: environment });
      return JSON.parse(stdout);
    },
    /** At once: what a daemon finishes before it ends is tested elsewhere. */
    async stop() {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGKILL');
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The first sentences of the first passages in a prompt, each with its mark. */
function quoted(prompt) {
  return [1, 2, 3].flatMap((n) => {
    const [, passage] = prompt.split(`<passage n="${n}"`).slice(-2);
    const words = passage?.slice(passage.indexOf('>') + 1).split('</passage>')[0].replace(/\s+/g, ' ') ?? '';
    const sentences = words.match(/[A-Z][^.]{20,}?\.(?= |$)/g) ?? [];
    return sentences.slice(0, 3).map((sentence) => `${sentence.slice(0, -1)} [${n}].`);
  });
}

/** @typedef {Awaited<ReturnType<typeof startModel>>} Model */

/** Sentences said before the gate. The daemon lets one out when it sees the next begin. */
const BEFORE = 3;

/** A model that says sentences of its passages, the last of them when it is let. */
export async function startModel() {
  let open;
  let gate = Promise.resolve();
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const prompt = JSON.parse(body).messages.map((message) => message.content).join('\n');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const event = (delta, reason = null) => response.write(`data: ${JSON.stringify({
      id: 'x', object: 'chat.completion.chunk', created: 0, model: 'paced', choices: [{ index: 0, delta, finish_reason: reason }],
    })}\n\n`);
    for (const [i, sentence] of quoted(prompt).entries()) {
      if (i === BEFORE) await gate;
      event({ content: `${sentence} ` });
    }
    event({}, 'stop');
    response.end('data: [DONE]\n\n');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    /** From now on answers stand still after some sentences, until `open` is called. */
    close() { gate = new Promise((done) => { open = done; }); },
    open() { open?.(); },
    stop: () => new Promise((done) => { open?.(); server.closeAllConnections(); server.close(done); }),
  };
}

/** A line to the daemon that can be cut. */
export async function startLine(port) {
  const wires = new Set();
  let cut = false;
  const server = net.createServer((near) => {
    if (cut) return near.destroy();
    const far = net.connect(port, '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]]) {
      wires.add(one);
      one.on('error', () => other.destroy()).on('close', () => { wires.delete(one); other.destroy(); });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() { cut = true; for (const wire of wires) wire.destroy(); },
    mend() { cut = false; },
    stop: () => new Promise((done) => { cut = true; for (const wire of wires) wire.destroy(); server.close(done); }),
  };
}

/** A host page on an origin of its own. `body` may be a function of the path. */
export async function startSite(body, headers = {}) {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...headers });
    response.end(typeof body === 'function' ? body(request.url) : body);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }),
  };
}
