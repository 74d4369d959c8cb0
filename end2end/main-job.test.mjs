// The main job, end to end: an owner sets up Patchbay, registers a real MCP server, and a chat runs one of its tools, visibly.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { alive, shellAlive } from './lib/alive.mjs';
import { openPage, startBrowser } from './lib/browser.mjs';
import { growingLabels, seenCalls, send, transcriptText, turnOver, watchCalls } from './lib/chat.mjs';
import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';
import { OWNER, composerAlive, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';

const TOOL = 'trigger-long-running-operation';
const LABEL = 'Running the long operation that the team is waiting for';
const ARGUMENTS = { duration: 3, steps: 6 };
const QUESTION = 'Please run the long operation for us';
const CHUNK = 4;

describe('the main job', () => {
  const step = steps();
  let peer, model, server, browser, context, page, console;
  before(async () => {
    [peer, model] = await Promise.all([startEverything(), startModel()]);
    model.scriptToolCall({
      when: 'run the long operation',
      tool: TOOL,
      arguments: { model_intent: LABEL, properties: ARGUMENTS },
      text: 'The operation is **finished** after 3 seconds.',
      chunkSize: CHUNK,
    });
    server = await startServer({ allow: [peer.host, model.host] });
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser));
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await Promise.all([peer?.stop(), model?.stop()]);
  });

  step('the printed link makes the first owner and works once', async () => {
    const link = await server.setupLink();
    await page.goto(link);
    await page.getByLabel('Email').fill(OWNER.email);
    await page.getByLabel('User name').fill(OWNER.username);
    await page.getByLabel('Name', { exact: true }).fill(OWNER.name);
    await page.getByLabel('Password').fill(OWNER.password);
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.waitForURL('**/admin/servers');
    await page.getByRole('heading', { name: 'No servers yet' }).waitFor();
    const again = await fetch(link, { redirect: 'manual', headers: { accept: 'text/html' } });
    assert.ok([302, 303, 307].includes(again.status), `a used link leads away: ${again.status}`);
    assert.match(again.headers.get('location'), /\/login$/);
    console.assertQuiet();
  });

  step('a provider and a default model are added on the Models page', async () => {
    await shellAlive(page);
    await page.getByRole('link', { name: 'Models' }).click();
    await page.getByRole('button', { name: 'New provider' }).first().click();
    const provider = page.getByRole('dialog', { name: 'New provider' });
    assert.equal(await provider.getByLabel('Type').inputValue(), 'openai');
    await provider.getByLabel('Name').fill('Scripted');
    await provider.getByLabel('Base URL').fill(model.baseUrl);
    await provider.getByLabel('API key').fill('test-key');
    await provider.getByRole('button', { name: 'Save provider' }).click();
    await provider.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'New model' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'New model' });
    await dialog.getByLabel('Model', { exact: true }).fill('scripted-1');
    await dialog.getByLabel('Display name').fill('Scripted one');
    await dialog.getByRole('checkbox', { name: /^Default model/ }).check();
    await dialog.getByRole('button', { name: 'Save model' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const row = page.getByRole('row', { name: /Scripted one/ });
    await row.waitFor();
    assert.match(await row.innerText(), /scripted-1[\s\S]*Default/);
    assert.ok(!(await page.content()).includes('test-key'), 'the key never comes back');
    console.assertQuiet();
  });

  step('the real MCP server is registered, tested and enabled', async () => {
    await page.getByRole('link', { name: 'Servers', exact: true }).click();
    await page.getByRole('link', { name: 'New server' }).first().click();
    await page.getByRole('heading', { name: 'New server' }).waitFor();
    await page.getByLabel('Display name').fill('Everything');
    assert.equal(await page.getByLabel('Slug').inputValue(), 'everything', 'the slug follows the name');
    await page.getByLabel('URL', { exact: true }).fill(peer.url);
    assert.equal(await page.getByRole('checkbox', { name: /^Model intent/ }).isChecked(), true, 'proposed for a new server');
    await page.getByRole('button', { name: 'Test connection' }).click();
    const report = page.getByRole('region', { name: 'Test result' });
    await report.waitFor();
    const text = await report.innerText();
    assert.match(text, /Reached in \d+ ms/);
    assert.match(text, /Speaks 20\d\d-\d\d-\d\d \(with a handshake\) · \S*everything\S* \S+/);
    const [, tools, allowed] = text.match(/(\d+) tools, (\d+) allowed, listed in \d+ ms/) ?? assert.fail(text);
    assert.ok(Number(allowed) >= 8, text);
    const rows = await page.locator('.tool-row').allInnerTexts();
    assert.equal(rows.length, Number(tools), 'each tool is listed');
    assert.match(rows.find((row) => row.startsWith(TOOL)), /progress updates[\s\S]*Allowed/);
    // The peer has a tool that needs background tasks, which are not there: it is listed with the reason and not counted.
    const broken = rows.filter((row) => row.includes('background tasks'));
    assert.equal(rows.length - broken.length, Number(allowed), text);
    for (const row of broken) assert.match(row, /Not usable/);
    assert.match(page.url(), /\/admin\/servers\/[0-9a-f-]{36}$/);
    // It was saved, and switched off until now.
    const enabled = page.getByRole('switch', { name: 'Enabled' });
    assert.equal(await enabled.isChecked(), false);
    await page.getByRole('button', { name: 'Enable server' }).click();
    await page.getByText('Everything is enabled').waitFor();
    assert.equal(await enabled.isChecked(), true);
    await page.reload();
    assert.equal(await page.getByRole('switch', { name: 'Enabled' }).isChecked(), true, 'it is stored');
    assert.equal(await page.getByRole('checkbox', { name: /^Model intent/ }).isChecked(), true);
    console.assertQuiet();
  });

  step('a chat runs the tool and shows what the call is for while it is written, while it runs and after', async () => {
    await page.goto(server.url);
    await composerAlive(page);
    await page.getByRole('button', { name: 'Servers' }).click();
    const picker = page.getByRole('dialog', { name: 'Servers' });
    const choice = picker.getByRole('switch', { name: /^Everything/ });
    assert.equal(await choice.isChecked(), false, 'off by default');
    await choice.check({ force: true });
    await page.keyboard.press('Escape');
    await picker.waitFor({ state: 'hidden' });
    await watchCalls(page);
    await send(page, QUESTION);
    await page.waitForURL(/\/chats\/[0-9a-f-]{36}$/);
    // While it runs: the whole label, a spinner's state, the progress the server reports, the time.
    const call = page.getByTestId('tool-call');
    await page.locator('[data-testid=tool-call][data-state=running]').waitFor();
    assert.equal(await page.getByTestId('tool-label').innerText(), LABEL);
    assert.equal(await page.getByTestId('tool-server').innerText(), 'Everything');
    await call.getByRole('progressbar').waitFor();
    await call.getByText(/^[12]\.\d s$/).waitFor();
    assert.equal(await call.getAttribute('data-state'), 'running');
    assert.ok(await page.getByRole('button', { name: 'Stop' }).isVisible());
    await turnOver(page);

    const seen = await seenCalls(page);
    const growing = growingLabels(seen, LABEL);
    assert.ok(growing.length >= 2, `different beginnings of the label: ${JSON.stringify(seen)}`);
    for (const [index, text] of growing.entries()) {
      if (index > 0) assert.ok(text.startsWith(growing[index - 1]), `"${text}" grows from "${growing[index - 1]}"`);
    }
    const states = seen.map((entry) => entry.state).filter((state, index, all) => state !== all[index - 1]);
    assert.deepEqual(states, ['streaming', 'running', 'done']);
    const running = seen.filter((entry) => entry.state === 'running');
    assert.deepEqual([...new Set(running.map((entry) => entry.label))], [LABEL], 'the label stands while the tool runs');
    const ran = seen.find((entry) => entry.state === 'done').at - running[0].at;
    assert.ok(ran >= 2000, `ran ${ran} ms`);
    assert.equal(seen.at(-1).label, LABEL);
    assert.equal(await page.getByTestId('answer').locator('strong').innerText(), 'finished', 'markup is rendered');
    console.assertQuiet();
  });

  step('the server received the arguments without the intent, and the id of the call', async () => {
    const [call, ...others] = peer.toolCalls();
    assert.deepEqual(others, [], 'called once');
    assert.equal(call.name, TOOL);
    assert.deepEqual(call.arguments, ARGUMENTS);
    assert.ok(call._meta['com.coder/tool_call_id'], JSON.stringify(call._meta));
    assert.ok(!peer.requests().some((request) => request.body.includes('model_intent')), 'nothing it received names the intent');
    const offered = model.requests().find((request) => request.tools).tools.find((tool) => tool.function.name.endsWith(TOOL));
    assert.deepEqual(offered.function.parameters.required, ['model_intent', 'properties']);
  });

  step('the model had sent the arguments in at least 20 pieces', async () => {
    // The script gives the same answer to the same request, so asking again counts what Patchbay was sent.
    const response = await fetch(`${model.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer test-key' },
      body: JSON.stringify(model.requests().find((request) => request.tools)),
      signal: AbortSignal.timeout(30_000),
    });
    const events = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'));
    const calls = events.flatMap((line) => JSON.parse(line.slice(6)).choices[0]?.delta?.tool_calls ?? []);
    const pieces = calls.map((call) => call.function.arguments).filter(Boolean);
    assert.ok(pieces.length >= 20, `${pieces.length} pieces`);
    assert.deepEqual(JSON.parse(pieces.join('')), { model_intent: LABEL, properties: ARGUMENTS });
  });

  step('the details show the true name, arguments and result', async () => {
    const call = page.getByTestId('tool-call');
    await call.getByText('Details', { exact: false }).first().click();
    const details = await call.locator('dl').innerText();
    assert.ok(details.includes(TOOL));
    assert.match(details, /"duration": 3/);
    assert.match(details, /Long running operation completed/);
    await call.getByText('Details', { exact: false }).first().click();
  });

  step('a reload shows the same transcript', async () => {
    const before = await transcriptText(page);
    assert.match(before, new RegExp(`${QUESTION}[\\s\\S]*${LABEL}[\\s\\S]*finished`));
    await page.reload();
    await composerAlive(page);
    assert.equal(await transcriptText(page), before);
    const sidebar = page.getByRole('navigation', { name: 'Recent chats' });
    // By its address: a model may have made another title meanwhile.
    await sidebar.locator(`a[href="${new URL(page.url()).pathname}"]`).first().waitFor();
    console.assertQuiet();
  });

  step('the same chat is read through REST with a token made on the Account page', async () => {
    const chatId = page.url().split('/').at(-1);
    const shown = {
      label: await page.getByTestId('tool-label').innerText(),
      answer: await page.getByTestId('answer').innerText(),
    };
    await page.goto(`${server.url}/account`);
    await alive(page.getByLabel('Token name'), 'input');
    await page.getByLabel('Token name').fill('end to end');
    await page.getByRole('button', { name: 'Create token' }).click();
    const token = (await page.getByLabel('New API token').innerText()).trim();
    const chats = await rest(server, token, 'GET', '/api/experimental/chats');
    assert.deepEqual(chats.map((chat) => [chat.id, chat.status]), [[chatId, 'waiting']]);
    const newestFirst = await rest(server, token, 'GET', `/api/experimental/chats/${chatId}/messages`);
    const messages = newestFirst.messages.toReversed();
    assert.deepEqual(messages.map((message) => message.role), ['user', 'assistant', 'tool', 'assistant']);
    const [user, asked, result, answer] = messages.map((message) => message.content);
    assert.deepEqual(user, [{ type: 'text', text: QUESTION }]);
    const call = asked.find((part) => part.type === 'tool-call');
    assert.equal(call.args.model_intent, shown.label);
    assert.equal(call.tool_call_id, peer.toolCalls()[0]._meta['com.coder/tool_call_id']);
    assert.equal(result[0].tool_call_id, call.tool_call_id);
    assert.equal(result[0].outcome, 'ok');
    assert.match(result[0].result[0].text, /completed/);
    assert.equal(answer.at(-1).text.replaceAll('*', ''), shown.answer.trim());
    const refused = await server.fetch('/api/experimental/chats', { headers: { authorization: `Bearer ${token}x` } });
    assert.equal(refused.status, 401);
    console.assertQuiet();
  });
});
