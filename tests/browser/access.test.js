// Everybody can use it: axe in every state, by keyboard alone, read aloud once, on every screen.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startDaemon, startSite } from './support/daemon.js';
import { answered, ask, focused, newPage, PHONE, send, startBrowser, tooWide, violations } from './support/browser.js';

const FLYING = 'How long should I wait before flying?';

let browser, daemon, site;
before(async () => {
  site = await startSite(() => `<!doctype html><html lang="en"><head><title>Shop</title><meta name="viewport" content="width=device-width"></head><body><main><h1>Shop</h1></main><script src="${daemon.url}/widget.js" data-site="shop" async></script></body></html>`);
  [browser, daemon] = await Promise.all([startBrowser(), startDaemon({ toml: `[sites.shop]\norigins = ["${site.url}"]\n` })]);
});
after(async () => {
  await browser?.close();
  await Promise.all([daemon?.stop(), site?.stop()]);
});

const professional = (page) => page.getByRole('button', { name: 'Talk to a dive professional' }).first();
const refuse = (status, headers = {}) => (route) => route.fulfill({ status, headers, json: { error: 'Something went wrong on our side.', code: 'X' } });

/** Every state a person may meet, and how one gets there. */
const STATES = {
  welcome: async () => {},
  waiting: async (page) => { await page.route('**/api/chat/stream', () => {}); await send(page, FLYING); await page.locator('.waiting').waitFor(); },
  answer: (page) => ask(page, FLYING),
  passage: async (page) => { await ask(page, FLYING); await page.locator('.mark').first().click(); await page.locator('.passage .md p').first().waitFor(); },
  'missing passage': async (page) => {
    await page.route('**/api/passages*', refuse(404));
    await ask(page, FLYING);
    await page.locator('.mark').first().click();
    await page.getByText('This passage has changed').waitFor();
  },
  emergency: (page) => ask(page, 'My buddy can’t feel his legs after the dive'),
  comment: async (page) => { await ask(page, FLYING); await page.getByRole('button', { name: 'This did not help' }).click(); await page.locator('.comment').waitFor(); },
  menu: async (page) => { await page.getByRole('button', { name: 'Menu' }).click(); },
  deleting: async (page) => { await page.getByRole('button', { name: 'Menu' }).click(); await page.getByRole('button', { name: 'Delete conversation' }).click(); },
  lead: (page) => professional(page).click(),
  'wrong lead': async (page) => { await professional(page).click(); await page.getByRole('button', { name: 'Check and send' }).click(); await page.getByText('Please fill this in.').first().waitFor(); },
  'lead to check': async (page) => {
    await professional(page).click();
    await page.getByLabel('Name').fill('Ana');
    await page.getByLabel('Email').fill('ana@example.com');
    await page.getByRole('button', { name: 'Check and send' }).click();
    await page.getByRole('button', { name: 'Send now' }).waitFor();
  },
  failed: async (page) => { await page.route('**/api/chat/stream', refuse(500)); await send(page, FLYING); await page.getByRole('button', { name: 'Try again' }).waitFor(); },
  limited: async (page) => { await page.route('**/api/chat/stream', refuse(429, { 'retry-after': '30' })); await send(page, FLYING); await page.locator('.state').getByText('Yours goes out in').waitFor(); },
  offline: async (page) => { await page.context().setOffline(true); await send(page, FLYING); await page.getByText('Your message is kept').waitFor(); },
  'too long': async (page) => { await page.getByRole('textbox', { name: 'Your message' }).fill('a'.repeat(2001)); await page.getByText('Please shorten it').waitFor(); },
};

for (const [state, reach] of Object.entries(STATES)) {
  test(`axe finds nothing, light and dark, on a desk and on a phone: ${state}`, async () => {
    const page = await newPage(browser, { colorScheme: 'light' });
    await page.goto(daemon.url);
    await page.locator('.dv').waitFor();
    await reach(page);
    assert.deepEqual(await violations(page), [], 'light, on a desk');
    assert.deepEqual(await tooWide(page), [], 'on a desk');
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize(PHONE);
    assert.deepEqual(await violations(page), [], 'dark, on a phone');
    assert.deepEqual(await tooWide(page), [], 'on a phone');
    await page.done();
  });
}

