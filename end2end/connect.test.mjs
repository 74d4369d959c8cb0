// Connecting over OAuth, end to end: an admin gives a URL, people sign in at a real authorization server, and what is shown of a
// connection follows the truth.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { alive, shellAlive } from './lib/alive.mjs';
import { openPage, startBrowser } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { connect, connectLink, isSameDocument, markDocument, pickerRow } from './lib/connect.mjs';
import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';
import { OWNER, composerAlive, logIn, makeOwner, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';
import { startOauthProvider, startProtectedMcp } from './oauth/peers.mjs';

const MEMBER = { email: 'mina@example.org', username: 'mina', name: 'Mina Member', password: 'another long password' };
const SERVERS = '/api/experimental/mcp/servers';
const NAME = 'Protected';

let provider, resource, everything, model, server, browser, owner;
before(async () => {
  [provider, everything, model] = await Promise.all([startOauthProvider(), startEverything(), startModel()]);
  resource = await startProtectedMcp(provider, { toolScopes: 'create_ticket=tickets:write' });
  model.scriptToolCall({ when: 'Search the docs', tool: 'search_docs', arguments: (tool) => withIntent(tool, { query: 'servers' }), text: 'It was searched.' });
  model.scriptToolCall({ when: 'File a ticket', tool: 'create_ticket', arguments: (tool) => withIntent(tool, { title: 'Paint', body: 'It peels.' }), text: 'That was the ticket.' });
  model.scriptToolCall({ when: 'Echo something', tool: 'echo', arguments: { message: 'something' }, text: 'It was echoed.' });
  server = await startServer({ allow: [provider.host, resource.host, everything.host, model.host] });
  owner = await makeOwner(server);
  await rest(server, owner, 'POST', '/api/v2/users', MEMBER);
  const llm = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
  await rest(server, owner, 'POST', '/api/v2/models', { provider_id: llm.id, model: 'scripted', display_name: 'Scripted', is_default: true });
  await rest(server, owner, 'POST', SERVERS, {
    display_name: 'Everything', slug: 'everything', url: everything.url, transport: 'streamable_http', auth_type: 'none', availability: 'default_on', enabled: true,
  });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all([resource?.stop(), provider?.stop(), everything?.stop(), model?.stop()]);
});

/** Arguments as the model sends them: with an intent where the tool as offered wants one. */
function withIntent(tool, properties) {
  return tool.parameters.properties.model_intent ? { model_intent: 'Doing what was asked', properties } : properties;
}

const needs = (page) => page.getByTestId('needs-you').filter({ hasText: NAME });
const ownRow = (page) => page.getByTestId('own-connection').filter({ hasText: NAME });
const lastCall = (page) => page.getByTestId('tool-call').last();

/** Asks in the open chat and waits until the turn is over; `answers` counts from the chat's beginning. */
async function ask(page, text, answers) {
  await composerAlive(page);
  await send(page, text);
  await page.waitForURL(/\/chats\//);
  await turnOver(page, answers);
}

describe('a connection from the URL to its end', () => {
  const step = steps();
  let context, page, console, account;
  before(async () => {
    ({ context, page, console } = await openPage(browser));
  });
  after(() => context?.close());

  step('an admin gives a URL and saves; provider and client are found', async () => {
    const admin = await openPage(browser);
    await logIn(admin.page, server, OWNER, '/admin/servers/new');
    await alive(admin.page.locator('form.editor'), 'submit');
    await admin.page.getByLabel('Display name').fill(NAME);
    await admin.page.getByLabel('URL', { exact: true }).fill(resource.url);
    await admin.page.getByLabel('Authentication').selectOption({ label: 'OAuth 2' });
    assert.ok(await admin.page.getByRole('radio', { name: /^Find everything automatically/ }).isChecked());
    await admin.page.getByLabel('Availability').selectOption({ label: 'On by default' });
    await admin.page.getByRole('switch', { name: 'Enabled' }).check({ force: true });
    await admin.page.getByRole('button', { name: 'Save server' }).click();
    await admin.page.getByText(`${NAME} is saved`).waitFor();
    const facts = admin.page.getByTestId('oauth-facts');
    const text = await facts.innerText();
    assert.match(text, new RegExp(`Issuer\\s+${provider.issuer}`));
    assert.match(text, /Registered automatically/);
    assert.match(text, new RegExp(`Token audience\\s+${resource.url}`));
    assert.match(text, /Scopes\s+mcp:tools/);
    const { events } = await provider.control();
    assert.deepEqual(events.map(({ event }) => event), ['registration_create.success']);
    admin.console.assertQuiet();
    await admin.context.close();
  });

  step('before anything is sent the chat says who is missing', async () => {
    await logIn(page, server, MEMBER);
    await composerAlive(page);
    assert.match(await needs(page).innerText(), /Protected is not connected yet; the chat goes on without its tools/);
    console.assertQuiet();
  });

  step('connecting in a window, from the picker, shows without a reload', async () => {
    await markDocument(page);
    const row = await pickerRow(page, NAME);
    await row.getByText('Needs your account.').waitFor();
    const asked = await connect(connectLink(row), 'mina');
    await row.getByText('Connected', { exact: true }).waitFor();
    assert.deepEqual(asked, ['mcp:tools', 'offline_access']);
    assert.equal(await needs(page).count(), 0);
    assert.ok(await isSameDocument(page));
    await page.keyboard.press('Escape');
    console.assertQuiet();
  });

  step('a chat runs a tool with that account', async () => {
    await ask(page, 'Search the docs', 1);
    assert.equal(await lastCall(page).getAttribute('data-state'), 'done');
    const call = resource.judged().find(({ event, tool }) => event === 'admitted' && tool === 'search_docs');
    assert.equal(call.sub, 'mina');
    console.assertQuiet();
  });

  step('an expired token is renewed once, and nobody notices', async () => {
    await provider.control({ expire_access_tokens: true });
    await ask(page, 'Search the docs once more', 2);
    assert.equal(await lastCall(page).getAttribute('data-state'), 'done');
    assert.equal((await provider.tokenRequests('refresh_token')).length, 1);
    console.assertQuiet();
  });

  step('disconnected elsewhere, it is given back at the provider and named in the open chat', async () => {
    await markDocument(page);
    account = await context.newPage();
    await account.goto(`${server.url}/account`);
    await shellAlive(account);
    const row = ownRow(account);
    const menu = row.getByLabel(`Connected to ${NAME}: show what can be done`);
    await menu.click();
    await row.getByRole('button', { name: `Disconnect ${NAME}` }).click();
    await account.getByRole('dialog', { name: NAME }).getByRole('button', { name: 'Disconnect' }).click();
    await account.getByText('Disconnected; revoked at the provider').waitFor();
    await row.getByText('Needs your account.').waitFor();
    const { events, grants } = await provider.control();
    assert.equal(grants, 0);
    assert.equal(events.filter(({ event }) => event === 'grant.revoked').length, 1);
    await needs(page).getByText('is not connected yet; the chat goes on without its tools').waitFor();
    assert.ok(await isSameDocument(page), 'without a reload');
  });

  step('the next chat says so before anything is sent, and runs with the others', async () => {
    await page.goto(server.url);
    await composerAlive(page);
    await needs(page).getByText('is not connected yet; the chat goes on without its tools').waitFor();
    await ask(page, 'Echo something', 1);
    assert.equal(await lastCall(page).getAttribute('data-state'), 'done');
    await page.getByTestId('server-trouble').getByText('Protected is not connected yet; continuing without it.').waitFor();
    const offered = model.requests().at(-1).tools.map((tool) => tool.function.name);
    assert.ok(offered.some((name) => name.endsWith('echo')), offered.join(', '));
    assert.ok(!offered.some((name) => name.endsWith('search_docs')), offered.join(', '));
    console.assertQuiet();
  });

  step('connected from the line above the text, in one tab, it is connected in the other', async () => {
    await markDocument(account);
    await connect(connectLink(needs(page)), 'mina');
    await until('the line goes', async () => (await needs(page).count()) === 0);
    await ownRow(account).getByText('Connected', { exact: true }).waitFor();
    assert.ok(await isSameDocument(account));
    await ask(page, 'Search the docs now', 2);
    assert.equal(await lastCall(page).getAttribute('data-state'), 'done');
    console.assertQuiet();
  });

  step('a grant that ended at the provider shows at the call, on the account page and in the picker', async (test) => {
    await provider.control({ revoke_grants: true });
    await ask(page, 'Search the docs again', 3);
    const learned = performance.now();
    assert.equal(await lastCall(page).getAttribute('data-state'), 'needs-connection');
    await lastCall(page).getByTestId('call-ask').getByText('The provider ended your sign-in.').waitFor();
    assert.equal(await needs(page).count(), 0, 'the call asks already');
    await ownRow(account).getByText('The provider ended your sign-in.').waitFor();
    // The page asks every 4 s; how loaded this machine is decides the rest.
    test.diagnostic(`on the account page ${Math.round(performance.now() - learned)} ms after the turn`);
    assert.equal(await connectLink(ownRow(account)).innerText(), 'Reconnect');
    assert.ok(await isSameDocument(account), 'without a reload');
    const picked = await pickerRow(page, NAME);
    assert.equal(await connectLink(picked).innerText(), 'Reconnect');
    await picked.getByText('The provider ended your sign-in.').waitFor();
    await page.keyboard.press('Escape');
    console.assertQuiet();
  });

  step('reconnected on the account page, the chat goes on', async () => {
    await connect(connectLink(ownRow(account)), 'mina');
    await ownRow(account).getByText('Connected', { exact: true }).waitFor();
    await until('the chat heard of it', async () => (await needs(page).count()) === 0);
    await until('the call asks for nothing any more', async () => (await lastCall(page).getByTestId('call-ask').count()) === 0);
    await ask(page, 'Search the docs at last', 4);
    assert.equal(await lastCall(page).getAttribute('data-state'), 'done');
    console.assertQuiet();
  });
});
