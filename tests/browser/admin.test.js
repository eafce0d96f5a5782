// The operator's view: reading, taking over, teaching, and who may not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startDaemon } from './support/daemon.js';
import { NAUGHTY } from './support/naughty.js';
import { answered, ask, DESKTOP, focused, newPage, PHONE, send, startBrowser, tooWide, violations } from './support/browser.js';

const FLYING = 'How long should I wait before flying?';
const SCOOTERS = 'Do you rent underwater scooters?';
const VIEWS = ['Conversations', 'Open questions', 'Answers and facts', 'Leads', 'Feedback', 'Figures', 'Health', 'Audit'];

let browser, daemon;
const keys = {};
before(async () => {
  [browser, daemon] = await Promise.all([startBrowser(), startDaemon()]);
  for (const scope of ['read', 'reply', 'edit']) keys[scope] = (await daemon.run('keys', 'create', `Ana ${scope}`, '--scope', scope)).key;
});
after(async () => {
  await browser?.close();
  await daemon?.stop();
});

/** The operator's view, logged in. */
async function desk(scope = 'edit', { view = '', ...options } = {}) {
  const page = await newPage(browser, options);
  await page.goto(`${daemon.url}/admin${view && `#${view}`}`);
  await page.getByLabel('API key').fill(keys[scope]);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.locator('.live .on').waitFor();
  return page;
}

async function diver(first = FLYING) {
  const page = await newPage(browser);
  await page.goto(daemon.url);
  await ask(page, first);
  return page;
}

/** The page looks for news now, as it does when somebody comes back to it. */
const comeBack = (page) => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
const visit = (page, view) => page.getByRole('navigation').getByRole('link', { name: view }).click();
const openAll = (page) => page.evaluate(() => { for (const closed of document.querySelectorAll('main details')) closed.open = true; });
const settled = (page) => page.waitForFunction(() => !document.querySelector('.admin .loading'));

test('without a key nothing is shown, and logging out forgets it', async () => {
  const page = await newPage(browser);
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${daemon.url}/admin#conversations`);
  await page.getByLabel('API key').fill('dvk_guessed');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('This key is not valid').waitFor();
  assert.deepEqual(asked.filter((path) => path.startsWith('/api/')), ['/api/admin/me']);
  await page.getByLabel('API key').fill(keys.read);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Conversations', level: 1 }).waitFor();
  await page.reload();
  await page.getByText('Ana read · read').waitFor();
  assert.deepEqual(await page.evaluate(() => [Object.keys(localStorage).filter((key) => /key/.test(key)), document.cookie]), [[], '']);
  await page.getByRole('button', { name: 'Log out' }).click();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.reload();
  await page.getByLabel('API key').waitFor();
  await page.done();
});

test('a conversation appears as it happens, with how each answer came about', async () => {
  const page = await desk('read');
  const asking = await diver();
  const item = page.locator('.item').first();
  await item.getByText(FLYING).waitFor();
  await item.click();
  const turn = page.locator('.turn').first();
  await turn.getByText('12 hours').first().waitFor();
  await turn.getByText('How this came about').click();
  for (const fact of ['Routing', 'Search', 'Confidence', 'Content version', 'Passages given']) await turn.getByText(fact).first().waitFor();
  await turn.locator('.cited summary').first().click();
  await turn.locator('.cited .md p').first().waitFor();
  await ask(asking, 'My buddy can’t feel his legs after the dive');
  await page.locator('.item.alarm').waitFor();
  await page.locator('.turn.alarm').waitFor();
  assert.ok(await turn.locator('.how').evaluate((node) => node.open), 'what was opened stays open');
  await page.getByRole('button', { name: 'Emergency', exact: true }).click();
  await page.waitForFunction(() => document.querySelectorAll('.item').length === 1);
  await asking.done();
  await page.done();
});

test('a person writes, the bot is silent and says so, and takes up what is left', async () => {
  const asking = await diver();
  const page = await desk('reply');
  await page.locator('.item').first().click();
  await page.getByLabel('Your words to the diver').fill('I am Ana. Tuesday *works*.');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.turn.by-person').getByText('Tuesday works').waitFor();
  await page.locator('.held').getByText('Ana reply has this conversation until').waitFor();
  await comeBack(asking);
  await asking.locator('.by-person').getByText('Tuesday works').waitFor();
  await asking.locator('.by-person').getByText('Team').waitFor();
  await asking.locator('.banner.person').getByText('Emergencies are still answered at once').waitFor();
  await ask(asking, 'What is a safety stop?');
  await asking.locator('.log').getByText('Your message has been passed on').waitFor();
  // An emergency is answered whoever has the conversation.
  await ask(asking, 'My buddy can’t feel his legs after the dive');
  await asking.locator('.reply.emergency').waitFor();
  await asking.getByRole('button', { name: 'This is not an emergency' }).click();
  await asking.locator('.log').getByText('not an emergency. If anything changes').waitFor();
  // After a reload the words stand there as before.
  await asking.reload();
  await asking.locator('.by-person').getByText('Tuesday works').waitFor();
  await asking.locator('.banner.person').getByText('A person has taken over').waitFor();
  await page.getByRole('button', { name: 'Give back to the bot' }).click();
  await page.getByText('The bot answers again.').waitFor();
  const replies = await asking.locator('.reply').count();
  await answered(asking, replies);
  assert.match(await asking.locator('.reply').nth(replies).innerText(), /minutes/);
  await asking.locator('.banner.person').waitFor({ state: 'hidden' });
  await page.getByText('The bot took up what was left open').waitFor();
  await asking.done();
  await page.done();
});

test('an open question becomes an answer, and the bot answers from it until that is undone', async () => {
  const asking = await diver(SCOOTERS);
  assert.doesNotMatch(await asking.locator('.reply').innerText(), /30 euros/);
  const page = await desk('edit', { view: 'unanswered' });
  const open = page.locator('.open-question').filter({ hasText: SCOOTERS });
  await open.getByRole('button', { name: 'Write the answer' }).click();
  assert.equal(await page.getByLabel('Question').inputValue(), SCOOTERS);
  await page.getByLabel('Answer').fill('Blue Fin rents underwater scooters for 30 euros a day.');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByText('As divers will read it').waitFor();
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByText('The bot answers from it now').waitFor();
  await ask(asking, SCOOTERS);
  await asking.locator('.reply').nth(1).getByText('30 euros a day').waitFor();
  await page.locator('.toast').getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Undone.').waitFor();
  await ask(asking, `${SCOOTERS} `);
  assert.doesNotMatch(await asking.locator('.reply').nth(2).innerText(), /30 euros/);
  // The facts of the house are written the same way.
  const hours = page.locator('.card').filter({ has: page.getByRole('heading', { name: 'Opening hours' }) });
  await hours.getByRole('button', { name: 'Write' }).click();
  await page.getByLabel('Answer').fill('Blue Fin Divers is open daily from 8:00 to 17:30.');
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByText('The bot answers from it now').waitFor();
  await hours.getByText('8:00 to 17:30').waitFor();
  await ask(asking, 'What time do you open?');
  await asking.locator('.reply').nth(3).getByText('17:30').first().waitFor();
  await asking.done();
  await page.done();
});

test('who may only look is offered nothing else, and is refused', async () => {
  const asking = await diver();
  const page = await desk('read');
  await page.locator('.item').first().click();
  await page.getByText('To write to divers it needs the scope').waitFor();
  assert.equal(await page.getByRole('button', { name: /Take over|Send/ }).count(), 0);
  await visit(page, 'Answers and facts');
  await settled(page);
  assert.equal(await page.getByRole('button', { name: /New answer|Write|Edit/ }).count(), 0);
  const refused = await page.evaluate(async () => {
    const headers = { Authorization: `Bearer ${sessionStorage.getItem('dovvybuddy:key')}`, 'Content-Type': 'application/json' };
    const body = JSON.stringify({ text: 'x', question: 'x', answer: 'x' });
    const paths = ['entries', 'entries/preview', 'conversations/6f9619ff-8b86-4d01-b42d-00cf4fc964ff/reply'];
    return Promise.all(paths.map(async (path) => (await fetch(`/api/admin/${path}`, { method: 'POST', headers, body })).status));
  });
  assert.deepEqual(refused, [403, 403, 403]);
  await visit(page, 'Audit');
  await page.getByRole('cell', { name: 'Ana read' }).first().waitFor();
  await asking.done();
  await page.done();
});

test('figures are drawn, and stand in a table beside', async () => {
  const asking = await diver();
  const page = await desk('read', { view: 'figures' });
  await page.locator('svg.chart rect').first().waitFor();
  await page.locator('svg.chart circle').first().waitFor();
  await page.getByText('Nothing was spent').waitFor();
  for (const title of ['Turns by channel', 'Turns by agent', 'How long answers took']) {
    const figure = page.locator('figure').filter({ has: page.getByRole('heading', { name: title }) });
    await figure.getByText('As a table').click();
    await figure.getByRole('table').waitFor();
  }
  const figure = page.locator('figure').first();
  await figure.getByRole('columnheader', { name: 'web' }).waitFor();
  const [told, shown] = [Number((await figure.locator('tbody td').nth(1).innerText()).replace(/\D/g, '')), await figure.locator('rect').count()];
  assert.ok(told >= 1 && shown === 1, `${told} turns in ${shown} bars`);
  await asking.done();
  await page.done();
});

test('lists are saved as files', async () => {
  const asking = await diver();
  const page = await desk('read');
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  assert.equal(file.suggestedFilename(), 'conversations.csv');
  await asking.done();
  await page.done();
});

/** What the daemon would say if every word of it were hostile. */
function hostile(path) {
  const text = NAUGHTY.join('\n\n');
  const at = new Date().toISOString();
  const id = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff';
  const profile = { [text]: text, cert_level: text };
  const turn = {
    id, outcome: text, said: text, reply: text, by: text, agent: text, confidence: 1, intent: text, language: text, safety: text, model: text, contextChunks: 1,
    citations: [{ n: 1, source: text, title: text, section: text, publisher: text, updated: text, score: 1 }], versions: { content: text, prompts: text }, degraded: [text], attempt: 2,
    usage: { tokens: 1, costMicros: 1, waitedMs: 1, routeMs: 1, searchMs: 1, firstPieceMs: 1, totalMs: 9 }, rating: { up: false, comment: text }, finishedAt: at,
  };
  const person = { ...turn, id: `${id}1`, outcome: 'person' };
  const one = { id, channel: text, conversation: text, createdAt: at, updatedAt: at, lastWords: text, agent: text, emergency: true, pausedUntil: at, pausedBy: text, turns: 1, notCovered: 1, waiting: 1 };
  if (path.endsWith('/news')) return { turns: [], after: 0 };
  if (path === 'me') return { name: text, role: 'edit', entries: true };
  if (path === 'conversations') return { conversations: [one], next: null };
  if (path.startsWith('conversations/')) return { ...one, emergency: text, profile, turns: [turn, person], earlier: null, waiting: [{ text, at }], interventions: [{ kind: 'pause', turnId: null, by: text, at }] };
  if (path === 'leads') return [{ id, kind: text, data: { name: text, [text]: text, deep: { text } }, sessionId: id, profile, deliveries: [{ outlet: text, state: text }], createdAt: at }];
  if (path === 'feedback') return [{ turnId: id, sessionId: id, channel: text, said: text, reply: text, up: false, comment: text, at }];
  if (path === 'unanswered') return [{ text, count: 2, lastAt: at, sessions: [id] }];
  if (path === 'entries') return [{ id: 'hours', fact: true, question: text, answer: text, source: text, updated: text, undo: true }, { id: 'x', fact: false, question: text, answer: text, source: text, updated: text, undo: true }];
  if (path === 'entries/preview') return { document: text };
  if (path === 'audit') return { entries: [{ key: text, name: text, action: text, subject: text, at }], next: null };
  if (path === 'figures') return { since: at, until: at, stepSeconds: 86400, turns: [{ at, channel: text, agent: text, turns: 3, tokens: 1, costMicros: 5 }], latency: [{ at, turns: 1, firstP50: 1, firstP95: 1, totalP50: 1, totalP95: 2 }], tokensToday: 0, costMicrosToday: 0 };
  return {};
}

test('hostile words in every field run nothing and load nothing', async () => {
  const page = await newPage(browser);
  await page.addInitScript(() => { globalThis.alert = () => { globalThis.ran = true; }; });
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && origin !== daemon.url) page.troubles.push(`foreign: ${request.url()}`);
  });
  await page.route('**/api/admin/**', (route) => {
    const path = new URL(route.request().url()).pathname.replace('/api/admin/', '');
    return path === 'events' ? route.abort() : route.fulfill({ json: hostile(path) });
  });
  await page.route('**/api/passages*', (route) => route.fulfill({ json: { text: NAUGHTY.join('\n\n') } }));
  await page.route('**/status', (route) => {
    const text = NAUGHTY.join(' ');
    return route.fulfill({ json: { version: text, loops: [{ name: text, last_progress: text, restarts: 0, stalled: true }], turns_running: 0, queue: null, models: [{ name: text, breaker: text }], channels: [{ id: text, last_message: new Date().toISOString() }], content: { version: text, documents: 1, passages: 1, embedded: 1, updated: text } } });
  });
  await page.goto(`${daemon.url}/admin#conversations/6f9619ff-8b86-4d01-b42d-00cf4fc964ff`);
  await page.getByLabel('API key').fill('any');
  await page.keyboard.press('Enter');
  await page.locator('.turn .md').first().waitFor();
  for (const view of VIEWS) {
    await visit(page, view);
    await settled(page);
    await openAll(page);
    if (view === 'Answers and facts') {
      await page.getByRole('button', { name: 'Edit' }).last().click();
      await page.getByLabel('Answer').fill(NAUGHTY.join('\n\n'));
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.locator('.preview .md').waitFor();
    }
    const found = await page.evaluate(() => {
      const known = new Set('P BR UL OL LI STRONG EM CODE PRE BLOCKQUOTE H1 H2 H3 HR A BUTTON DIV TABLE CAPTION THEAD TBODY TR TH TD SPAN TIME DL DT DD SECTION ARTICLE FIGURE FIGCAPTION DETAILS SUMMARY FORM LABEL INPUT TEXTAREA SELECT OPTION svg path rect circle line text'.split(' '));
      const nodes = [...document.querySelectorAll('main *, .toast *, header *')];
      return {
        ran: Boolean(globalThis.ran), words: nodes.length > 20,
        strange: nodes.map((node) => node.tagName).filter((name) => !known.has(name) && !['svg', 'path', 'circle'].includes(name)),
        handlers: nodes.flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith('on') || ['src', 'style', 'srcdoc'].includes(name)),
        links: nodes.filter((node) => node.tagName === 'A').map((node) => node.getAttribute('href')).filter((href) => !/^(https?:\/\/|mailto:|tel:|#)/.test(href)),
      };
    });
    assert.deepEqual(found, { ran: false, words: true, strange: [], handlers: [], links: [] }, view);
  }
  await page.done();
});

