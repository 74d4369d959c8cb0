// Plan mode: the switch, what sleeps, the plan as a card, starting on it; and questions as a form.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';
import { send, transcriptText, turnOver } from './lib/chat.mjs';
import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

const SERVERS = '/api/experimental/mcp/servers';

describe('plan mode', () => {
  const step = steps();
  let peer, model, server, browser, context, page, console, owner, registered;
  before(async () => {
    [peer, model] = await Promise.all([startEverything(), startModel()]);
    model.scriptToolCall({ when: 'keep a plan', tool: 'write_plan', arguments: { content: '# The plan\n\n1. Look <b>closely</b>\n2. Write it down' }, text: 'The plan is kept.' });
    model.scriptToolCall({ when: 'show it', tool: 'propose_plan', arguments: {}, text: 'never asked for' });
    model.scriptToolCall({
      when: 'ask me',
      tool: 'ask_user_question',
      arguments: { questions: [{ question: 'Which colour?', choices: ['Red', 'Blue'] }, { question: 'Anything else?' }] },
      text: 'never asked for',
    });
    model.scriptText({ when: 'Start on the plan.', text: 'I am at it.' });
    model.scriptText({ when: 'Which colour?', text: 'Blue it is.' });
    server = await startServer({ allow: [peer.host, model.host] });
    owner = await makeOwner(server);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
    registered = await rest(server, owner, 'POST', SERVERS, {
      display_name: 'Everything', slug: 'everything', availability: 'default_on', url: peer.url, transport: 'streamable_http', auth_type: 'none', enabled: true,
    });
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser));
    await logIn(page, server, OWNER);
    await composerAlive(page);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await Promise.all([peer?.stop(), model?.stop()]);
  });

  const plan = () => page.getByRole('switch', { name: 'Plan mode' });
  const isOn = async () => (await plan().getAttribute('aria-checked')) === 'true';
  const servers = () => page.getByRole('button', { name: 'Servers' });
  const chat = () => page.url().split('/').pop();
  const stored = () => rest(server, owner, 'GET', `/api/experimental/chats/${chat()}`);

  step('is switched on before the chat begins, and the picker says what sleeps', async () => {
    assert.equal(await isOn(), false);
    assert.equal(await servers().locator('.chat-count').innerText(), '1');
    await plan().click();
    assert.equal(await isOn(), true);
    assert.equal(await servers().locator('.chat-count').innerText(), '0');
    await servers().click();
    const picker = page.getByRole('dialog', { name: 'Servers' });
    assert.match(await picker.getByTestId('asleep').innerText(), /Sleeping in plan mode/);
    await page.keyboard.press('Escape');
    await send(page, 'Please keep a plan');
    await page.waitForURL(/\/chats\//);
    await turnOver(page, 1);
    await page.getByTestId('plan-badge').waitFor();
    assert.match(await transcriptText(page), /Everything sleeps in plan mode; continuing without it/);
    assert.deepEqual([(await stored()).plan_mode, (await stored()).plan_version], ['plan', 1]);
    console.assertQuiet();
  });

  step('shows the plan as a card, the same after a reload', async () => {
    await send(page, 'Now show it');
    const card = page.getByTestId('plan-card');
    await card.waitFor();
    await page.locator('article.chat[data-status=waiting]').waitFor();
    await card.getByRole('heading', { name: 'The plan' }).waitFor();
    assert.match(await card.innerText(), /Look <b>closely<\/b>/);
    await card.getByRole('button', { name: 'Start on it' }).waitFor();
    await page.reload();
    await composerAlive(page);
    await card.getByRole('heading', { name: 'The plan' }).waitFor();
    assert.equal(await isOn(), true);
    console.assertQuiet();
  });

  step('nothing overflows on a phone', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 390, `${wide}`);
    const bar = await page.locator('.chat-composer-bar').evaluate((bar) => [bar.scrollWidth, bar.clientWidth]);
    assert.ok(bar[0] <= bar[1], `${bar}`);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  step('ends with "Start on it", which sends a message and wakes the servers', async () => {
    await page.getByTestId('plan-card').getByRole('button', { name: 'Start on it' }).click();
    await turnOver(page, 2);
    assert.match(await transcriptText(page), /Start on the plan\.[\s\S]*I am at it\./);
    await until('the switch to be off', async () => !(await isOn()));
    assert.equal(await page.getByTestId('plan-badge').count(), 0);
    assert.equal((await stored()).plan_mode, '');
    assert.equal(await page.getByRole('button', { name: 'Start on it' }).count(), 0, 'only the newest plan can be started on');
    const last = model.requests().pop();
    assert.ok(last.tools.some((tool) => tool.function.name.startsWith('everything__')));
    console.assertQuiet();
  });

  step('questions are a form, and its answer is the next message', async () => {
    await send(page, 'Please ask me');
    const form = page.getByTestId('questions');
    await form.waitFor();
    await page.locator('article.chat[data-status=waiting]').waitFor();
    const answer = form.getByRole('button', { name: 'Send answer' });
    assert.equal(await answer.isDisabled(), true);
    await form.getByRole('radio', { name: 'Red' }).check();
    await form.getByRole('radio', { name: 'Blue' }).check();
    await form.getByRole('group', { name: 'Anything else?' }).getByRole('textbox').fill('No');
    await answer.click();
    await turnOver(page, 3);
    assert.match(await transcriptText(page), /Which colour\?\s+Blue\s+Anything else\?\s+No[\s\S]*Blue it is\./);
    assert.equal(await page.getByRole('button', { name: 'Send answer' }).count(), 0);
    console.assertQuiet();
  });

  step('an admin lets the server into it', async () => {
    await page.goto(`${server.url}/admin/servers/${registered.id}`);
    const box = page.getByRole('checkbox', { name: /All tools in root plan mode/ });
    await box.waitFor();
    await until('the page to be alive', async () => {
      await box.check();
      return page.getByRole('button', { name: /Save/ }).first().isEnabled();
    });
    await page.getByRole('button', { name: /Save/ }).first().click();
    await until('it to be stored', async () => (await rest(server, owner, 'GET', `${SERVERS}/${registered.id}`)).allow_in_plan_mode === true);
    await page.goto(server.url);
    await composerAlive(page);
    await plan().click();
    assert.equal(await servers().locator('.chat-count').innerText(), '1');
  });
});
