// An OAuth server in the panel: the admin's own connection, those of others and their end, another provider, another registration.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { alive } from './lib/alive.mjs';
import { openPage, startBrowser, withPage as withPageOf } from './lib/browser.mjs';
import { connect, connectLink, registerByUrl } from './lib/connect.mjs';
import { OWNER, logIn, logInByRest, makeOwner, rest } from './lib/people.mjs';
import { startPeer } from './lib/peer.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';
import { startOauthProvider, startProtectedMcp } from './oauth/peers.mjs';

const SERVERS = '/api/experimental/mcp/servers';
const MEMBER = { email: 'mina@example.org', username: 'mina', name: 'Mina Member', password: 'another long password' };

let provider, other, resource, several, server, browser, owner;
before(async () => {
  [provider, other] = await Promise.all([startOauthProvider(), startOauthProvider()]);
  [resource, several] = await Promise.all([startProtectedMcp(provider), startOfSeveral([provider.issuer, other.issuer])]);
  server = await startServer({ allow: [provider.host, other.host, resource.host, several.host] });
  owner = await makeOwner(server);
  await rest(server, owner, 'POST', '/api/v2/users', MEMBER);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all([resource?.stop(), provider?.stop(), other?.stop(), several?.stop()]);
});

const withPage = (use, options) => withPageOf(browser, use, options);
/** The member connects on the account page of their own. */
const memberConnects = (name) => withPage(async ({ page }) => {
  await logIn(page, server, MEMBER, '/account');
  const row = page.getByTestId('own-connection').filter({ hasText: name });
  await connect(connectLink(row), 'mina');
  await row.getByText('Connected', { exact: true }).waitFor();
});

/** On a wide screen and on a phone nothing is wider than its place. */
async function fitsEverywhere(page, what, within) {
  const size = page.viewportSize();
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 860 });
    const [whole, place] = await within.evaluate((node) => [node.scrollWidth, node.clientWidth]);
    assert.ok(whole <= place, `${what}: ${whole} px in ${place} of a window of ${width}`);
  }
  await page.setViewportSize(size);
}

