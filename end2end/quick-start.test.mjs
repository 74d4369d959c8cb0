// README's quick start, as written there, with the pictures that the documentation shows.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { alive, shellAlive } from './lib/alive.mjs';
import { openPage, screenshot, startBrowser } from './lib/browser.mjs';
import { growingLabels, seenCalls, send, transcriptText, turnOver, watchCalls } from './lib/chat.mjs';
import { composerAlive, logIn, logOut } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

const SEARCH = 'Search the docs for tool filters';
const COUNT = 'Count slowly to 5';
const OUTPUT_DEADLINE_MS = 30_000;

describe('the quick start', () => {
  const step = steps();
  let server, browser, context, page, console, user, owner;
  before(async () => {
    server = await startServer({ args: ['--demo'] });
    const person = async (words) => {
      const line = new RegExp(`^${words}: (\\S+) +password: (\\S+)$`, 'm');
      const [, email, password] = await server.child.waitFor(line, OUTPUT_DEADLINE_MS);
      return { email, password };
    };
    [owner, user] = [await person('Demo owner'), await person('Demo user')];
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser, { colorScheme: 'light' }));
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
  });

  step('the demo user logs in and asks for a search of the docs', async () => {
    await logIn(page, server, user);
    assert.equal(await page.getByRole('link', { name: 'Servers' }).count(), 0, 'the panel is not for users');
    await composerAlive(page);
    await watchCalls(page);
    await send(page, SEARCH);
    await page.waitForURL(/\/chats\/[0-9a-f-]{36}$/);
    await turnOver(page);
    const seen = await seenCalls(page);
    const label = await page.getByTestId('tool-label').innerText();
    assert.ok(growingLabels(seen, label).length >= 2, `the label grew: ${JSON.stringify(seen)}`);
    assert.equal(seen.at(-1).state, 'done');
    assert.equal(await page.getByTestId('tool-server').innerText(), 'Sample tools');
    const answer = await page.getByTestId('answer').last().innerText();
    assert.match(answer, /filter/i, 'the answer reports what was found');
    console.assertQuiet();
  });

  step('details have the true tool name, the arguments and the result', async () => {
    const call = page.getByTestId('tool-call').first();
    const toggle = call.locator('summary', { hasText: 'Details' });
    await toggle.click();
    const details = await call.locator('dl').innerText();
    assert.match(details, /search_docs/);
    assert.match(details, /"query": ".*filters"/);
    assert.ok((await call.getByTestId('tool-result').innerText()).length > 50);
    await toggle.click();
    await page.mouse.move(0, 0);
    await screenshot(page, 'chat-after');
  });

  step('a slow count runs, and Stop ends it', async () => {
    await send(page, COUNT);
    const call = page.getByTestId('tool-call').last();
    await page.locator('[data-testid=tool-call][data-state=running]').waitFor();
    await call.getByText(/^\d+\.\d s$/).waitFor();
    await screenshot(page, 'chat-running');
    const stop = page.getByRole('button', { name: 'Stop' });
    await stop.click();
    await page.locator('article.chat[data-status=waiting]').waitFor();
    // It had been sent: nobody knows how far the server came, and the line says so.
    await until('the call is shown as stopped', async () => (await call.getAttribute('data-state')) === 'unknown');
    assert.match(await call.getByTestId('tool-remark').innerText(), /stopped[\s\S]*may or may not have happened/i);
    assert.equal(await stop.count(), 0);
    const told = page.locator('article.chat > [role=status]');
    await until('readers hear that it was stopped', async () => (await told.textContent()) === 'The answer was stopped');
    const before = await transcriptText(page);
    await page.reload();
    await composerAlive(page);
    assert.equal(await transcriptText(page), before, 'a stopped turn reads the same after a reload');
    console.assertQuiet();
  });

  step('the chat reads well in the dark and on a phone', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await screenshot(page, 'chat-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 390, height: 844 });
    const width = () => page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    await until('nothing is wider than the phone', async () => {
      const [content, screen] = await width();
      return content <= screen;
    });
    await page.getByRole('button', { name: 'Open navigation' }).click();
    await page.getByRole('navigation', { name: 'Recent chats' }).getByRole('link', { name: SEARCH }).waitFor();
    await page.keyboard.press('Escape');
    // The ring of the button that got the focus back would be the loudest thing in the picture.
    await page.evaluate(() => document.activeElement.blur());
    await screenshot(page, 'chat-phone');
    await page.setViewportSize({ width: 1280, height: 860 });
    console.assertQuiet();
  });

  step('the demo owner finds the server, its rules, and tests the connection', async () => {
    await logOut(page);
    await logIn(page, server, owner);
    await page.getByRole('link', { name: 'Servers', exact: true }).click();
    const row = page.getByRole('row', { name: /Sample tools/ });
    await row.waitFor();
    assert.match(await row.innerText(), /127\.0\.0\.1:\d+[\s\S]*None[\s\S]*On by default/);
    assert.equal(await row.getByRole('switch').isChecked(), true);
    await screenshot(page, 'servers');
    await row.getByRole('link', { name: /Sample tools/ }).click();
    await page.getByRole('heading', { name: 'Sample tools' }).waitFor();
    await alive(page.getByRole('button', { name: 'Test connection' }), 'click');
    await page.getByRole('button', { name: 'Test connection' }).click();
    const report = page.getByRole('region', { name: 'Test result' });
    await report.waitFor();
    assert.match(await report.innerText(), /Reached in \d+ ms[\s\S]*Speaks 20[\s\S]*3 tools, 3 allowed/);
    assert.equal(await report.getByRole('button', { name: 'Enable server' }).count(), 0, 'it is on already');
    await report.scrollIntoViewIfNeeded();
    await screenshot(page, 'server-editor');
    console.assertQuiet();
  });

  step('the log shows the stopped call as what it is', async () => {
    await page.goto(`${server.url}/admin/audit?action=tool_call.ended`);
    const outcomes = await page.locator('td[data-label=Outcome]').allInnerTexts();
    assert.deepEqual(outcomes.map((text) => text.trim()), ['Unknown', 'Done']);
    console.assertQuiet();
  });

  step('the models page has the demo provider, which says what it is', async () => {
    await page.goto(`${server.url}/admin/models`);
    await shellAlive(page);
    assert.match(await page.getByRole('main').innerText(), /Demo[\s\S]*no AI/);
    console.assertQuiet();
  });
});
