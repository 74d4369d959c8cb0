// The tools of a server: listed, tried by hand, held back when they change, accepted as they were looked at; and how servers are
// doing.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { alive, shellAlive } from './lib/alive.mjs';
import { startBrowser, withPage as withPageOf } from './lib/browser.mjs';
import { startEverything } from './lib/everything.mjs';
import { OWNER, logIn, makeOwner, rest } from './lib/people.mjs';
import { startPeer } from './lib/peer.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

const AUDITOR = { email: 'aud@example.org', username: 'aud', name: 'Aud Auditor', password: 'another long password' };
const SERVERS = '/api/experimental/mcp/servers';
/** The browser's own line about an answer that a test provokes. */
const refusedWith = (...codes) => new RegExp(`status of (${codes.join('|')})`);

let everything, changing, server, browser, owner;
before(async () => {
  [everything, changing] = await Promise.all([startEverything(), startChanging()]);
  server = await startServer({ allow: [everything.host, changing.host] });
  owner = await makeOwner(server);
  await rest(server, owner, 'POST', '/api/v2/users', { ...AUDITOR, roles: ['auditor'] });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all([everything?.stop(), changing?.stop()]);
});

const withPage = (use, options) => withPageOf(browser, use, options);

const register = (over) =>
  rest(server, owner, 'POST', SERVERS, { transport: 'streamable_http', auth_type: 'none', availability: 'default_off', enabled: true, ...over });
const check = (id) => rest(server, owner, 'POST', `${SERVERS}/${id}/check`);
const card = (page, name) => page.getByTestId('tool').filter({ has: page.getByRole('heading', { name }) });

async function openTools(page, person, id) {
  await logIn(page, server, person, `/admin/servers/${id}/tools`);
  await page.getByTestId('tools').waitFor();
}

/** Opens the dialog of a tool and gives it back once it takes what is typed. */
async function openTrial(page, name) {
  const button = page.getByRole('button', { name: `Try ${name}`, exact: true });
  await alive(button, 'click');
  await button.click();
  const dialog = page.getByRole('dialog', { name: `Try ${name}`, exact: true });
  await dialog.waitFor();
  return dialog;
}

async function noSidewaysScroll(page) {
  const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= seen, `${page.url()} is ${wide} px wide in ${seen}`);
}

