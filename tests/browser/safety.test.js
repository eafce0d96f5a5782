// What hostile words can do in a real browser: nothing. Emergencies, on the other hand, can't be overlooked.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startDaemon, startSite } from './support/daemon.js';
import { NAUGHTY } from './support/naughty.js';
import { answered, ask, DESKTOP, newPage, PHONE, send, startBrowser } from './support/browser.js';

const ALL = NAUGHTY.join('\n\n');

let browser, daemon, site;
before(async () => {
  site = await startSite(() => `<!doctype html><html lang="en"><title>Shop</title><body><script src="${daemon.url}/widget.js" data-site="shop" data-open="true" async></script></body></html>`);
  [browser, daemon] = await Promise.all([startBrowser(), startDaemon({ toml: `[sites.shop]\norigins = ["${site.url}"]\n` })]);
});
after(async () => {
  await browser?.close();
  await Promise.all([daemon?.stop(), site?.stop()]);
});

/** A page that notes every call of `alert` and every request to another place. */
async function watched(options) {
  const page = await newPage(browser, options);
  await page.addInitScript(() => { globalThis.alert = () => { globalThis.ran = true; }; });
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== 'data:' && ![daemon.url, site.url].includes(origin)) page.troubles.push(`foreign: ${request.url()}`);
  });
  return page;
}

/** Nothing ran, no element stands there that the renderer does not make, and no link leads astray. */
async function harmless(page) {
  const found = await page.evaluate(() => {
    const root = document.querySelector('dovvybuddy-widget')?.shadowRoot ?? document;
    const rendered = [...root.querySelectorAll('.md *, .said *, .lead dd *, .state *, .toast *')];
    const known = new Set(['P', 'BR', 'UL', 'OL', 'LI', 'STRONG', 'EM', 'CODE', 'PRE', 'BLOCKQUOTE', 'H3', 'HR', 'A', 'BUTTON', 'DIV', 'TABLE', 'THEAD', 'TBODY', 'TR', 'TH', 'TD', 'SPAN', 'I', 'svg', 'path']);
    return {
      ran: Boolean(globalThis.ran),
      strange: rendered.map((node) => node.tagName).filter((name) => !known.has(name)),
      handlers: rendered.flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith('on') || ['src', 'style', 'srcdoc'].includes(name)),
      links: rendered.filter((node) => node.tagName === 'A').filter((node) => !/^(https?:\/\/|mailto:|tel:)/.test(node.getAttribute('href')) || node.rel !== 'noopener noreferrer nofollow' && !node.classList.contains('phone')).map((node) => node.outerHTML),
      words: rendered.length,
    };
  });
  assert.ok(found.words > 0, 'something was rendered');
  assert.deepEqual({ ...found, words: 0 }, { ran: false, strange: [], handlers: [], links: [], words: 0 });
  await page.done();
}

/** A stream that says `text` in every field a stream has. */
function stream(text, { emergency = false } = {}) {
  const turn = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff';
  const citation = { n: 1, source: text, title: text, section: text, publisher: text, updated: text, score: 1 };
  const metadata = { turnId: turn, emergency, citations: [citation], model: text, degraded: [], sessionRestarted: true };
  const events = [
    { type: 'route', content: { route: text, confidence: 1 }, metadata: { turnId: turn, sessionId: turn } },
    { type: 'safety', content: { classification: emergency ? 'emergency' : 'caution' } },
    { type: 'token', content: text },
    { type: 'citation', content: text, metadata: citation },
    { type: 'final', content: text, metadata: { sessionId: turn, agentType: text, followUpQuestion: `${text}?`, metadata } },
  ];
  return events.map((event, i) => `id: ${turn}/1/${i + 1}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

const WHERE = [['page', () => daemon.url], ['widget', () => site.url]];

for (const [name, url] of WHERE) {
  test(`${name}: what a diver writes stays text, now and after a reload`, async () => {
    const page = await watched();
    await page.goto(url());
    for (const start of [0, 20, 40]) await ask(page, NAUGHTY.slice(start, start + 20).join(' ').replaceAll('\u0000', '').slice(0, 1900));
    await page.reload();
    await page.locator('.said').nth(2).waitFor();
    await harmless(page);
  });

  for (const emergency of [false, true]) {
    test(`${name}: ${emergency ? 'an emergency' : 'an answer'} made of hostile words stays text in every field`, async () => {
      const page = await watched();
      await page.route('**/api/chat/stream', (route) => route.fulfill({ contentType: 'text/event-stream', headers: { 'access-control-allow-origin': '*' }, body: stream(ALL, { emergency }) }));
      await page.route('**/api/passages*', (route) => route.fulfill({ headers: { 'access-control-allow-origin': '*' }, json: { text: ALL } }));
      await page.goto(url());
      await ask(page, 'hi');
      await page.locator('button.mark').first().click();
      await page.locator('.passage .md p').first().waitFor();
      await harmless(page);
    });
  }

  test(`${name}: errors, leads and profiles made of hostile words stay text`, async () => {
    const page = await watched();
    const cors = { 'access-control-allow-origin': '*' };
    await page.route('**/api/chat/stream', (route) => route.fulfill({ status: 422, headers: cors, json: { error: ALL, code: ALL } }));
    await page.route('**/api/leads', (route) => route.fulfill({ status: 409, headers: cors, json: { error: ALL, code: ALL } }));
    await page.goto(url());
    await send(page, ALL.replaceAll('\u0000', '').slice(0, 1900));
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    await page.getByRole('button', { name: 'Talk to a dive professional' }).first().click();
    await page.getByLabel('Name').fill(NAUGHTY.slice(0, 3).join(' ').slice(0, 100));
    await page.getByLabel('Email').fill('<svg/onload=alert(1)>@example.com');
    await page.getByLabel('Message (optional)').fill(ALL.replaceAll('\u0000', '').slice(0, 1900));
    await page.getByRole('button', { name: 'Check and send' }).click();
    await page.getByRole('button', { name: 'Send now' }).click();
    await page.locator('.lead [role=alert]:not([hidden])').waitFor();
    await harmless(page);
  });
}

for (const [name, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  test(`${name}: an emergency reply is seen from its beginning, with numbers to call`, async () => {
    const page = await newPage(browser, { viewport });
    await page.goto(daemon.url);
    for (const question of ['How long should I wait before flying?', 'What may an Open Water Diver do?']) await ask(page, question);
    await ask(page, 'My buddy can’t feel his legs after the dive in Komodo');
    const reply = page.locator('.reply.emergency');
    await reply.getByText('Emergency: act now').waitFor();
    const box = await reply.boundingBox();
    assert.ok(box.y >= 0 && box.y < viewport.height / 3, `begins at ${box.y}`);
    const calls = await reply.locator('a.call').evaluateAll((links) => links.map((link) => link.getAttribute('href')));
    assert.ok(calls.length >= 2 && calls.every((href) => /^tel:\+?\d{3,}$/.test(href)), calls.join());
    // Scrolled out of sight, it stays within reach.
    await page.locator('.scroll').evaluate((node) => { node.scrollTop = 0; });
    await page.getByRole('button', { name: 'Back to the emergency instructions' }).click();
    await page.waitForFunction(() => document.querySelector('.reply.emergency').getBoundingClientRect().top < innerHeight / 3);
    await reply.getByRole('button', { name: 'This is not an emergency' }).click();
    await answered(page, 3);
    assert.equal(await page.locator('.reply.emergency').count(), 1);
    assert.equal(await page.locator('.said').last().innerText(), 'This is not an emergency');
    await page.done();
  });
}
