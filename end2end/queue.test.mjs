// Messages that wait while a turn runs: seen by every page of the chat, taken back, made the next; and the list, in which chats are
// pinned and put away.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser, watchConsole } from './lib/browser.mjs';
import { send, transcriptText, turnOver } from './lib/chat.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

describe('messages that wait', () => {
  const step = steps();
  let model, server, browser, context, page, other, consoles, owner;
  before(async () => {
    model = await startModel();
    // About twelve seconds; nothing waits for its end.
    model.scriptText({ when: 'a long story', text: 'Once upon a time. '.repeat(60), chunkSize: 9, delayMs: 100 });
    model.scriptText({ when: 'a short one', text: 'That was short.' });
    model.scriptText({ when: 'the end', text: 'All is well that ends well.' });
    server = await startServer({ allow: [model.host] });
    owner = await makeOwner(server);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
    browser = await startBrowser();
    const opened = await openPage(browser);
    ({ context, page } = opened);
    other = await context.newPage();
    consoles = [opened.console, watchConsole(other)];
    await logIn(page, server, OWNER);
    await composerAlive(page);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await model?.stop();
  });

  const waiting = (where) => where.getByTestId('queued');
  const texts = (where) => waiting(where).locator('.chat-queue-text').allInnerTexts();
  const shows = (where, expected) =>
    until(`${JSON.stringify(expected)} to wait`, async () => JSON.stringify(await texts(where)) === JSON.stringify(expected));
  const quiet = () => consoles.forEach((console) => console.assertQuiet());

  step('are sent while a turn runs, and shown on every page of the chat', async () => {
    await send(page, 'Tell me a long story');
    await page.waitForURL(/\/chats\//);
    await page.locator('article.chat[data-status=running]').waitFor();
    await composerAlive(page);
    await other.goto(page.url());
    await composerAlive(other);
    for (const text of ['Now a short one', 'Forget this', 'And the end']) {
      await send(page, text);
      await until('the field to be free again', async () => (await page.getByLabel('Message', { exact: true }).inputValue()) === '');
    }
    for (const where of [page, other]) await shows(where, ['Now a short one', 'Forget this', 'And the end']);
    assert.match(await page.getByTestId('queue').innerText(), /3 messages wait/);
    quiet();
  });

  step('are there after a reload, also without JavaScript', async () => {
    await other.reload();
    await composerAlive(other);
    await shows(other, ['Now a short one', 'Forget this', 'And the end']);
    const html = await (await context.request.get(page.url())).text();
    assert.ok(html.includes('Forget this') && html.includes('3 messages wait'), 'they are in the page as it is served');
  });

  step('are taken back', async () => {
    await waiting(other).filter({ hasText: 'Forget this' }).getByRole('button', { name: 'Remove: Forget this' }).click();
    for (const where of [page, other]) await shows(where, ['Now a short one', 'And the end']);
  });

  step('are sent now: the turn that runs stops, and the others follow', async () => {
    await waiting(page).filter({ hasText: 'And the end' }).getByRole('button', { name: 'Send now: And the end' }).click();
    for (const where of [page, other]) {
      await shows(where, []);
      await turnOver(where, 3);
      const text = await transcriptText(where);
      const order = ['a long story', 'And the end', 'All is well', 'Now a short one', 'That was short.'].map((words) => text.indexOf(words));
      assert.ok(order.every((at, index) => at >= 0 && (index === 0 || at > order[index - 1])), `${order} in ${text}`);
      assert.ok(!text.includes('Forget this'));
    }
    quiet();
  });

  step('a chat is pinned, put away and taken back in the list', async () => {
    await page.goto(server.url);
    await composerAlive(page);
    await send(page, 'Say the end of it');
    await page.waitForURL(/\/chats\//);
    await turnOver(page, 1);
    const list = page.getByRole('navigation', { name: 'Recent chats' });
    const row = (title) => list.getByRole('listitem').filter({ hasText: title });
    const choose = async (title, what) => {
      await row(title).getByRole('button', { name: `Options for ${title}` }).click();
      await page.getByRole('button', { name: what, exact: true }).click();
    };
    await choose('Tell me a long story', 'Pin');
    await list.getByRole('heading', { name: 'Pinned' }).waitFor();
    await until('the pinned chat to be first', async () => (await list.locator('.chat-list-title').first().innerText()) === 'Tell me a long story');
    await choose('Say the end of it', 'Archive');
    await page.waitForURL(server.url + '/');
    await until('it to be gone from the list', async () => (await row('Say the end of it').count()) === 0);
    await list.getByRole('button', { name: 'Archived chats' }).click();
    await row('Say the end of it').getByRole('link').click();
    await page.getByTestId('archived').waitFor();
    assert.equal(await page.getByLabel('Message', { exact: true }).isVisible(), false);
    await page.getByRole('button', { name: 'Restore', exact: true }).click();
    await page.getByLabel('Message', { exact: true }).waitFor();
    await list.getByRole('button', { name: 'Back to chats' }).click();
    await row('Say the end of it').waitFor();
    quiet();
  });
});
