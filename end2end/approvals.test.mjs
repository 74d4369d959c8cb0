// A call that waits for its owner: shown exactly, approved or denied, on every page of the chat; and a tool of the chat's client.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser, watchConsole } from './lib/browser.mjs';
import { send, transcriptText, turnOver } from './lib/chat.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startSample } from './lib/sample.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';

describe('calls that wait for a person', () => {
  const step = steps();
  let model, sample, server, browser, context, page, other, consoles, owner;
  before(async () => {
    model = await startModel();
    sample = await startSample();
    const ticket = (title) => ({ title, body: 'It\u200b fails.', priority: 'low' });
    model.scriptToolCall({ when: 'File the first', tool: 'create_ticket', arguments: ticket('First'), text: 'The first is filed.' });
    model.scriptToolCall({ when: 'File the second', tool: 'create_ticket', arguments: ticket('Second'), text: 'The second is not filed.' });
    model.scriptToolCall({ when: 'Open the file', tool: 'open_file', arguments: { path: '/tmp/a' }, text: 'It says hello.' });
    server = await startServer({ allow: [model.host, sample.host] });
    owner = await makeOwner(server);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
    await rest(server, owner, 'POST', '/api/experimental/mcp/servers', {
      display_name: 'Tickets', slug: 'tickets', url: sample.url, transport: 'streamable_http', auth_type: 'none',
      enabled: true, availability: 'default_on', tool_approval_list: ['create_*'],
    });
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
    await sample?.stop();
    await model?.stop();
  });

  const card = (where) => where.getByTestId('approval');
  const quiet = () => consoles.forEach((console) => console.assertQuiet());

  step('are shown with true name, server and exact arguments, on every page', async () => {
    await send(page, 'File the first');
    await page.waitForURL(/\/chats\//);
    await card(page).waitFor();
    await composerAlive(page);
    await other.goto(page.url());
    for (const where of [page, other]) {
      await card(where).waitFor();
      const text = await card(where).innerText();
      for (const part of ['create_ticket', 'Tickets', 'First', 'It⟨U+200B⟩ fails.']) assert.ok(text.includes(part), `${part} in ${text}`);
      await where.getByTestId('action-time').filter({ hasText: 'left' }).waitFor();
    }
    quiet();
  });

  step('go out once when they are approved, by the keyboard too', async () => {
    await card(page).getByRole('button', { name: 'Approve create_ticket on Tickets' }).focus();
    await page.keyboard.press('Enter');
    for (const where of [page, other]) {
      await turnOver(where, 1);
      assert.equal(await card(where).count(), 0);
      assert.match(await transcriptText(where), /The first is filed\./);
      assert.equal(await where.getByTestId('tool-call').getAttribute('data-state'), 'done');
    }
    quiet();
  });

  step('are not sent when they are denied', async () => {
    await send(page, 'File the second');
    await card(other).getByRole('button', { name: 'Deny create_ticket on Tickets' }).click();
    for (const where of [page, other]) {
      await turnOver(where, 2);
      assert.match(await transcriptText(where), /You denied this call\./);
    }
    quiet();
  });

  step('fit a phone and the dark', async () => {
    await send(page, 'File the first');
    await card(page).waitFor();
    await page.setViewportSize({ width: 390, height: 800 });
    await page.emulateMedia({ colorScheme: 'dark' });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    assert.equal(wide, false, 'nothing is wider than the phone');
    await page.keyboard.press('Escape');
    await turnOver(page, 2);
    await page.setViewportSize({ width: 1280, height: 800 });
    quiet();
  });

  step('a tool of the client is answered by hand', async () => {
    const tools = [{ name: 'open_file', description: 'Opens a file', input_schema: { type: 'object', properties: { path: { type: 'string' } } } }];
    const chat = await rest(server, owner, 'POST', '/api/experimental/chats', {
      content: [{ type: 'text', text: 'Open the file' }], unsafe_dynamic_tools: tools, mcp_server_ids: [],
    });
    await page.goto(new URL(`/chats/${chat.id}`, page.url()).href);
    const form = page.getByTestId('client-tool');
    await form.waitFor();
    await composerAlive(page);
    assert.match(await form.innerText(), /\/tmp\/a/);
    await form.getByLabel('Result').fill('hello');
    await form.getByRole('button', { name: 'Give result' }).click();
    await turnOver(page, 1);
    assert.match(await transcriptText(page), /It says hello\./);
    quiet();
  });
});