describe('the connections of a server', () => {
  const step = steps();
  let id, context, page, console, connections;
  before(async () => {
    ({ id } = await registerByUrl(server, owner, 'Protected', resource.url));
    ({ context, page, console } = await openPage(browser));
    await logIn(page, server, OWNER, `/admin/servers/${id}`);
    connections = page.getByRole('region', { name: 'Connections' });
  });
  after(() => context?.close());

  const row = (name) => connections.getByRole('row').filter({ has: page.getByRole('cell', { name, exact: true }) });
  const status = async () => (await rest(server, await logInByRest(server, MEMBER), 'GET', `${SERVERS}/${id}`)).auth_status;
  const grants = async () => (await provider.control()).grants;

  step('list the admin who connects to test', async () => {
    await connections.getByText('Nobody is connected yet.').waitFor();
    await connect(connectLink(connections), 'olive');
    await row('owner').getByText('Connected', { exact: true }).waitFor();
    await row('owner').getByText(/now|second/).waitFor();
    assert.equal(await connections.getByRole('row').count(), 2, 'and the head');
    assert.equal(await connections.getByRole('button', { name: /^Disconnect all/ }).count(), 0, 'one is not all');
    console.assertQuiet();
  });

  step('say what was granted, and that it lasts', async () => {
    await connections.getByLabel('Connected to Protected: show what can be done').click();
    const granted = connections.getByTestId('granted');
    await granted.waitFor();
    assert.deepEqual(await granted.locator('code').allInnerTexts(), ['mcp:tools'], 'as the provider says it');
    assert.match(await granted.innerText(), /^Granted: [\s\S]*Stays connected\.$/);
    await fitsEverywhere(page, 'granted', connections);
    console.assertQuiet();
  });

  step('end for one user, who has to connect again', async () => {
    await memberConnects('Protected');
    await page.reload();
    const button = row('mina').getByRole('button', { name: 'Disconnect mina' });
    await alive(button, 'click');
    assert.equal(await grants(), 2);
    await button.click();
    const sure = page.getByRole('dialog', { name: 'Disconnect mina?' });
    await sure.getByText(/^This user's sign-in is deleted here and given back to the provider\./).waitFor();
    await sure.getByRole('button', { name: 'Disconnect', exact: true }).click();
    await row('mina').waitFor({ state: 'detached' });
    await row('owner').getByText('Connected', { exact: true }).waitFor();
    assert.equal(await status(), 'not_connected');
    await until('it is given back', async () => (await grants()) === 1);
    console.assertQuiet();
  });

  step('end for all, the admin too', async () => {
    await memberConnects('Protected');
    await page.reload();
    const button = connections.getByRole('button', { name: 'Disconnect all 2 users' });
    await alive(button, 'click');
    await button.click();
    const sure = page.getByRole('dialog', { name: 'Disconnect all 2 users?' });
    await sure.getByText(/^The sign-ins of 2 users are deleted here and given back to the provider\./).waitFor();
    await sure.getByRole('button', { name: 'Disconnect all', exact: true }).click();
    await page.getByText('All are disconnected').waitFor();
    await connections.getByText('Nobody is connected yet.').waitFor();
    assert.equal(await connectLink(connections).innerText(), 'Connect');
    assert.equal(await status(), 'not_connected');
    await until('all are given back', async () => (await grants()) === 0);
    console.assertQuiet();
  });
});

describe('a server whose resource names several providers', () => {
  const step = steps();
  let id, context, page, console, facts, dialog, report;
  before(async () => {
    ({ id } = await registerByUrl(server, owner, 'Several', several.url));
    ({ context, page, console } = await openPage(browser));
    await memberConnects('Several');
    await logIn(page, server, OWNER, `/admin/servers/${id}`);
    facts = page.getByTestId('oauth-facts');
    dialog = page.getByRole('dialog', { name: 'What the provider offers' });
    report = dialog.getByTestId('discovery-report');
  });
  after(() => context?.close());

  const stored = () => rest(server, owner, 'GET', `${SERVERS}/${id}`);
  const registrations = async (provider) => (await provider.control()).events.filter(({ event }) => event === 'registration_create.success').length;
  async function press(name) {
    const button = facts.getByRole('button', { name });
    await alive(button, 'click');
    await button.click();
    await dialog.waitFor();
  }

  step('offers them, and shows what the other one would change', async () => {
    await press('Run discovery again');
    await report.getByText('Nothing: it is stored like this already.').waitFor();
    const choice = dialog.getByLabel('Authorization server');
    assert.equal(await choice.getAttribute('id'), 'discovered-issuer');
    assert.deepEqual(await choice.locator('option').allInnerTexts(), [provider.issuer, other.issuer]);
    assert.equal(await choice.inputValue(), provider.issuer);
    await choice.selectOption(other.issuer);
    await report.getByText('1 user has to connect again.').waitFor();
    assert.equal(await choice.inputValue(), other.issuer);
    const changes = await report.locator('.import-changes').innerText();
    for (const [what, path] of [['Issuer', ''], ['Authorization URL', '/auth'], ['Token URL', '/token']]) {
      assert.match(changes, new RegExp(`${what}[\\s\\S]*${provider.issuer}${path}[\\s\\S]*${other.issuer}${path}`));
    }
    assert.equal((await stored()).oauth2_issuer, provider.issuer, 'so far it was only looked at');
    assert.equal(await registrations(other), 0);
    await fitsEverywhere(page, 'several', dialog);
    console.assertQuiet();
  });

  step('takes the chosen one with Apply', async () => {
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('What was found is stored. 1 user has to connect again').waitFor();
    await dialog.waitFor({ state: 'hidden' });
    await facts.getByText(other.issuer, { exact: true }).waitFor();
    const { oauth2_issuer, oauth2_token_url, oauth2_registration } = await stored();
    assert.deepEqual([oauth2_issuer, oauth2_token_url, oauth2_registration], [other.issuer, `${other.issuer}/token`, 'dcr']);
    assert.equal(await registrations(other), 1);
    // It stays with that one, though the server names the other first.
    await press('Run discovery again');
    await report.getByText('Nothing: it is stored like this already.').waitFor();
    assert.equal(await dialog.getByLabel('Authorization server').inputValue(), other.issuer);
    await dialog.getByText('Close', { exact: true }).click();
    await memberConnects('Several');
    console.assertQuiet();
  });

  step('is registered again, after it was said who has to connect again', async () => {
    const before = await stored();
    await page.reload();
    await fitsEverywhere(page, 'facts', facts);
    await press('Register again');
    await report.getByText('1 user has to connect again.').waitFor();
    assert.equal((await stored()).oauth2_client_id, before.oauth2_client_id, 'so far it was only looked at');
    await fitsEverywhere(page, 'register', dialog);
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('What was found is stored. 1 user has to connect again').waitFor();
    await dialog.waitFor({ state: 'hidden' });
    const after = await stored();
    assert.equal(after.oauth2_issuer, other.issuer);
    assert.notEqual(after.oauth2_client_id, before.oauth2_client_id);
    await facts.getByText(after.oauth2_client_id, { exact: true }).waitFor();
    assert.equal(await registrations(other), 2);
    await memberConnects('Several');
    console.assertQuiet();
  });

  step('has no such button once its client is entered by hand', async () => {
    await rest(server, owner, 'PATCH', `${SERVERS}/${id}`, { oauth2_client_id: 'by-hand' });
    await page.reload();
    await alive(facts.getByRole('button', { name: 'Run discovery again' }), 'click');
    assert.equal(await facts.getByRole('button', { name: 'Register again' }).count(), 0);
    console.assertQuiet();
  });
});

/** A protected server that publishes more than one authorization server. */
async function startOfSeveral(authorization_servers) {
  return startPeer((request, tell) => {
    const origin = `http://${request.headers.host}`;
    const metadata = '/.well-known/oauth-protected-resource/mcp';
    if (request.url === '/mcp') return tell(401, {}, { 'www-authenticate': `Bearer resource_metadata="${origin}${metadata}"` });
    if (request.url === metadata) return tell(200, { resource: `${origin}/mcp`, authorization_servers, scopes_supported: ['mcp:tools'] });
    return tell(404, {});
  });
}