test('axe finds nothing in any view, light and dark, on a desk and on a phone', async () => {
  const asking = await diver(SCOOTERS);
  const session = await asking.evaluate(async () => JSON.parse(document.getElementById('start').content).session ?? (await (await fetch('/')).text()).match(/session&quot;:&quot;([0-9a-f-]{36})/)?.[1]);
  await asking.request.post(`${daemon.url}/api/leads`, { data: { type: 'trip', data: { name: 'Ana Sol', email: 'ana@example.com', destination: 'Komodo', group_size: 2 } } });
  await asking.locator('.reply').first().getByRole('button', { name: 'This did not help' }).click();
  await asking.locator('.comment').waitFor();
  const page = await newPage(browser, { colorScheme: 'light' });
  await page.goto(`${daemon.url}/admin`);
  // Colours follow the scheme and places the size, so two looks see both of each; the fullest view gets all four.
  const clean = async (state, all = false) => {
    for (const [scheme, size] of [['light', DESKTOP], ['dark', PHONE], ...(all ? [['dark', DESKTOP], ['light', PHONE]] : [])]) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize(size);
      assert.deepEqual(await violations(page), [], `${state}, ${scheme}, ${size.width}`);
      if (size === PHONE) assert.deepEqual(await tooWide(page), [], `${state}, on a phone`);
    }
    await page.setViewportSize(DESKTOP);
  };
  await clean('logging in');
  await page.getByLabel('API key').fill(keys.edit);
  await page.keyboard.press('Enter');
  await page.locator('.live .on').waitFor();
  for (const view of VIEWS) {
    await visit(page, view);
    await settled(page);
    await clean(view);
  }
  await page.goto(`${daemon.url}/admin#conversations/${session}`);
  await page.locator('.turn').first().waitFor();
  await openAll(page);
  await page.getByRole('button', { name: 'Take over' }).click();
  await page.locator('.held').getByText('has this conversation').waitFor();
  await clean('a conversation', true);
  await visit(page, 'Answers and facts');
  await page.getByRole('button', { name: 'New answer' }).click();
  await page.getByLabel('Answer').fill('| a | b |\n| --- | --- |\n| 1 | 2 |');
  await page.getByLabel('Question').fill('What is it?');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByText('As divers will read it').waitFor();
  await clean('the editor');
  await asking.done();
  await page.done();
});

