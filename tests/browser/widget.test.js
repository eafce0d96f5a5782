// The widget on pages of others: a plain one, one with a strict policy, one whose style is hostile.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startDaemon, startSite } from './support/daemon.js';
import { answered, newPage, PHONE, startBrowser } from './support/browser.js';

const FLYING = 'How long should I wait before flying?';

let browser, daemon, plain, strict, hostile, stranger;
const tag = (attributes = '') => `<script src="${daemonUrl}/widget.js" data-site="shop" ${attributes} async></script>`;
const whole = (body, head = '') => `<!doctype html><html lang="en"><head><title>Shop</title><meta name="viewport" content="width=device-width">${head}</head><body><h1>Dive shop</h1><p id="own">Our own words.</p>${body}</body></html>`;
let daemonUrl = '';

const HOSTILE = `<style>
  * { all: unset !important; color: red !important; font: 40px serif !important; display: inline !important; background: yellow !important; }
  :not(:defined), dovvybuddy-widget { display: none !important; opacity: .1 !important; width: 3px !important; transform: rotate(40deg) !important; }
  html { font-size: 4px; direction: rtl; } button, textarea { visibility: hidden !important; pointer-events: none !important; }
</style>`;

before(async () => {
  // The sites' addresses must be known before the daemon starts, and the daemon's before they are asked.
  const strictHeaders = {};
  plain = await startSite((path) => whole(tag(path.includes('accent') ? 'data-accent="#7a1fa2" data-title="Reef Desk" data-position="left" data-lang="de"' : '')));
  strict = await startSite(() => whole(tag()), strictHeaders);
  hostile = await startSite(() => whole(tag(), HOSTILE));
  stranger = await startSite(() => whole(tag()));
  const origins = [plain, strict, hostile].map((site) => `"${site.url}"`).join(', ');
  const toml = `[sites.shop]\norigins = [${origins}]\n`;
  [browser, daemon] = await Promise.all([startBrowser(), startDaemon({ toml })]);
  daemonUrl = daemon.url;
  strictHeaders['content-security-policy'] = `default-src 'none'; script-src ${daemonUrl}/widget.js; connect-src ${daemonUrl}; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'`;
});
after(async () => {
  await browser?.close();
  await Promise.all([daemon, plain, strict, hostile, stranger].map((one) => one?.stop()));
});

/** The widget of a page, whose first request may take a moment. */
function parts(page) {
  return { launcher: page.getByRole('button', { name: 'Ask about diving' }), panel: page.getByRole('dialog', { name: 'DovvyBuddy' }) };
}

async function ask(page, text) {
  const before = await page.locator('.reply').count();
  await page.getByRole('textbox', { name: 'Your message' }).fill(text);
  await page.keyboard.press('Enter');
  await answered(page, before);
}

for (const [name, site] of [['a plain page', () => plain], ['a page with a strict policy', () => strict], ['a page with hostile style', () => hostile]]) {
  test(`on ${name} it opens, answers and shows a passage`, async () => {
    const page = await newPage(browser);
    await page.goto(site().url);
    const { launcher, panel } = parts(page);
    await launcher.click();
    const box = await panel.boundingBox();
    assert.ok(box.width > 380 && box.height > 500 && box.x > 900, JSON.stringify(box));
    const style = await panel.locator('h1').evaluate((node) => { const { color, fontSize, direction } = getComputedStyle(node); return { color, fontSize, direction }; });
    assert.deepEqual(style, { color: 'rgb(10, 41, 49)', fontSize: '17px', direction: 'ltr' });
    await ask(page, FLYING);
    await page.locator('.reply .mark').first().click();
    await page.getByRole('heading', { name: /Flying after diving/ }).waitFor();
    await page.done();
  });
}

test('it leaves the host page as it was', async () => {
  const page = await newPage(browser);
  const look = () => page.evaluate(() => {
    const { color, font, margin, background } = getComputedStyle(document.getElementById('own'));
    return { color, font, margin, background, sheets: document.styleSheets.length, adopted: document.adoptedStyleSheets.length,
      globals: Object.keys(globalThis).filter((key) => /dovvy|chat|widget|STYLE/i.test(key)), html: document.documentElement.getAttribute('style') };
  });
  await page.route('**/widget.js', (route) => route.abort());
  await page.goto(plain.url);
  const without = await look();
  await page.unroute('**/widget.js');
  await page.goto(plain.url);
  await parts(page).launcher.click();
  await ask(page, FLYING);
  assert.deepEqual(await look(), without);
  assert.deepEqual(await page.context().cookies(), [], 'no cookie, neither of the host nor of ours');
  await page.done();
});

