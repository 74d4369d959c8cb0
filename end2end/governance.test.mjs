// Who may use which tool, through the pages: personal headers from the admin's form to the peer's log, two admins at one
// server, what a save would remove, who a server is open to and why, groups and their members, and import from a file.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { alive } from './lib/alive.mjs';
import { startBrowser, withPage as withPageOf } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';
import { OWNER, composerAlive, logIn, makeOwner, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

const MEMBER = { email: 'mina@example.org', username: 'mina', name: 'Mina Member', password: 'another long password' };
const ADMIN = { email: 'adam@example.org', username: 'adam', name: 'Adam Admin', password: 'a third long password' };
const SERVERS = '/api/experimental/mcp/servers';
const SECRET = 'minas-own-token';
/** The browser's own line about an answer that a test provokes. */
const refusedWith = (...codes) => new RegExp(`status of (${codes.join('|')})`);

let peer, model, server, browser, owner, mina;
before(async () => {
  [peer, model] = await Promise.all([startEverything(), startModel()]);
  server = await startServer({ allow: [peer.host, model.host] });
  owner = await makeOwner(server);
  mina = await rest(server, owner, 'POST', '/api/v2/users', MEMBER);
  await rest(server, owner, 'POST', '/api/v2/users', { ...ADMIN, roles: ['admin'] });
  const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
  await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all([peer?.stop(), model?.stop()]);
});

const withPage = (use, options) => withPageOf(browser, use, options);

async function openEditor(page, person, id) {
  await logIn(page, server, person, `/admin/servers/${id}`);
  await alive(page.locator('form.editor'), 'submit');
}

async function openPicker(page) {
  await composerAlive(page);
  await page.getByRole('button', { name: 'Servers' }).click();
  const picker = page.getByRole('dialog', { name: 'Servers' });
  await picker.waitFor();
  return picker;
}

const register = (over) =>
  rest(server, owner, 'POST', SERVERS, { transport: 'streamable_http', auth_type: 'none', availability: 'default_off', url: peer.url, ...over });

describe('personal headers', () => {
  const step = steps();
  let id;

  step('an admin asks everybody for a value of their own', () => withPage(async ({ page, console }) => {
    console.expect(refusedWith(400));
    await logIn(page, server, OWNER, '/admin/servers/new');
    await alive(page.locator('form.editor'), 'submit');
    await page.getByLabel('Display name').fill('Tracker');
    await page.getByLabel('URL', { exact: true }).fill(peer.url);
    await page.getByLabel('Authentication', { exact: true }).selectOption('user_header');
    const row = page.getByRole('group', { name: 'Header', exact: true });
    await row.getByLabel('Name').fill('X Bad Name');
    await page.getByRole('button', { name: 'Save server' }).click();
    await page.getByText('1 field needs a change').waitFor();
    assert.match(await page.getByRole('group', { name: 'Headers that each person fills in' }).innerText(), /no header name/);
    // By keyboard: a second row comes and goes, the first keeps what it holds.
    await page.getByRole('button', { name: 'Add header' }).press('Enter');
    await until('there are two rows', async () => (await row.count()) === 2);
    await row.nth(1).getByRole('button', { name: 'Remove header' }).press('Enter');
    await until('there is one row', async () => (await row.count()) === 1);
    await row.getByLabel('Name').fill('X-Token');
    await row.getByLabel('Value prefix').fill('Bearer ');
    await row.getByLabel('What to enter').fill('A token; make one under Settings');
    await page.getByLabel('Availability').selectOption('default_on');
    await page.locator('label.switch', { hasText: 'Enabled' }).getByRole('switch').check();
    await page.getByRole('button', { name: 'Save server' }).click();
    await page.waitForURL(/\/admin\/servers\/[0-9a-f-]{36}$/);
    id = page.url().split('/').pop();
    await page.getByText('Nobody has entered values yet.').waitFor();
    const stored = await rest(server, owner, 'GET', `${SERVERS}/${id}`);
    assert.deepEqual(stored.user_headers, [{ name: 'X-Token', description: 'A token; make one under Settings', value_prefix: 'Bearer ' }]);
  }));

  step('a user enters it in the picker, and the server sees it', () => withPage(async ({ page, console }) => {
    console.expect(refusedWith(400));
    model.scriptToolCall({ when: 'say hello', tool: 'echo', arguments: { message: 'hello' }, text: 'Said.', delayMs: 1 });
    await logIn(page, server, MEMBER);
    const need = page.getByTestId('needs-you');
    await need.waitFor();
    assert.match(await need.innerText(), /Tracker needs your own values/);
    const picker = await openPicker(page);
    assert.match(await picker.innerText(), /Needs your own values\./);
    await picker.getByRole('button', { name: 'Enter values for Tracker' }).click();
    const dialog = page.getByRole('dialog', { name: 'Your values for Tracker' });
    const field = dialog.getByLabel('X-Token');
    assert.equal(await field.getAttribute('type'), 'password');
    assert.match(await dialog.innerText(), /make one under Settings[\s\S]*Bearer/);
    await dialog.getByRole('button', { name: 'Save values' }).click();
    await until('the field is marked', async () => (await field.getAttribute('aria-invalid')) === 'true');
    assert.match(await dialog.innerText(), /Enter a value/);
    await field.fill(SECRET);
    await field.press('Enter');
    await dialog.waitFor({ state: 'hidden' });
    // Without a reload, in all places.
    await picker.getByText('Connected', { exact: true }).waitFor();
    await need.waitFor({ state: 'detached' });
    assert.equal(new URL(page.url()).pathname, '/', 'the composer sent nothing');
    assert.ok(!(await page.content()).includes(SECRET));
    await page.keyboard.press('Escape');
    await send(page, 'Please say hello');
    await page.waitForURL(/\/chats\//);
    await turnOver(page);
    assert.equal(await page.getByTestId('tool-call').getAttribute('data-state'), 'done');
    const seen = peer.requests().filter((request) => request.message?.method === 'tools/call');
    assert.equal(seen.at(-1).headers['x-token'], `Bearer ${SECRET}`);
    // The new page knows that it is connected.
    assert.match(await (await openPicker(page)).innerText(), /Connected/);
  }));

  step('before saving, the admin reads whose values an edit removes', () => withPage(async ({ page }) => {
    await openEditor(page, OWNER, id);
    const connections = page.getByRole('region', { name: 'Connections' });
    await connections.getByRole('cell', { name: 'mina', exact: true }).waitFor();
    assert.ok(!(await page.content()).includes(SECRET));
    const note = page.locator('.action-note');
    await page.getByLabel('URL', { exact: true }).fill('https://elsewhere.example.com/mcp');
    await until('the wipe is said', async () => (await note.innerText()) === 'This save removes: the personal values of 1 user');
    await page.getByLabel('URL', { exact: true }).fill(peer.url);
    await page.getByLabel('Authentication', { exact: true }).selectOption('api_key');
    await until('the list goes too', async () => /the list of personal headers, the personal values of 1 user$/.test(await note.innerText()));
    // Another type and back: what was there is there.
    await page.getByLabel('API key', { exact: true }).fill('typed but not saved');
    await page.getByLabel('Authentication', { exact: true }).selectOption('user_header');
    assert.equal(await page.getByRole('group', { name: 'Header', exact: true }).getByLabel('Name').inputValue(), 'X-Token');
    await page.getByLabel('Authentication', { exact: true }).selectOption('api_key');
    assert.equal(await page.getByLabel('API key', { exact: true }).inputValue(), 'typed but not saved');
  }));

  step('the admin connects to test, and ends a connection', () => withPage(async ({ page }) => {
    await openEditor(page, OWNER, id);
    await page.getByRole('button', { name: 'Test connection' }).click();
    const report = page.getByRole('region', { name: 'Test result' });
    await report.waitFor();
    assert.match(await report.innerText(), /not dialled, your own values are missing[\s\S]*A test uses your own values/);
    assert.equal(await report.locator('.step.tone-ok').count(), 0, 'nothing is ticked that was not tried');
    const connections = page.getByRole('region', { name: 'Connections' });
    await connections.getByRole('button', { name: 'Enter values for Tracker' }).click();
    const dialog = page.getByRole('dialog', { name: 'Your values for Tracker' });
    await dialog.getByLabel('X-Token').fill('the-owners-own');
    await dialog.getByRole('button', { name: 'Save values' }).click();
    await connections.getByRole('cell', { name: 'owner', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Test connection' }).click();
    await until('it works', async () => /The server works/.test(await report.innerText()));
    assert.equal(peer.requests().at(-1).headers['x-token'], 'Bearer the-owners-own');
    // The buttons are in view however wide the window is, and the one for all says so.
    for (const width of [1280, 920, 390]) {
      await page.setViewportSize({ width, height: 860 });
      const frame = await connections.locator('.table-frame').evaluate((node) => [node.scrollWidth, node.clientWidth]);
      assert.ok(frame[0] <= frame[1], `${frame[0]} px of table in ${frame[1]} of a window of ${width}`);
    }
    await page.setViewportSize({ width: 1280, height: 860 });
    await connections.getByRole('button', { name: 'Disconnect all 2 users' }).click();
    const all = page.getByRole('dialog', { name: 'Disconnect all 2 users?' });
    await all.getByText(/^The values of 2 users are deleted\./).waitFor();
    await all.getByRole('button', { name: 'Cancel' }).click();
    await connections.getByRole('button', { name: 'Disconnect mina' }).click();
    const sure = page.getByRole('dialog', { name: 'Disconnect mina?' });
    await sure.getByRole('button', { name: 'Disconnect', exact: true }).click();
    await connections.getByRole('cell', { name: 'mina', exact: true }).waitFor({ state: 'detached' });
  }));

  step('the account page connects and disconnects', () => withPage(async ({ page }) => {
    await logIn(page, server, MEMBER, '/account');
    const row = page.locator('li.row', { hasText: 'Tracker' });
    await row.getByRole('button', { name: 'Enter values for Tracker' }).click();
    const dialog = page.getByRole('dialog', { name: 'Your values for Tracker' });
    await dialog.getByLabel('X-Token').fill(SECRET);
    await dialog.getByRole('button', { name: 'Save values' }).click();
    await row.getByText('Connected', { exact: true }).click();
    await row.getByRole('button', { name: 'Disconnect Tracker' }).click();
    const sure = page.getByRole('dialog', { name: 'Disconnect Tracker?' });
    await sure.getByRole('button', { name: 'Disconnect', exact: true }).click();
    await row.getByRole('button', { name: 'Enter values for Tracker' }).waitFor();
    assert.deepEqual((await rest(server, owner, 'GET', `${SERVERS}/${id}/connections`)).map((entry) => entry.username), ['owner']);
  }));
});

describe('the server editor', () => {
  it('two admins saving at once lose nothing', () => withPage(async ({ page, console }) => {
    console.expect(refusedWith(412));
    const { id } = await register({ display_name: 'Shared', slug: 'shared', description: 'Old words' });
    const adam = (await rest(server, null, 'POST', '/api/v2/users/login', { email: ADMIN.email, password: ADMIN.password })).session_token;
    await openEditor(page, OWNER, id);
    await page.getByLabel('Description').fill('My words');
    await page.getByLabel('Allowed tools').fill('echo');
    await rest(server, adam, 'PATCH', `${SERVERS}/${id}`, { description: 'Their words', model_intent: true });
    await page.getByRole('button', { name: 'Save server' }).click();
    const conflict = page.getByRole('alert', { name: 'Changed meanwhile' });
    await conflict.waitFor();
    const text = (await conflict.innerText()).replace(/\s+/g, ' ');
    assert.match(text, /Changed meanwhile by adam/);
    assert.match(text, /Description was Old words is now Their words yours My words/);
    assert.match(text, /Model intent was off is now on yours not changed/);
    assert.equal(await page.getByLabel('Description').inputValue(), 'My words');
    assert.equal(await page.getByLabel('Allowed tools').inputValue(), 'echo');
    // A third save in between is found as well; then mine goes over it.
    await rest(server, adam, 'PATCH', `${SERVERS}/${id}`, { description: 'Their last words' });
    await conflict.getByRole('button', { name: 'Save mine over it' }).click();
    await until('the newer change is shown', async () => /is now Their last words/.test((await conflict.innerText()).replace(/\s+/g, ' ')));
    await conflict.getByRole('button', { name: 'Save mine over it' }).click();
    await page.getByText('Shared is saved').waitFor();
    await conflict.waitFor({ state: 'detached' });
    const mine = await rest(server, owner, 'GET', `${SERVERS}/${id}`);
    assert.deepEqual([mine.description, mine.tool_allow_list], ['My words', ['echo']]);

    // Deleting what somebody else just changed asks to look first.
    await rest(server, adam, 'PATCH', `${SERVERS}/${id}`, { description: 'Needed after all' });
    await page.getByRole('button', { name: 'Delete server' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete server' }).click();
    await conflict.waitFor();
    await conflict.getByRole('button', { name: 'Take theirs' }).click();
    assert.equal(await page.getByLabel('Description').inputValue(), 'Needed after all');
    await rest(server, owner, 'GET', `${SERVERS}/${id}`);
  }));

  it('an owner allows an address where it was refused, and the refusal goes', () => withPage(async ({ page, console }) => {
    console.expect(refusedWith(400));
    await logIn(page, server, OWNER, '/admin/servers/new');
    await alive(page.locator('form.editor'), 'submit');
    await page.getByLabel('Display name').fill('Inside');
    const url = page.getByLabel('URL', { exact: true });
    await url.fill('http://127.0.0.1:9/mcp');
    await page.getByRole('button', { name: 'Save server' }).click();
    await page.getByRole('button', { name: 'Allow 127.0.0.1:9' }).click();
    await page.getByText('127.0.0.1:9 may be dialled now').waitFor();
    await until('the refusal goes', async () => (await url.getAttribute('aria-invalid')) === null);
    assert.equal(await page.locator('form.editor .notice.tone-danger').count(), 0);
    await page.getByRole('button', { name: 'Save server' }).click();
    await page.getByText('Inside is saved').waitFor();
  }));

  it('custom headers reach the server and never come back', () => withPage(async ({ page }) => {
    await logIn(page, server, OWNER, '/admin/servers/new');
    await alive(page.locator('form.editor'), 'submit');
    await page.getByLabel('Display name').fill('Headed');
    await page.getByLabel('URL', { exact: true }).fill(peer.url);
    await page.getByLabel('Authentication', { exact: true }).selectOption('custom_headers');
    await page.getByLabel('Header name').fill('X-First');
    await page.getByLabel('Header value').fill('first-s3cret');
    await page.getByRole('button', { name: 'Add header' }).click();
    await page.getByLabel('Header name').nth(1).fill('X-Second');
    await page.getByLabel('Header value').nth(1).fill('second-s3cret');
    // To another type and back.
    await page.getByLabel('Authentication', { exact: true }).selectOption('none');
    await page.getByLabel('Authentication', { exact: true }).selectOption('custom_headers');
    assert.equal(await page.getByLabel('Header name').nth(1).inputValue(), 'X-Second');
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByText('The server works with this configuration.').waitFor();
    const seen = peer.requests().at(-1).headers;
    assert.deepEqual([seen['x-first'], seen['x-second']], ['first-s3cret', 'second-s3cret']);
    await page.reload();
    await page.getByText('Stored ••••').waitFor();
    assert.ok(!/s3cret|X-First/.test(await page.content()), 'neither names nor values come back');
  }));

  it('an OAuth server is set up with a client made by hand', () => withPage(async ({ page, console }) => {
    console.expect(refusedWith(400));
    await logIn(page, server, OWNER, '/admin/servers/new');
    await alive(page.locator('form.editor'), 'submit');
    await page.getByLabel('Display name').fill('Delegated');
    await page.getByLabel('URL', { exact: true }).fill('https://mcp.example.com/mcp');
    await page.getByLabel('Authentication', { exact: true }).selectOption('oauth2');
    await page.getByText('Enter a client by hand').click();
    await page.getByLabel('Client ID').fill('client-1');
    await page.getByRole('button', { name: 'Save server' }).click();
    const token = page.getByLabel('Token URL');
    await until('what is missing is marked', async () => (await token.getAttribute('aria-invalid')) === 'true');
    await page.getByLabel('Authorization URL').fill('https://auth.example.com/authorize');
    await token.fill('https://auth.example.com/token');
    await page.getByLabel('Client secret').fill('client-s3cret');
    await page.getByRole('button', { name: 'Save server' }).click();
    await page.waitForURL(/\/admin\/servers\/[0-9a-f-]{36}$/);
    await page.getByText('Stored ••••').waitFor();
    assert.ok(!(await page.content()).includes('client-s3cret'));
    await token.fill('https://elsewhere.example.com/token');
    await page.getByText('This save removes: the client secret').waitFor();
  }));

  it('a server limited to a group is gone for those outside', () => withPage(async ({ page }) => {
    const group = await rest(server, owner, 'POST', '/api/v2/groups', { name: 'support' });
    const { id } = await register({ display_name: 'Limited', slug: 'limited', enabled: true, availability: 'force_on' });
    await openEditor(page, OWNER, id);
    await page.getByRole('group', { name: 'Groups' }).getByText('Everybody', { exact: true }).waitFor();
    await page.getByRole('checkbox', { name: /support/ }).check();
    await page.getByRole('button', { name: 'Save server' }).click();
    await page.getByText('Limited is saved').waitFor();
    assert.equal((await rest(server, owner, 'GET', `${SERVERS}/${id}`)).allowed_group_ids.length, 1);
    await page.goto(`${server.url}/admin/servers`);
    assert.match(await page.getByRole('row', { name: /Limited/ }).innerText(), /Only 1 group/);
    await withPage(async ({ page }) => {
      await logIn(page, server, MEMBER);
      const picker = await openPicker(page);
      assert.ok(!(await picker.innerText()).includes('Limited'));
    });
    // Inside the group it is there, locked on.
    await rest(server, owner, 'PATCH', `/api/v2/groups/${group.id}`, { add_users: [mina.id] });
    await withPage(async ({ page }) => {
      await logIn(page, server, MEMBER);
      const row = (await openPicker(page)).getByRole('listitem').filter({ hasText: 'Limited' });
      assert.match(await row.innerText(), /Always on/);
      assert.equal(await row.getByRole('switch').isDisabled(), true);
    });
  }));
});

describe('groups', () => {
  it('members join and leave at once', () => withPage(async ({ page }) => {
    const group = await rest(server, owner, 'POST', '/api/v2/groups', { name: 'crew', display_name: 'The crew' });
    await logIn(page, server, OWNER, `/admin/groups/${group.id}`);
    await page.getByText('Nobody is in this group').waitFor();
    const search = page.getByLabel('Add members');
    await alive(page.locator('form.inline-form'), 'submit');
    await search.fill('mina');
    await search.press('Enter');
    await page.getByRole('button', { name: 'Add mina' }).click();
    await page.getByRole('heading', { name: 'Members (1)' }).waitFor();
    await page.getByRole('list', { name: 'Users found' }).getByText('Member', { exact: true }).waitFor();
    const ids = async () => (await rest(server, owner, 'GET', `/api/v2/groups/${group.id}`)).members.map((member) => member.id);
    assert.deepEqual(await ids(), [mina.id]);
    await page.getByRole('button', { name: 'Remove member mina' }).click();
    await page.getByRole('dialog', { name: 'Remove mina?' }).getByRole('button', { name: 'Remove member' }).click();
    await page.getByRole('heading', { name: 'Members (0)' }).waitFor();
    assert.deepEqual(await ids(), []);
  }));

  it('one that limits a server says which, and is deleted when none is left', () => withPage(async ({ page }) => {
    const group = await rest(server, owner, 'POST', '/api/v2/groups', { name: 'keepers', display_name: 'Keepers' });
    const { id } = await register({ display_name: 'Kept', slug: 'kept', allowed_group_ids: [group.id] });
    await logIn(page, server, OWNER, '/admin/groups');
    const remove = page.getByRole('button', { name: 'Delete group Keepers' });
    await alive(remove, 'click');
    await remove.click();
    const dialog = page.getByRole('dialog', { name: 'Delete Keepers?' });
    const link = dialog.getByRole('link', { name: 'Kept' });
    await link.waitFor();
    assert.match(await dialog.innerText(), /cannot be deleted yet/);
    assert.equal(await dialog.getByRole('button', { name: 'Delete group' }).isDisabled(), true);
    await link.click();
    await page.waitForURL(`${server.url}/admin/servers/${id}`);
    await rest(server, owner, 'PATCH', `${SERVERS}/${id}`, { allowed_group_ids: [] });
    await page.goto(`${server.url}/admin/groups`);
    await alive(remove, 'click');
    await remove.click();
    await dialog.getByRole('button', { name: 'Delete group' }).click();
    await page.getByRole('row', { name: /Keepers/ }).waitFor({ state: 'detached' });
  }));
});

describe('explanations', () => {
  it('tick and cross what decides, beside the name that was asked about', () => withPage(async ({ page }) => {
    const group = await rest(server, owner, 'POST', '/api/v2/groups', { name: 'insiders' });
    const { id } = await register({ display_name: 'Explained', slug: 'explained', enabled: true, availability: 'default_on', allowed_group_ids: [group.id] });
    await openEditor(page, OWNER, id);
    const section = page.getByRole('region', { name: 'Why can somebody use this?' });
    await section.getByLabel('User').fill('mina');
    await section.getByLabel('User').press('Enter');
    const explain = section.getByRole('button', { name: 'Explain for mina' });
    await explain.waitFor();
    const [name, press] = await Promise.all([section.getByText(`mina · ${MEMBER.email}`).boundingBox(), explain.boundingBox()]);
    assert.ok(press.x >= name.x + name.width, 'the button stands behind the name');
    await explain.click();
    const explanation = section.getByTestId('explanation');
    await explanation.waitFor();
    assert.match(await explanation.innerText(), /The next turn does not use this server\.[\s\S]*this user is in none of them/);
    assert.equal(await explanation.locator('.step.tone-danger').count(), 1, 'one cross');
    assert.ok((await explanation.locator('.step.tone-ok').count()) >= 2, 'and ticks');
    // It came into view, and not under the bar.
    const bar = page.locator('.action-bar');
    await until('the verdict is above the bar', async () => {
      const [verdict, edge] = await Promise.all([section.locator('.explanation-verdict').boundingBox(), bar.boundingBox()]);
      return verdict.y >= 0 && verdict.y + verdict.height <= edge.y;
    });
    await section.getByRole('button', { name: 'Explain for me' }).click();
    await until('the owner is explained', async () => /The next turn uses this server\.[\s\S]*your role opens every server/.test(await explanation.innerText()));
  }));
});

describe('an import', () => {
  it('reads a chosen file, shows it in the words of the editor, and does what it showed', () => withPage(async ({ page }) => {
    const text = ['patchbay: 1', 'servers:', '  - slug: from-file', '    display_name: From a file', '    transport: streamable_http',
      '    url: https://mcp.example.com/file', '    auth_type: none', '    availability: default_on', '    tool_deny_list: ["delete_*"]', ''].join('\n');
    await logIn(page, server, OWNER, '/admin/servers/import');
    const file = page.getByLabel('File');
    await alive(file, 'change');
    await file.setInputFiles({ name: 'servers.yaml', mimeType: 'application/yaml', buffer: Buffer.from(text) });
    await until('the document holds the file', async () => (await page.getByLabel('Document').inputValue()) === text);
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByRole('heading', { name: 'Plan' }).waitFor();
    const plan = await page.locator('.import-plan').innerText();
    assert.match(plan, /Create\s+from-file[\s\S]*Display name\s+From a file[\s\S]*Denied tools\s+delete_\*[\s\S]*Availability\s+On by default/);
    assert.doesNotMatch(plan, /[a-z]_[a-z]+\n/, 'no names of the wire');
    await page.getByRole('button', { name: 'Create 1 server' }).click();
    await page.getByRole('heading', { name: 'What was done' }).waitFor();
    const made = (await rest(server, owner, 'GET', SERVERS)).find((entry) => entry.slug === 'from-file');
    assert.deepEqual([made.availability, made.tool_deny_list], ['default_on', ['delete_*']]);
  }));
});
