// Files beside a message: chosen, taken out, sent, shown with a way to save them, and kept when the message is changed.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

// One pixel.
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');

describe('files of a chat', () => {
  const step = steps();
  let model, server, browser, context, page, console, owner;
  before(async () => {
    model = await startModel();
    model.scriptText({ when: 'Read this', text: 'I have read it.' });
    model.scriptText({ when: 'Read it again', text: 'I have read it again.' });
    server = await startServer({ allow: [model.host] });
    owner = await makeOwner(server);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
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

  const attached = () => page.getByTestId('attached').locator('li');

  step('are chosen, and taken out again', async () => {
    await page.getByLabel('Files', { exact: true }).setInputFiles([
      { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('forty-two') },
      { name: 'dot.png', mimeType: 'image/png', buffer: PNG },
      { name: 'wrong.txt', mimeType: 'text/plain', buffer: Buffer.from('no') },
    ]);
    await until('three chips', async () => (await attached().count()) === 3);
    await page.getByRole('button', { name: 'Remove wrong.txt' }).click();
    await until('two chips', async () => (await attached().count()) === 2);
    await until('all to be stored', async () => (await page.getByText('being stored').count()) === 0);
  });

  step('go along with the message, and are there to be saved', async () => {
    await send(page, 'Read this');
    await page.waitForURL(/\/chats\//);
    await turnOver(page);
    const files = page.getByTestId('message-file');
    assert.equal(await files.count(), 2);
    await until('the picture', () => files.locator('img').evaluate((img) => img.complete && img.naturalWidth === 1));
    const [download] = await Promise.all([page.waitForEvent('download'), files.getByRole('link', { name: 'notes.txt' }).click()]);
    assert.equal(download.suggestedFilename(), 'notes.txt');
    console.assertQuiet();
  });

  step('stay with a message that is changed', async () => {
    await page.getByRole('button', { name: 'Edit message' }).click();
    await page.getByLabel('Message to edit').fill('Read it again');
    await page.getByRole('button', { name: 'Send again' }).click();
    await until('the new answer', async () => (await page.getByTestId('answer').innerText()).includes('again'));
    assert.equal(await page.getByTestId('message-file').count(), 2);
  });

  step('do not stick out on a telephone', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    assert.ok(!wide);
  });
});