test('everything is reached by keyboard, and the focus is never lost', async () => {
  const asking = await diver();
  const page = await desk('edit');
  const tabTo = async (name, key = 'Tab') => {
    for (let i = 0; i < 60; i++) {
      const now = await focused(page);
      if (now && name.test(now)) return;
      await page.keyboard.press(key);
    }
    assert.fail(`${name} can't be reached; the focus is at ${await focused(page)}`);
  };
  await page.locator('.item').first().waitFor();
  await page.locator('body').click({ position: { x: 2, y: 2 } });
  await tabTo(/^a\.item/);
  await page.keyboard.press('Enter');
  await page.locator('.turn').first().waitFor();
  await tabTo(/^textarea/);
  await page.keyboard.type('Hello from Ana');
  await page.keyboard.press('Control+Enter');
  await page.locator('.turn.by-person').waitFor();
  assert.match(await focused(page), /^textarea/, 'ready for the next words');
  await tabTo(/Give back/);
  await page.keyboard.press('Enter');
  await page.getByText('The bot answers again.').waitFor();
  await page.waitForFunction(() => document.activeElement?.localName === 'textarea');
  await tabTo(/^a\. Open questions/, 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Open questions' }).waitFor();
  assert.match(await focused(page), /^main/);
  await asking.done();
  await page.done();
});