test('axe finds nothing in the widget, closed, open and answering', async () => {
  const page = await newPage(browser);
  await page.goto(site.url);
  const launcher = page.getByRole('button', { name: 'Ask about diving' });
  await launcher.waitFor();
  assert.deepEqual(await violations(page), []);
  await launcher.click();
  assert.deepEqual(await violations(page), []);
  await ask(page, FLYING);
  assert.deepEqual(await violations(page), []);
  await page.done();
});

test('nothing sticks out at any width, in any direction of writing', async () => {
  const page = await newPage(browser);
  for (const lang of ['en', 'de', 'ar', 'th']) {
    await page.goto(`${daemon.url}/?lang=${lang}`);
    await page.locator('.dv').waitFor();
    for (const width of [320, 360, 768, 1024, 1440, 1920]) {
      await page.setViewportSize({ width, height: 740 });
      assert.deepEqual(await tooWide(page), [], `${lang} at ${width}`);
    }
  }
  await page.done();
});

/** Presses Tab until the focus is on something of this name. */
async function tabTo(page, name, key = 'Tab') {
  for (let i = 0; i < 40; i++) {
    const now = await focused(page);
    assert.notEqual(now, undefined);
    if (now && name.test(now)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${name} can't be reached by keyboard; the focus is at ${await focused(page)}`);
}

test('a whole visit by keyboard alone, and the focus is never lost', async () => {
  const page = await newPage(browser);
  await page.goto(daemon.url);
  await page.locator('textarea').waitFor();
  // From the field back to a question that is offered.
  await tabTo(page, /Safety/, 'Shift+Tab');
  await page.keyboard.press('Enter');
  await answered(page);
  assert.match(await focused(page), /^textarea/);
  await tabTo(page, /^button\.mark/, 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.locator('.passage').waitFor();
  assert.match(await focused(page), /^h2/);
  await page.keyboard.press('Escape');
  assert.match(await focused(page), /^button\.mark/);
  await tabTo(page, /This helped/);
  const rated = page.waitForResponse((response) => response.url().endsWith('/api/feedback'));
  await page.keyboard.press('Space');
  await rated;
  assert.match(await focused(page), /This helped/);
  await page.locator('.comment').waitFor();
  await tabTo(page, /^button.*Close/);
  await page.keyboard.press('Enter');
  assert.match(await focused(page), /This helped/);
  await tabTo(page, /Menu/, 'Shift+Tab');
  await page.keyboard.press('Enter');
  assert.match(await focused(page), /Talk to a dive professional/);
  await page.keyboard.press('Enter');
  assert.match(await focused(page), /^h2/);
  await tabTo(page, /Not now/);
  await page.keyboard.press('Enter');
  assert.match(await focused(page), /^textarea/);
  await tabTo(page, /New chat/, 'Shift+Tab');
  await page.keyboard.press('Enter');
  assert.match(await focused(page), /^textarea/);
  await page.done();
});

test('a streamed answer is read aloud once, an emergency at once', async () => {
  const page = await newPage(browser);
  await page.goto(daemon.url);
  await page.locator('.dv').waitFor();
  await page.evaluate(() => {
    globalThis.said = [];
    for (const region of document.querySelectorAll('.dv > [aria-live], .dv > [role=alert]')) {
      new MutationObserver(() => { if (region.textContent) said.push([region.getAttribute('role') ?? 'polite', region.textContent]); }).observe(region, { childList: true, characterData: true, subtree: true });
    }
  });
  await ask(page, FLYING);
  await page.waitForFunction(() => said.length === 1);
  const [[kind, words]] = await page.evaluate(() => said);
  assert.equal(kind, 'polite');
  assert.match(words, /12 hours/);
  assert.doesNotMatch(words, /Sources:/);
  await ask(page, 'My buddy can’t feel his legs after the dive');
  await page.waitForFunction(() => said.length === 2);
  assert.equal(await page.evaluate(() => said[1][0]), 'alert');
  // Nothing else on the page is a live region that holds the conversation.
  assert.equal(await page.locator('.log').evaluate((node) => node.closest('[aria-live], [role=log], [role=alert]')), null);
  await page.done();
});

test('whoever wants no motion sees none', async () => {
  const page = await newPage(browser);
  await page.goto(daemon.url);
  await page.route('**/api/chat/stream', () => {});
  await send(page, FLYING);
  await page.locator('.waiting').waitFor();
  assert.deepEqual(await page.evaluate(() => document.getAnimations().map((animation) => animation.animationName)), []);
  await page.done();
});