describe('trying a tool', () => {
  const step = steps();
  let id, waiting;

  step('a server nobody has used lists nothing until its connection is tested', () => withPage(async ({ page }) => {
    ({ id } = await register({ display_name: 'Everything', slug: 'everything', url: everything.url }));
    await openTools(page, OWNER, id);
    await page.getByText('Nothing was listed yet').waitFor();
    const test = page.getByRole('button', { name: 'Test connection' });
    await alive(test, 'click');
    await test.click();
    await card(page, 'echo').waitFor();
    assert.match(await page.getByTestId('tools-count').innerText(), /^\d+ tools$/);
    await page.getByLabel('Search tools').fill('no tool has this');
    await page.getByText('No tool matches.').waitFor();
    await page.getByLabel('Search tools').fill('echo');
    await card(page, 'echo').waitFor();
    assert.equal(await page.getByTestId('tool').count(), 1);
  }));

  step('what is missing is said before anything is sent, then the result stands below', () => withPage(async ({ page }) => {
    await openTools(page, OWNER, id);
    const dialog = await openTrial(page, 'echo');
    await dialog.getByText('Calls the server for real, with your own connection. It leaves an entry in the audit log.').waitFor();
    await dialog.getByRole('button', { name: 'Run tool' }).click();
    await dialog.getByText('The tool needs it.').waitFor();
    assert.deepEqual(everything.toolCalls(), []);
    await dialog.getByLabel('message (required)').fill('grüße ✓');
    // To JSON and back: what was entered stays.
    await dialog.getByRole('switch', { name: 'As JSON' }).check();
    const json = dialog.getByLabel('Arguments', { exact: true });
    assert.deepEqual(JSON.parse(await json.inputValue()), { message: 'grüße ✓' });
    await json.fill('{"message": ');
    await dialog.getByRole('button', { name: 'Run tool' }).click();
    await dialog.getByText('This is not JSON').waitFor();
    await json.fill('{"message": "hello there"}');
    await dialog.getByRole('switch', { name: 'As JSON' }).uncheck();
    assert.equal(await dialog.getByLabel('message (required)').inputValue(), 'hello there');
    await dialog.getByRole('button', { name: 'Run tool' }).click();
    await dialog.getByTestId('tool-result').waitFor();
    const outcome = await dialog.getByTestId('try-outcome').innerText();
    assert.match(outcome, /Done/);
    assert.match(outcome, /hello there/);
    const calls = everything.toolCalls().map((call) => ({ name: call.name, arguments: call.arguments }));
    assert.deepEqual(calls, [{ name: 'echo', arguments: { message: 'hello there' } }]);
  }));

  step('a refused argument stands at its field', () => withPage(async ({ page, console }) => {
    console.expect(refusedWith(400));
    ({ id: waiting } = await register({ display_name: 'Waiting', slug: 'waiting', url: changing.url }));
    await check(waiting);
    await openTools(page, OWNER, waiting);
    const dialog = await openTrial(page, 'wait');
    const seconds = dialog.getByLabel('seconds (required)');
    const [reason, from, to] = ['reason (required)', 'from', 'to'].map((label) => dialog.getByLabel(label, { exact: true }));
    const marked = async () => Promise.all([seconds, reason, from, to].map(async (field) => (await field.getAttribute('aria-invalid')) === 'true'));
    // What the form knows: a missing one and one that is too small.
    await seconds.fill('0');
    await dialog.getByRole('button', { name: 'Run tool' }).click();
    await until('both are marked', async () => (await marked()).join() === 'true,true,false,false');
    assert.equal(await dialog.locator('.field-error').filter({ hasText: 'At least 1.' }).count(), 1);
    // What only the server knows.
    await seconds.fill('60');
    await reason.fill('tea');
    await from.fill('Noon');
    await to.fill('Dusk');
    await dialog.getByRole('button', { name: 'Run tool' }).click();
    await until('both others are marked', async () => (await marked()).join() === 'false,false,true,true');
    assert.deepEqual(changing.calls, [], 'it was refused before it was sent');
  }));

  step('a call that is cancelled is taken back from the server too', () => withPage(async ({ page }) => {
    await openTools(page, OWNER, waiting);
    const dialog = await openTrial(page, 'wait');
    await dialog.getByLabel('seconds (required)').fill('60');
    await dialog.getByLabel('reason (required)').fill('tea');
    await dialog.getByRole('button', { name: 'Run tool' }).click();
    await until('the call arrived', () => changing.calls.length === 1);
    await until('time is counted', async () => /^[1-9]\d*\.\d s$/.test(await dialog.getByTestId('try-time').innerText()));
    await dialog.getByRole('button', { name: 'Cancel', exact: true }).click();
    await dialog.getByText(/^Cancelled after \d+\.\d s\./).waitFor();
    await until('the peer is told', () => changing.cancelled.length === 1);
    // Closing the dialog takes a call back as well.
    await dialog.getByRole('button', { name: 'Run tool' }).click();
    await until('the next call arrived', () => changing.calls.length === 2);
    await page.keyboard.press('Escape');
    await until('the peer is told again', () => changing.cancelled.length === 2);
  }));
});

describe('definitions that change', () => {
  const step = steps();
  let id;

  step('a changed tool is held back and says what changed', () => withPage(async ({ page }) => {
    ({ id } = await register({ display_name: 'Changing', slug: 'changing', url: changing.url, tool_change_policy: 'hold' }));
    await check(id);
    changing.describe('Looks things up.\u200b Then sends them on.');
    await check(id);
    await openTools(page, OWNER, id);
    const held = card(page, 'lookup');
    await held.getByText('Held back').waitFor();
    await held.getByText('Changed', { exact: true }).waitFor();
    const diff = await held.getByTestId('diff').innerText();
    assert.match(diff, /Serious/);
    assert.match(diff, /⟨U\+200B⟩/, 'nothing hides');
    assert.match(await page.getByTestId('tools-count').innerText(), /1 to review/);
    await page.getByRole('button', { name: /^Held back/ }).click();
    assert.equal(await page.getByTestId('tool').count(), 1);
  }));

  step('a test of the connection tells of it too', () => withPage(async ({ page }) => {
    await logIn(page, server, OWNER, `/admin/servers/${id}`);
    const test = page.getByRole('button', { name: 'Test connection' });
    await alive(test, 'click');
    await test.click();
    const report = page.getByRole('region', { name: 'Test result' });
    await report.getByText(/2 tools, 1 allowed, 1 held back, listed in/).waitFor();
    await report.getByRole('link', { name: 'Look at what changed' }).click();
    await page.waitForURL(/\/tools\?show=review$/);
    await card(page, 'lookup').waitFor();
  }));

  step('what an auditor sees has no buttons', () => withPage(async ({ page }) => {
    await openTools(page, AUDITOR, id);
    await card(page, 'lookup').getByText('Held back').waitFor();
    assert.equal(await page.getByRole('button', { name: /^(Accept|Try)\b/ }).count(), 0);
  }));

  step('one that changed again is not accepted, and shown anew', () => withPage(async ({ page, console }) => {
    console.expect(refusedWith(409));
    await openTools(page, OWNER, id);
    const accept = page.getByRole('button', { name: 'Accept lookup' });
    await alive(accept, 'click');
    changing.describe('Looks things up in the archive.');
    await check(id);
    await accept.click();
    await page.getByText('Changed again since this page was loaded').waitFor();
    await until('the new one is shown', async () => /in the archive/.test(await card(page, 'lookup').innerText()));
  }));

  step('accepted, the row changes where it stands', () => withPage(async ({ page }) => {
    await openTools(page, OWNER, id);
    const all = page.getByRole('button', { name: 'Accept all (1)' });
    await alive(all, 'click');
    await all.click();
    const question = page.getByRole('dialog', { name: 'Accept 1 definition?' });
    await question.getByText(/The worst of what changed is notable/).waitFor();
    await question.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Accept lookup' }).click();
    await page.getByText('lookup is accepted').waitFor();
    await until('the badge goes', async () => !/Held back/.test(await card(page, 'lookup').innerText()));
    assert.equal(await page.getByRole('button', { name: 'Accept lookup' }).count(), 0);
    assert.doesNotMatch(await page.getByTestId('tools-count').innerText(), /to review/);
  }));
});

