// A provider of Anthropic: an owner adds it through the form, and a chat thinks, runs a tool and answers through its API.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { alive } from './lib/alive.mjs';
import { openPage, startBrowser } from './lib/browser.mjs';
import { growingLabels, seenCalls, send, turnOver, watchCalls } from './lib/chat.mjs';
import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';
import { OWNER, composerAlive, logIn, makeOwner, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';

const MODEL = 'claude-sonnet-4-5';
const LABEL = 'Repeating the greeting that was asked for';
const ARGUMENTS = { message: 'hello there' };
const KEY = 'sk-ant-test-key';

describe('a provider of Anthropic', () => {
  const step = steps();
  let peer, model, server, browser, context, page, console, owner;
  before(async () => {
    [peer, model] = await Promise.all([startEverything(), startModel()]);
    model.scriptToolCall({
      when: 'greet me',
      tool: 'echo',
      arguments: { model_intent: LABEL, properties: ARGUMENTS },
      text: 'It said **hello there**.',
      thinking: 'The echo tool repeats what it is given.',
      chunkSize: 4,
    });
    model.scriptText({ when: 'keep this', text: 'Kept and answered.' });
    server = await startServer({ allow: [peer.host, model.host] });
    owner = await makeOwner(server);
    await rest(server, owner, 'POST', '/api/experimental/mcp/servers', {
      display_name: 'Everything', slug: 'everything', url: peer.url, transport: 'streamable_http', auth_type: 'none',
      availability: 'force_on', enabled: true, model_intent: true,
    });
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser));
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await Promise.all([peer?.stop(), model?.stop()]);
  });

  step('an owner adds it through the form, which says where its API lies', async () => {
    await logIn(page, server, OWNER, '/admin/models');
    const add = page.getByRole('button', { name: 'New provider' }).first();
    await alive(add, 'click');
    await add.click();
    const provider = page.getByRole('dialog', { name: 'New provider' });
    await provider.getByLabel('Type').selectOption('anthropic');
    const address = provider.getByLabel('Base URL');
    await provider.getByText('Where /messages lies.').waitFor();
    assert.equal(await address.getAttribute('placeholder'), 'https://api.anthropic.com/v1');
    await provider.getByLabel('Name').fill('Claude');
    await address.fill(model.baseUrl);
    await provider.getByLabel('API key').fill(KEY);
    await provider.getByRole('button', { name: 'Save provider' }).click();
    await provider.waitFor({ state: 'hidden' });
    assert.match(await page.getByRole('row', { name: /Claude/ }).first().innerText(), /Anthropic/);
    await page.getByRole('button', { name: 'New model' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'New model' });
    await dialog.getByLabel('Model', { exact: true }).fill(MODEL);
    await dialog.getByLabel('Display name').fill('Scripted Claude');
    await dialog.getByRole('checkbox', { name: /^Default model/ }).check();
    await dialog.getByRole('button', { name: 'Save model' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('row', { name: /Scripted Claude/ }).waitFor();
    assert.ok(!(await page.content()).includes(KEY), 'the key never comes back');
    const [made] = await rest(server, owner, 'GET', '/api/v2/providers');
    assert.deepEqual([made.type, made.base_url, made.has_api_key], ['anthropic', model.baseUrl, true]);
    console.assertQuiet();
  });

  step('a chat thinks, runs the tool while its label grows, and answers', async () => {
    await page.goto(server.url);
    await composerAlive(page);
    await watchCalls(page);
    await send(page, 'Please greet me');
    await page.waitForURL(/\/chats\/[0-9a-f-]{36}$/);
    await turnOver(page);
    const seen = await seenCalls(page);
    assert.ok(growingLabels(seen, LABEL).length >= 2, `different beginnings of the label: ${JSON.stringify(seen)}`);
    assert.equal(seen.at(-1).label, LABEL);
    assert.equal(seen.at(-1).state, 'done');
    assert.match(await page.getByTestId('reasoning').first().textContent(), /repeats what it is given/);
    assert.equal(await page.getByTestId('answer').last().locator('strong').innerText(), 'hello there');
    const [call, ...others] = peer.toolCalls();
    assert.deepEqual(others, [], 'called once');
    assert.deepEqual([call.name, call.arguments], ['echo', ARGUMENTS]);
    console.assertQuiet();
  });

  step('the API was asked in its own words', async () => {
    const [first, second, ...others] = model.exchanges();
    assert.deepEqual(others, []);
    for (const { path, headers, body } of [first, second]) {
      assert.equal(path, '/v1/messages');
      assert.equal(headers['anthropic-version'], '2023-06-01');
      assert.ok(headers['x-api-key'], 'the key is in its header');
      assert.equal(headers.authorization, undefined);
      assert.equal(body.model, MODEL);
      assert.ok(body.max_tokens > 0);
    }
    // The library writes bodies down in the other dialect, so what it read is seen, not how it was written.
    const roles = second.body.messages.map((message) => message.role).filter((role) => role !== 'system');
    assert.deepEqual(roles, ['user', 'assistant', 'tool']);
    const [, asked, result] = second.body.messages.filter((message) => message.role !== 'system');
    assert.equal(result.tool_call_id, asked.tool_calls[0].id);
    assert.match(result.content, /hello there/);
  });

  step('a refused key is explained, and Retry runs the message again', async () => {
    await page.goto(server.url);
    await composerAlive(page);
    model.failNext(401, 'invalid x-api-key');
    await send(page, 'Please keep this message');
    const failure = page.getByTestId('turn-error');
    await failure.waitFor();
    assert.equal(await failure.getAttribute('data-code'), 'model_auth');
    assert.ok(!(await failure.innerText()).includes('x-api-key'), 'not in the words of the provider');
    const retry = failure.getByRole('button', { name: 'Retry' });
    await alive(retry, 'click');
    await retry.click();
    await turnOver(page);
    assert.equal(await page.getByTestId('answer').innerText(), 'Kept and answered.');
    console.assertQuiet();
  });

  step('an overloaded provider is asked again by itself', async () => {
    await page.goto(server.url);
    await composerAlive(page);
    model.failNext(529, 'Overloaded');
    await send(page, 'Please keep this message too');
    await turnOver(page);
    assert.equal(await page.getByTestId('answer').innerText(), 'Kept and answered.');
    assert.deepEqual(model.exchanges().slice(-2).map(({ path }) => path), ['/v1/messages', '/v1/messages']);
    console.assertQuiet();
  });
});
