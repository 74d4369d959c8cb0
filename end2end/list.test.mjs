// The list of chats follows what other tabs, devices and REST do; a hidden tab holds no stream.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser, watchConsole } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

const CHATS = '/api/experimental/chats';

/** In the page: remembers every EventSource, so that a test can see which are open. */
function rememberStreams() {
  const opened = [];
  const Original = globalThis.EventSource;
  globalThis.EventSource = class extends Original {
    constructor(...args) {
      super(...args);
      opened.push(this);
    }
  };
  globalThis.openStreams = () => opened.filter((source) => source.readyState !== Original.CLOSED).map((source) => new URL(source.url).pathname);
}

/** What a browser does with a tab that is put behind another, and with one that is shown again. */
function setVisibility(state) {
  Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
  Object.defineProperty(document, 'hidden', { value: state === 'hidden', configurable: true });
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
}

describe('the list of chats', () => {
  const step = steps();
  let model, server, browser, context, page, other, consoles, owner;
  before(async () => {
    model = await startModel();
    model.scriptText({ when: 'a long story', text: 'Once upon a time. '.repeat(20), chunkSize: 9, delayMs: 60 });
    model.scriptText({ when: 'a short one', text: 'That was short.' });
    server = await startServer({ allow: [model.host] });
    owner = await makeOwner(server);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
    browser = await startBrowser();
    const opened = await openPage(browser);
    ({ context, page } = opened);
    await context.addInitScript(rememberStreams);
    other = await context.newPage();
    consoles = [opened.console, watchConsole(other)];
    await logIn(page, server, OWNER);
    await composerAlive(page);
    await other.goto(server.url);
    await composerAlive(other);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await model?.stop();
  });

  const list = (where) => where.getByRole('navigation', { name: 'Recent chats' });
  const row = (where, title) => list(where).getByRole('listitem').filter({ hasText: title });
  const streams = (where) => where.evaluate(() => globalThis.openStreams());
  const quiet = () => consoles.forEach((console) => console.assertQuiet());

  step('shows a chat that another tab began, and that it runs, until it does not', async () => {
    await send(page, 'Tell me a long story');
    await page.waitForURL(/\/chats\//);
    await row(other, 'Tell me a long story').getByText('Running').waitFor();
    await turnOver(page, 1);
    await until('the mark to go', async () => (await row(other, 'Tell me a long story').getByText('Running').count()) === 0);
    quiet();
  });

  step('follows what REST does: a new chat, its title, its end', async () => {
    const made = await rest(server, owner, 'POST', CHATS, { content: [{ type: 'text', text: 'Now a short one' }] });
    for (const where of [page, other]) await row(where, 'Now a short one').waitFor();
    await rest(server, owner, 'PATCH', `${CHATS}/${made.id}`, { title: 'Renamed elsewhere' });
    for (const where of [page, other]) await row(where, 'Renamed elsewhere').waitFor();
    await rest(server, owner, 'DELETE', `${CHATS}/${made.id}`);
    for (const where of [page, other]) {
      await until('it to be gone', async () => (await row(where, 'Renamed elsewhere').count()) === 0);
    }
    quiet();
  });

  step('leaves an open menu alone while something happens elsewhere', async () => {
    await row(other, 'Tell me a long story').getByRole('button', { name: 'Options for Tell me a long story' }).click();
    const rename = other.getByRole('button', { name: 'Rename', exact: true });
    await rename.waitFor();
    const made = await rest(server, owner, 'POST', CHATS, { content: [{ type: 'text', text: 'Now a short one' }] });
    await row(page, 'Now a short one').waitFor();
    assert.ok(await rename.isVisible(), 'the menu is still there');
    await other.keyboard.press('Escape');
    await row(other, 'Now a short one').waitFor();
    await rest(server, owner, 'DELETE', `${CHATS}/${made.id}`);
    quiet();
  });

  step('a hidden tab holds no stream, and has caught up when it is shown', async () => {
    await other.goto(page.url());
    await composerAlive(other);
    await until('both streams', async () => (await streams(other)).length === 2);
    await other.evaluate(setVisibility, 'hidden');
    assert.deepEqual(await streams(other), []);
    const made = await rest(server, owner, 'POST', CHATS, { content: [{ type: 'text', text: 'Now a short one' }] });
    await row(page, 'Now a short one').waitFor();
    await other.evaluate(setVisibility, 'visible');
    await row(other, 'Now a short one').waitFor();
    await until('both streams again', async () => (await streams(other)).length === 2);
    assert.ok((await streams(other)).includes(`${CHATS}/watch`));
    await rest(server, owner, 'DELETE', `${CHATS}/${made.id}`);
    quiet();
  });
});
