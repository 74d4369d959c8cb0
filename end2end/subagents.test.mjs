// Subagents: a chat that the model starts for a part of the work, watched, stopped, and gone with its chat.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

describe('a subagent', () => {
  const step = steps();
  let model, server, browser, context, page, console, owner;
  before(async () => {
    model = await startModel();
    // The subagent talks for a minute or so; the test stops it.
    model.scriptText({ when: 'count the drawers', text: 'One drawer, and another. '.repeat(60), chunkSize: 9, delayMs: 100 });
    model.scriptToolCall({ when: 'look for the key', tool: 'spawn_agent', arguments: { type: 'explore', task: 'Please count the drawers' }, text: 'It is at work.' });
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

  const children = () => page.getByTestId('list-child');

  step('is shown below its chat, and the call leads to it and back', async () => {
    await send(page, 'Please look for the key');
    await page.waitForURL(/\/chats\//);
    const parent = page.url();
    await turnOver(page, 1);
    await children().filter({ hasText: 'Please count the drawers' }).getByText('Running').waitFor();
    await page.getByTestId('agent-link').click();
    await page.waitForURL((url) => url.href !== parent && /\/chats\//.test(url.pathname));
    await page.getByTestId('subagent-of').waitFor();
    assert.match(await page.getByTestId('subagent-of').innerText(), /Research subagent of\s+Please look for the key/);
    assert.equal(await page.getByLabel('Message', { exact: true }).isVisible(), false, 'only its chat writes to it');
    await page.getByText('One drawer').first().waitFor();
    await page.getByTestId('subagent-of').getByRole('link').click();
    await page.waitForURL(parent);
    await composerAlive(page);
    console.assertQuiet();
  });

  step('is stopped on its own page', async () => {
    await children().getByRole('link').click();
    await page.getByTestId('subagent-foot').getByRole('button', { name: 'Stop' }).click();
    await page.locator('article.chat[data-status=waiting]').waitFor();
    await until('the mark to go', async () => (await children().getByText('Running').count()) === 0);
    console.assertQuiet();
  });

  step('goes with its chat', async () => {
    const { 0: tree } = await rest(server, owner, 'GET', '/api/experimental/chats');
    await rest(server, owner, 'DELETE', `/api/experimental/chats/${tree.id}`);
    const answer = await server.fetch(`/api/experimental/chats/${tree.children[0].id}`, { headers: { authorization: `Bearer ${owner}` } });
    assert.equal(answer.status, 404);
    await until('both to be gone from the list', async () => (await children().count()) === 0);
  });
});
