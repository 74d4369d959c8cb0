// What the model is told of a chat: summaries, cleared contexts, titles; and what admins set for all chats.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';
import { send, transcriptText, turnOver } from './lib/chat.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

describe('what the model is told of a chat', () => {
  const step = steps();
  let model, server, browser, context, page, console, owner;
  before(async () => {
    model = await startModel();
    model.scriptText({ when: '<conversation-', text: 'The number is 4711.' });
    model.scriptText({ when: 'My number', text: 'I will remember it.' });
    server = await startServer({ allow: [model.host] });
    owner = await makeOwner(server);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
    // Titles by the demo model: the same for the same words.
    const demo = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Demo', type: 'demo' });
    const titles = await rest(server, owner, 'POST', '/api/v2/models', { provider_id: demo.id, model: 'demo', display_name: 'Titles' });
    await rest(server, owner, 'PUT', '/api/experimental/chats/config/title-model', { title_model: titles.id });
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser));
    await logIn(page, server, OWNER);
    await composerAlive(page);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await model?.stop();
  });

  const choose = async (what) => {
    await page.getByRole('button', { name: 'Options for this chat' }).click();
    await page.getByRole('button', { name: what, exact: true }).click();
  };

  step('a title is made while the turn runs, and shown on the open page', async () => {
    await send(page, 'please note this. My number is 4711');
    await page.waitForURL(/\/chats\//);
    await turnOver(page, 1);
    const title = page.locator('h1.chat-title');
    await until('the title to be made', async () => (await title.innerText()) === 'Note this. My number is 4711');
    console.assertQuiet();
  });

  step('a chat is summarised, and the summary can be read', async () => {
    await choose('Compact');
    const dialog = page.getByRole('dialog', { name: 'Summarise this chat?' });
    await dialog.getByRole('button', { name: 'Compact' }).click();
    const line = page.getByTestId('summarised');
    await line.waitFor();
    assert.ok(!(await line.getByText('The number is 4711.').isVisible()), 'it is folded');
    await line.getByText('Summarised here').click();
    await line.getByText('The number is 4711.').waitFor();
    assert.match(await transcriptText(page), /I will remember it\./, 'people still see what was said');
    await page.reload();
    await composerAlive(page);
    await page.getByTestId('summarised').waitFor();
    console.assertQuiet();
  });

  step('the context is cleared', async () => {
    // Cleared twice: the second time there is nothing to clear.
    console.expect(/status of 409/);
    await choose('Clear context');
    const dialog = page.getByRole('dialog', { name: 'Clear the context?' });
    await dialog.getByRole('button', { name: 'Clear context' }).click();
    await page.getByText('Context cleared here').waitFor();
    // Nothing is left to clear: the dialog says so and stays.
    await choose('Clear context');
    await dialog.getByRole('button', { name: 'Clear context' }).click();
    await dialog.getByText('There is nothing to clear').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    const html = await (await context.request.get(page.url())).text();
    assert.ok(html.includes('Context cleared here') && html.includes('Summarised here'), 'the lines are in the page as it is served');
  });

  step('a title of one\'s own is replaced only when asked for', async () => {
    await page.getByRole('button', { name: 'Rename chat' }).click();
    await page.getByLabel('Chat title').fill('Mine');
    await page.keyboard.press('Enter');
    const title = page.locator('h1.chat-title');
    await until('the title to be mine', async () => (await title.innerText()) === 'Mine');
    await choose('Regenerate title');
    await until('another title', async () => (await title.innerText()) === 'Note this. My number is 4711');
    console.assertQuiet();
  });

  step('an admin sets what holds for all chats', async () => {
    console.expect(/status of 400/);
    await page.goto(`${server.url}/admin/chats`);
    await page.getByRole('button', { name: 'Save chat settings' }).waitFor();
    await page.getByLabel('System prompt').fill('Answer briefly.');
    await page.getByLabel('Archive after').fill('4000');
    await page.getByRole('button', { name: 'Save chat settings' }).click();
    await page.getByText('Enter 1 to 3650 days, or 0 for never.').waitFor();
    await page.getByLabel('Archive after').fill('90');
    await page.getByRole('button', { name: 'Save chat settings' }).click();
    await page.getByText('Chat settings are saved').waitFor();
    assert.deepEqual(await rest(server, owner, 'GET', '/api/experimental/chats/config/auto-archive-days'), { auto_archive_days: 90 });
    await page.setViewportSize({ width: 390, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    assert.ok(!wide, 'nothing is wider than a phone');
  });

  step('people set when their own chats are summarised', async () => {
    await page.goto(`${server.url}/account`);
    const field = page.getByLabel('Summarise from');
    await field.fill('60');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('Saved for your chats').waitFor();
    assert.deepEqual(await rest(server, owner, 'GET', '/api/experimental/chats/config/own'), { compaction_threshold: 60 });
  });
});
