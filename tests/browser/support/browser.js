// Chromium, and what tests do in it.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const CHROMIUM = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium'].find((path) => path && existsSync(path));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** How long something may take to show itself, on a machine that is busy with other tests. */
export const PATIENCE = 20_000;

export const PHONE = { width: 360, height: 740 };
export const DESKTOP = { width: 1440, height: 900 };

export async function startBrowser() {
  if (!CHROMIUM) throw new Error('there is no Chromium: run scripts/setup-browser');
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}

/** @typedef {import('playwright-core').Page} Page */

/**
 * A page in a browser profile of its own. What goes wrong in it fails the test at its end.
 * @param {import('playwright-core').Browser} browser
 * @param {import('playwright-core').BrowserContextOptions} [options]
 * @returns {Promise<Page & {troubles: string[], done: () => Promise<void>}>}
 */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: 'reduce', locale: 'en-US', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => { troubles.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on('console', (message) => {
    if (/Content.Security|Trusted ?Type|Refused to/i.test(message.text())) troubles.push(`policy: ${message.text()}`);
  });
  return Object.assign(page, {
    troubles,
    async done() {
      assert.deepEqual(troubles, []);
      await context.close();
    },
  });
}

/** Writes and sends. */
export async function send(page, text) {
  await page.getByRole('textbox', { name: 'Your message' }).fill(text);
  await page.keyboard.press('Enter');
}

/** Sends and waits for the whole answer. */
export async function ask(page, text) {
  const before = await page.locator('.reply').count();
  await send(page, text);
  await answered(page, before);
}

/** Waits until the reply after so many is whole. */
export async function answered(page, before = 0) {
  await page.locator('.reply').nth(before).locator('.feedback, .stand-down').first().waitFor();
}

/** What axe finds wrong with the page as it stands. */
export async function violations(page) {
  await page.evaluate(AXE);
  const results = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  return results.violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target.join(' ')} ${node.any.map((check) => check.message).join('; ')}`).join(' | ')}`);
}

/** Where the focus is, through shadow roots. */
export function focused(page) {
  return page.evaluate(() => {
    let node = document.activeElement;
    while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
    return node === document.body || !node ? null : `${node.localName}.${node.className} ${node.getAttribute('aria-label') ?? node.textContent.slice(0, 40)}`;
  });
}

/** Whether the page scrolls sideways. */
export function tooWide(page) {
  return page.evaluate(() => {
    const wide = [...document.querySelectorAll('.dv *')].filter((node) => !node.closest('.sr, .table, pre, nav') && node.getBoundingClientRect().right > innerWidth + 1);
    return wide.map((node) => `${node.localName}.${node.getAttribute('class')}`);
  });
}
