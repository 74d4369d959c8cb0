// A workspace: entered as a form and as JSON, what is wrong stands at its entry, a chat uses its server, and nothing shows its header.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';
import { send, transcriptText, turnOver } from './lib/chat.mjs';
import { composerAlive, logIn, makeOwner, OWNER, rest } from './lib/people.mjs';
import { startSample } from './lib/sample.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

const SECRET = 'canary-workspace-header-71';

describe('workspaces', () => {
  const step = steps();
  let sample, server, browser, context, page, console, owner;
  before(async () => {
    sample = await startSample();
    server = await startServer({ allow: [sample.host] });
    owner = await makeOwner(server);
    const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Demo', type: 'demo' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'demo', display_name: 'Demo', is_default: true });
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser));
    await logIn(page, server, OWNER);
    await composerAlive(page);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await sample?.stop();
  });

  const said = (text) => page.getByText(text, { exact: false }).first().waitFor();

  step('are made of servers, each with its own mistakes', async () => {
    console.expect(/status of 400/);
    await page.getByRole('link', { name: 'Workspaces' }).click();
    await said('No workspaces yet');
    await page.getByRole('link', { name: 'New workspace' }).first().click();
    await page.getByLabel('Name', { exact: true }).first().fill('Docs');
    await page.getByRole('button', { name: 'Add server' }).click();
    const entry = page.getByTestId('workspace-servers').getByRole('group').first();
    await entry.getByLabel('Name').fill('docs');
    await entry.getByLabel('URL').fill('https://${HOST}/mcp');
    await entry.getByLabel('Headers').fill(`X-Token: ${SECRET}`);
    await page.getByRole('button', { name: 'Save workspace' }).click();
    await entry.getByText('Holds a placeholder').waitFor();
    await entry.getByLabel('URL').fill(sample.url);
    await page.getByRole('button', { name: 'Save workspace' }).click();
    await page.waitForURL(/\/workspaces\/[0-9a-f-]{36}$/);
  });

  step('show no header again, and are the same as JSON', async () => {
    const entry = page.getByTestId('workspace-servers').getByRole('group').first();
    await until('the stored header', async () => (await entry.getByLabel('Headers').inputValue()) === 'X-Token: <stored>');
    await page.getByRole('button', { name: 'Edit as JSON' }).click();
    const json = page.getByLabel('.mcp.json');
    assert.equal(JSON.parse(await json.inputValue()).mcpServers.docs.headers['X-Token'], '<stored>');
    await json.fill('{"mcpServers": {"docs": {"command": "npx"}}}');
    await page.getByRole('button', { name: 'Save workspace' }).click();
    await said('only HTTP and SSE servers are possible');
    await page.reload();
    await until('the form', async () => (await page.getByRole('button', { name: 'Edit as JSON' }).count()) === 1);
    assert.ok(!(await page.content()).includes(SECRET));
  });

  step('give a chat their tools', async () => {
    await page.goto(`${server.url}/`);
    await composerAlive(page);
    await page.getByLabel('Workspace', { exact: true }).selectOption({ label: 'Docs' });
    await send(page, 'Search the docs for tool filters');
    await page.waitForURL(/\/chats\//);
    await turnOver(page);
    const text = await transcriptText(page);
    assert.ok(!text.includes(SECRET) && !text.includes(sample.url), text);
    assert.equal(await page.getByTestId('tool-call').count(), 1);
    assert.equal(await page.getByLabel('Workspace', { exact: true }).locator('option:checked').innerText(), 'Docs');
    console.assertQuiet();
  });

  step('are switched off by an admin, and the turn says so', async () => {
    await page.goto(`${server.url}/admin/settings`);
    await page.getByRole('switch', { name: 'Chats use the servers of their workspaces' }).click();
    await said('Servers of workspaces are off');
    await page.goto(`${server.url}/workspaces`);
    await said('An admin has switched off the servers of workspaces');
    await page.goBack();
    await rest(server, owner, 'PUT', '/api/v2/settings/workspace-servers', { enabled: true });
  });

  step('are deleted after a question, at the width of a telephone too', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    await page.goto(`${server.url}/workspaces`);
    await page.getByRole('button', { name: 'Delete workspace Docs' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete workspace' }).click();
    await said('No workspaces yet');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    assert.ok(!wide, 'nothing sticks out');
  });
});