test('a conversation is kept across the pages of a site, open or closed as it was', async () => {
  const page = await newPage(browser);
  await page.goto(plain.url);
  await parts(page).launcher.click();
  await ask(page, FLYING);
  const words = await page.locator('.reply .md').innerText();
  await page.goto(`${plain.url}/another`);
  await page.locator('.reply .mark').first().waitFor();
  assert.equal(await page.locator('.reply .md').innerText(), words);
  await page.getByRole('button', { name: 'Close' }).click();
  await page.goto(`${plain.url}/third`);
  await parts(page).launcher.waitFor();
  assert.equal(await parts(page).panel.count(), 0);
  await page.done();
});

test('an answer goes on after a navigation in its middle', async () => {
  const page = await newPage(browser);
  await page.goto(plain.url);
  await parts(page).launcher.click();
  // The daemon has the question, and the page leaves before it hears a word of the answer.
  const taken = new Promise((resolve) => page.route('**/api/chat/stream', (route) => route.fetch().then(resolve)));
  await page.getByRole('textbox', { name: 'Your message' }).fill(FLYING);
  await page.keyboard.press('Enter');
  await taken;
  await page.locator('.waiting').waitFor();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.goto(`${plain.url}/another`);
  await answered(page);
  assert.equal(await page.locator('.question').count(), 1);
  await page.done();
});

test('the host page hears of what happens, and of nothing that is private', async () => {
  const page = await newPage(browser);
  await page.addInitScript(() => {
    globalThis.heard = [];
    for (const name of ['open', 'lead', 'emergency']) addEventListener(`dovvybuddy:${name}`, (event) => heard.push([name, Object.keys(event.detail).sort().join()]));
  });
  await page.goto(plain.url);
  await parts(page).launcher.click();
  await ask(page, 'My buddy is unconscious after the dive');
  await page.getByRole('button', { name: 'Talk to a dive professional' }).click();
  await page.getByLabel('Name').fill('Ana');
  await page.getByLabel('Email').fill('ana@example.com');
  await page.getByRole('button', { name: 'Check and send' }).click();
  await page.getByRole('button', { name: 'Send now' }).click();
  await page.getByRole('heading', { name: 'Sent', exact: true }).waitFor();
  assert.deepEqual(await page.evaluate(() => heard), [['open', ''], ['emergency', 'turnId'], ['lead', 'leadId,type']]);
  await page.done();
});

test('it takes its colours, side, title and language from the tag', async () => {
  const page = await newPage(browser);
  await page.goto(`${plain.url}/accent`);
  const launcher = page.getByRole('button', { name: 'Frag übers Tauchen' });
  await launcher.waitFor();
  const { background, color } = await launcher.evaluate((node) => ({ background: getComputedStyle(node).backgroundColor, color: getComputedStyle(node).color }));
  assert.deepEqual([background, color], ['rgb(122, 31, 162)', 'rgb(255, 255, 255)']);
  assert.ok((await launcher.boundingBox()).x < 100);
  await launcher.click();
  await page.getByRole('heading', { name: 'Reef Desk' }).waitFor();
  await page.done();
});

test('style variables of the host page reach it', async () => {
  const page = await newPage(browser);
  await page.goto(plain.url);
  await parts(page).launcher.waitFor();
  await page.evaluate(() => document.documentElement.style.setProperty('--dovvybuddy-accent', 'rgb(1, 2, 3)'));
  assert.equal(await parts(page).launcher.evaluate((node) => getComputedStyle(node).backgroundColor), 'rgb(1, 2, 3)');
  await page.done();
});

test('on a page that is not the site’s it does not show itself', async () => {
  const page = await newPage(browser);
  const refused = page.waitForResponse((response) => response.url().includes('/api/about'));
  const warned = page.waitForEvent('console', (message) => message.text().includes('DovvyBuddy'));
  await page.goto(stranger.url);
  await refused.catch(() => null);
  await warned;
  assert.equal(await page.locator('dovvybuddy-widget').count(), 0);
  await page.done();
});

test('on a phone it fills the screen, and the keyboard does not leave it', async () => {
  const page = await newPage(browser, { viewport: PHONE });
  await page.goto(plain.url);
  await parts(page).launcher.click();
  assert.deepEqual(await parts(page).panel.boundingBox(), { x: 0, y: 0, ...PHONE });
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.localName), 'dovvybuddy-widget', `after ${i + 1}`);
  }
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.shadowRoot.activeElement.className), 'launcher');
  await page.done();
});