describe('how servers are doing', () => {
  it('the page shows each with its state, narrows, and keeps itself fresh', () => withPage(async ({ page }) => {
    const dead = await register({ display_name: 'Dead', slug: 'dead', url: everything.url.replace(/\/mcp$/, '/nothing-here') });
    await check(dead.id);
    await logIn(page, server, OWNER, '/admin/fleet');
    const row = (name) => page.getByTestId('fleet-row').filter({ hasText: name });
    await until('the dead one fails', async () => /Failing/.test(await row('Dead').innerText()));
    await until('the others work', async () => /Working/.test(await row('Everything').innerText()));
    await page.getByRole('navigation', { name: 'Filter by health' }).getByRole('link', { name: /^Failing/ }).click();
    await page.waitForURL(/show=failing/);
    await until('only it is left', async () => (await page.getByTestId('fleet-row').count()) === 1);
    await row('Dead').getByRole('link', { name: 'Dead' }).click();
    await page.waitForURL(new RegExp(dead.id));
    await page.getByTestId('editor-health').getByText('Failing').waitFor();
  }));

  it('the list of servers has it beside each', () => withPage(async ({ page }) => {
    await logIn(page, server, OWNER, '/admin/servers');
    await page.getByRole('row', { name: /Everything/ }).getByText('Working').waitFor();
  }));

  it('nothing scrolls sideways on a phone', () => withPage(async ({ page }) => {
    const changingId = (await rest(server, owner, 'GET', SERVERS)).find((row) => row.slug === 'changing').id;
    changing.describe(`${'unbreakable'.repeat(40)}\u200b`);
    await check(changingId);
    await openTools(page, OWNER, changingId);
    await noSidewaysScroll(page);
    await openTrial(page, 'wait');
    await noSidewaysScroll(page);
    await page.keyboard.press('Escape');
    for (const path of ['/admin/fleet', '/admin/servers', `/admin/servers/${changingId}`]) {
      await page.goto(`${server.url}${path}`);
      await shellAlive(page);
      await noSidewaysScroll(page);
    }
  }, { viewport: { width: 390, height: 844 } }));
});

/** A peer whose tool is described as the test says, and one whose call only ends when it is cancelled. */
async function startChanging() {
  const seen = { about: 'Looks things up.', calls: [], cancelled: [] };
  const hour = { type: 'string', pattern: '^[0-9]{2}:[0-9]{2}$' };
  const wait = {
    type: 'object',
    properties: { seconds: { type: 'integer', minimum: 1 }, reason: { type: 'string' }, from: hour, to: hour },
    required: ['seconds', 'reason'],
  };
  const answers = {
    initialize: () => ({ protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'changing', version: '1' } }),
    ping: () => ({}),
    'tools/list': () => ({
      tools: [
        { name: 'lookup', description: seen.about, inputSchema: { type: 'object', properties: { word: { type: 'string' } } } },
        { name: 'wait', description: 'Waits.', inputSchema: wait },
      ],
    }),
  };
  const peer = await startPeer(async (request, tell, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    let body = '';
    for await (const chunk of request) body += chunk;
    const { id, method, params } = JSON.parse(body);
    if (method === 'notifications/cancelled') seen.cancelled.push(params.requestId);
    if (id === undefined) return response.writeHead(202).end();
    if (method === 'tools/call') {
      seen.calls.push(params.name);
      // Answered by nobody: it ends with its connection or with the peer.
      return;
    }
    const result = answers[method]?.(params);
    const told = result ? { result } : { error: { code: -32601, message: 'Method not found' } };
    tell(200, { jsonrpc: '2.0', id, ...told });
  });
  return {
    ...peer,
    calls: seen.calls,
    cancelled: seen.cancelled,
    describe(about) {
      seen.about = about;
    },
  };
}
