// Being put in touch with a professional, from the offer to the stored lead.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startDaemon } from './support/daemon.js';
import { ask, focused, newPage, startBrowser } from './support/browser.js';

let browser, daemon;
before(async () => {
  [browser, daemon] = await Promise.all([startBrowser(), startDaemon()]);
});
after(async () => {
  await browser?.close();
  await daemon?.stop();
});

async function open() {
  const page = await newPage(browser);
  await page.goto(daemon.url);
  return page;
}

/** What the daemon was told, and what it stored. */
async function stored(email) {
  const { leads } = await daemon.run('leads', 'list').then((list) => (Array.isArray(list) ? { leads: list } : list));
  return leads.filter((lead) => JSON.stringify(lead).includes(email));
}

test('a reply that offers to hand over opens the form, and the focus stays where it was', async () => {
  const page = await open();
  await ask(page, 'I am nervous about clearing my mask');
  await page.getByRole('region', { name: 'Talk to a dive professional' }).waitFor();
  assert.match(await focused(page), /^textarea/);
  await page.done();
});

test('a trip: who gets it and exactly what is shown, then sent and stored', async () => {
  const page = await open();
  await ask(page, 'I am an Advanced Open Water diver with 40 dives. How long should I wait before flying?');
  await page.getByRole('button', { name: 'Talk to a dive professional' }).first().click();
  await page.getByRole('button', { name: 'Trip' }).click();
  await page.getByLabel('Name').fill('Ana Reyes');
  await page.getByLabel('Email').fill('ana.trip@example.com');
  await page.getByLabel('Destination').fill('Komodo');
  await page.getByLabel('Number of divers').fill('4');
  await page.getByRole('button', { name: 'Check and send' }).click();
  await page.getByRole('heading', { name: 'This will be sent' }).waitFor();
  const shown = await page.locator('.lead').innerText();
  for (const part of ['Blue Fin Divers', 'hello@bluefin.example', 'Ana Reyes', 'ana.trip@example.com', 'Komodo', '4', '40', 'Nothing else is passed on']) {
    assert.ok(shown.includes(part), `${part} in ${shown}`);
  }
  assert.deepEqual(await stored('ana.trip@example.com'), [], 'nothing was sent before it was shown');
  const sent = page.waitForRequest((request) => request.url().endsWith('/api/leads'));
  await page.getByRole('button', { name: 'Send now' }).click();
  const { type, data } = (await sent).postDataJSON();
  assert.deepEqual({ type, data }, { type: 'trip', data: { name: 'Ana Reyes', email: 'ana.trip@example.com', destination: 'Komodo', group_size: 4 } });
  await page.getByText('Your request is on its way to Blue Fin Divers.').first().waitFor();
  assert.equal((await stored('ana.trip@example.com')).length, 1);
  await page.done();
});

test('worries stay out unless they are ticked', async () => {
  const page = await open();
  await ask(page, 'I am anxious about currents. How long should I wait before flying?');
  await page.route('**/api/sessions/*', async (route) => {
    const session = await (await route.fetch()).json();
    await route.fulfill({ json: { ...session, diver_profile: { cert_level: 'OW', concerns: ['currents'] } } });
  });
  await page.getByRole('button', { name: 'Talk to a dive professional' }).first().click();
  await page.getByLabel('Name').fill('Ben');
  await page.getByLabel('Email').fill('ben@example.com');
  await page.getByRole('button', { name: 'Check and send' }).click();
  await page.getByRole('heading', { name: 'This will be sent' }).waitFor();
  assert.doesNotMatch(await page.locator('.lead dl:visible').allInnerTexts().then((all) => all.join()), /currents/);
  const tick = page.getByLabel('Also pass on the worries');
  await tick.check();
  await page.locator('.lead dd').getByText('currents').waitFor();
  const sent = page.waitForRequest((request) => request.url().endsWith('/api/leads'));
  await page.getByRole('button', { name: 'Send now' }).click();
  assert.equal((await sent).postDataJSON().data.share_concerns, true);
  await page.done();
});

test('what is wrong is said beside its field, and the first such field has the focus', async () => {
  const page = await open();
  await page.getByRole('button', { name: 'Talk to a dive professional' }).first().click();
  await page.getByLabel('Email').fill('ana@');
  await page.getByRole('button', { name: 'Check and send' }).click();
  await page.getByText('Please fill this in.').waitFor();
  await page.getByText('Please check the email address.').waitFor();
  assert.ok(await page.getByLabel('Name').evaluate((node) => node === document.activeElement));
  assert.equal(await page.getByLabel('Email').getAttribute('aria-invalid'), 'true');
  assert.equal(await page.getByLabel('Email').inputValue(), 'ana@', 'what was written stays');
  await page.done();
});

test('what only the daemon finds wrong comes back to its field', async () => {
  const page = await open();
  await page.getByRole('button', { name: 'Talk to a dive professional' }).first().click();
  await page.getByLabel('Name').fill('Ana');
  await page.getByLabel('Email').fill('"quoted"@example.com');
  await page.getByRole('button', { name: 'Check and send' }).click();
  await page.getByRole('button', { name: 'Send now' }).click();
  await page.getByText('Please check the email address.').waitFor();
  assert.ok(await page.getByLabel('Email').evaluate((node) => node === document.activeElement));
  await page.done();
});

test('a form that is put away comes back empty-handed to the conversation', async () => {
  const page = await open();
  await page.getByRole('button', { name: 'Talk to a dive professional' }).first().click();
  await page.getByRole('button', { name: 'Not now' }).click();
  assert.equal(await page.locator('.lead').count(), 0);
  assert.match(await focused(page), /^textarea/);
  await page.done();
});
