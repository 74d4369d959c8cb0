// The field above the list of chats.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

describe('search', () => {
  const step = steps();
  let model, server, browser, context, page, console;
  before(async () => {
    model = await startModel();
    model.scriptText({ when: 'wombats', text: 'They dig <b>burrows</b>.' });
    server = await startServer({ allow: [model.host] });
    const owner = await makeOwner(server);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser));
    await logIn(page, server, OWNER);
    await composerAlive(page);
    await send(page, 'What do wombats do?');
    await page.waitForURL(/\/chats\//);
    await turnOver(page, 1);
    await page.goto(server.url);
    await composerAlive(page);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await model?.stop();
  });

  const field = () => page.getByRole('searchbox', { name: 'Search chats' });
  const results = () => page.getByTestId('search-results');

  step('chats are found by what was said', async () => {
    await field().fill('BURR');
    await results().getByText('They dig').waitFor();
    assert.equal(await results().locator('mark').innerText(), 'burrows');
    assert.ok((await results().innerText()).includes('<b>'), 'what was written is text');
    await results().getByRole('link').first().click();
    await page.waitForURL(/\/chats\//);
    console.assertQuiet();
  });

  step('nothing found and nothing to look for are told, and Escape gives the list back', async () => {
    await field().fill('quokka');
    await results().getByText('Nothing found in your chats.').waitFor();
    await field().fill('***');
    await results().getByText('Type a word to look for.').waitFor();
    await field().press('Escape');
    await until('the list to be back', async () => page.getByRole('navigation', { name: 'Recent chats' }).isVisible());
    assert.equal(await field().inputValue(), '');
  });
});
