// The picker of servers in a chat: when it is there, what it counts, what is locked, what it explains, and what an old chat says of
// a server that is gone.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

const MEMBER = { email: 'mina@example.org', username: 'mina', name: 'Mina Member', password: 'another long password' };
const SERVERS = '/api/experimental/mcp/servers';

describe('the picker', () => {
  const step = steps();
  let peer, model, server, browser, context, page, console, owner;
  before(async () => {
    [peer, model] = await Promise.all([startEverything(), startModel()]);
    server = await startServer({ allow: [peer.host, model.host] });
    owner = await makeOwner(server);
    await rest(server, owner, 'POST', '/api/v2/users', MEMBER);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser));
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await Promise.all([peer?.stop(), model?.stop()]);
  });

  const register = (display_name, availability) =>
    rest(server, owner, 'POST', SERVERS, {
      display_name, slug: display_name.toLowerCase(), availability, url: peer.url, transport: 'streamable_http', auth_type: 'none', enabled: true,
    });
  const button = () => page.getByRole('button', { name: 'Servers' });
  const count = () => button().locator('.chat-count').innerText();
  async function open() {
    await button().click();
    const picker = page.getByRole('dialog', { name: 'Servers' });
    await picker.waitFor();
    return picker;
  }

  step('is not there while there is no server', async () => {
    await logIn(page, server, MEMBER);
    await composerAlive(page);
    assert.equal(await button().count(), 0);
    console.assertQuiet();
  });

  let limited;
  step('counts what takes part, locks what an admin forced, and switches the rest', async () => {
    await register('Forced', 'force_on');
    await register('Usual', 'default_on');
    limited = await register('Whimsical', 'default_off');
    await page.reload();
    await composerAlive(page);
    assert.equal(await count(), '2', 'the forced one and the one that is on by default');
    const picker = await open();
    const row = (name) => picker.getByRole('listitem').filter({ hasText: name });
    const forced = row('Forced').getByRole('switch');
    assert.deepEqual([await forced.isChecked(), await forced.isDisabled()], [true, true]);
    assert.match(await row('Forced').innerText(), /Always on: an admin set this server for every chat/);
    await forced.click({ force: true });
    assert.equal(await forced.isChecked(), true);
    await row('Whimsical').getByRole('switch').check({ force: true });
    assert.equal(await count(), '3');
    await row('Usual').getByRole('switch').uncheck({ force: true });
    assert.equal(await count(), '2');
    await page.keyboard.press('Escape');
    await page.reload();
    await composerAlive(page);
    await until('the choice is remembered', async () => (await count()) === '2');
    const again = await open();
    assert.equal(await again.getByRole('listitem').filter({ hasText: 'Whimsical' }).getByRole('switch').isChecked(), true);
    console.assertQuiet();
  });

  step('has the margin of the house on a phone', async () => {
    const picker = page.getByRole('dialog', { name: 'Servers' });
    await page.setViewportSize({ width: 390, height: 844 });
    const { x, width } = await picker.boundingBox();
    assert.deepEqual([Math.round(x), Math.round(x + width)], [16, 390 - 16]);
    await page.setViewportSize({ width: 1280, height: 860 });
  });

  step('explains to people what holds for them', async () => {
    const row = page.getByRole('dialog', { name: 'Servers' }).getByRole('listitem').filter({ hasText: 'Usual' });
    await row.getByRole('button', { name: 'Why can Usual be used, or not?' }).click();
    const explanation = row.getByTestId('explanation');
    await explanation.waitFor();
    const text = await explanation.innerText();
    assert.match(text, /The next turn uses this server\.[\s\S]*Your account is active[\s\S]*a turn of yours uses the server/);
    assert.ok(!text.includes('this user'), text);
    assert.ok((await explanation.locator('.step.tone-ok').count()) >= 3, 'ticks');
    await page.keyboard.press('Escape');
    console.assertQuiet();
  });

  step('an old chat says that a server it used is gone, and not which', async () => {
    model.scriptText({ when: 'use what I chose', text: 'Done.' });
    await send(page, 'Please use what I chose');
    await page.waitForURL(/\/chats\//);
    await turnOver(page);
    assert.equal(await page.getByTestId('lost-servers').count(), 0);
    const group = await rest(server, owner, 'POST', '/api/v2/groups', { name: 'others' });
    await rest(server, owner, 'PATCH', `${SERVERS}/${limited.id}`, { allowed_group_ids: [group.id] });
    await page.reload();
    await composerAlive(page);
    const notice = page.getByTestId('lost-servers');
    await notice.waitFor();
    assert.match(await notice.innerText(), /A server this chat used is not available to you any more/);
    // What a turn of the past used stays with its message; the page names it nowhere.
    assert.ok(!(await page.getByRole('main').innerText()).includes('Whimsical'));
    assert.equal(await count(), '1');
    console.assertQuiet();
  });
});
