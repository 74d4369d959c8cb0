// How an admin sets up OAuth in the editor: what is found by itself, what is said when nothing is, and the way on by hand.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { alive } from './lib/alive.mjs';
import { startBrowser, withPage as withPageOf } from './lib/browser.mjs';
import { connect, connectLink, registerByUrl } from './lib/connect.mjs';
import { startEverything } from './lib/everything.mjs';
import { OWNER, logIn, makeOwner, rest } from './lib/people.mjs';
import { startPeer } from './lib/peer.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/wait.mjs';
import { startOauthProvider, startProtectedMcp } from './oauth/peers.mjs';

const SERVERS = '/api/experimental/mcp/servers';

let provider, moved, resource, everything, misnamed, server, browser, owner;
before(async () => {
  [provider, moved, everything, misnamed] = await Promise.all([startOauthProvider(), startOauthProvider(), startEverything(), startMisnamed()]);
  resource = await startProtectedMcp(provider);
  server = await startServer({ allow: [provider.host, moved.host, resource.host, everything.host, misnamed.host] });
  owner = await makeOwner(server);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all([resource?.stop(), provider?.stop(), moved?.stop(), everything?.stop(), misnamed?.stop()]);
});

const withPage = (use, options) => withPageOf(browser, use, options);
const stored = async () => (await rest(server, owner, 'GET', SERVERS)).map(({ slug }) => slug);

async function fillNew(page, name, url) {
  await logIn(page, server, OWNER, '/admin/servers/new');
  await alive(page.locator('form.editor'), 'submit');
  await page.getByLabel('Display name').fill(name);
  await page.getByLabel('URL', { exact: true }).fill(url);
  await page.getByLabel('Authentication').selectOption({ label: 'OAuth 2' });
}
const save = (page) => page.getByRole('button', { name: 'Save server' }).click();

describe('finding the provider', () => {
  it('a server without one is not stored, and the form lists what was asked', () => withPage(async ({ page, console }) => {
    console.expect(/status of 400/);
    await fillNew(page, 'Open', everything.url);
    await save(page);
    const failed = page.getByTestId('discovery-failed');
    await failed.waitFor();
    const rows = await failed.getByTestId('candidates').getByRole('listitem').allInnerTexts();
    assert.ok(rows.length >= 3, rows.join('\n'));
    const at = (path) => rows.find((row) => row.includes(path)) ?? assert.fail(`${path}: ${rows.join('\n')}`);
    assert.match(at(everything.url), /the server itself/);
    assert.match(at('/.well-known/oauth-protected-resource'), /Not used · what the server publishes · 404/);
    await until('the keyboard is there', () => failed.evaluate((node) => node.contains(document.activeElement)));
    assert.equal(await page.getByLabel('Display name').inputValue(), 'Open', 'nothing typed is lost');
    assert.match(page.url(), /\/new$/);
    assert.deepEqual(await stored(), []);
    // With another URL it is found, and the list goes.
    await page.getByLabel('URL', { exact: true }).fill(resource.url);
    await save(page);
    await page.getByText('Open is saved').waitFor();
    assert.equal(await failed.count(), 0);
    assert.deepEqual(await stored(), ['open']);
  }));

  it('looking again shows first what would change', () => withPage(async ({ page }) => {
    const { id } = await registerByUrl(server, owner, 'Again', resource.url);
    await logIn(page, server, OWNER, `/admin/servers/${id}`);
    const facts = page.getByTestId('oauth-facts');
    assert.equal(await facts.getByTestId('stored-redirect-uri').innerText(), `${server.url}${SERVERS}/${id}/oauth2/callback`);
    const button = facts.getByRole('button', { name: 'Run discovery again' });
    await alive(button, 'click');
    await button.click();
    const dialog = page.getByRole('dialog', { name: 'What the provider offers' });
    const report = dialog.getByTestId('discovery-report');
    await report.getByText('Nothing: it is stored like this already.').waitFor();
    const text = await report.innerText();
    assert.match(text, new RegExp(`Issuer\\s+${provider.issuer}\\s`));
    assert.match(text, /Client\s+Registered automatically/);
    assert.equal(await dialog.getByRole('button', { name: 'Apply' }).count(), 0);
    await report.getByText(/^What was asked \(\d+\)$/).click();
    assert.ok((await report.getByRole('listitem').filter({ hasText: 'Used' }).count()) >= 2);
    await dialog.getByText('Close', { exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });
    // What is typed is not stored, and discovery works on what is.
    await page.getByLabel('Description').fill('Something else');
    assert.ok(await button.isDisabled());
    await facts.getByText('Save your changes first').waitFor();
  }));

  it('a server that moved to another provider is set up anew by Apply, after it was said who has to connect again', () => withPage(async ({ page }) => {
    const { id } = await registerByUrl(server, owner, 'Drifted', resource.url);
    await logIn(page, server, OWNER, '/account');
    const row = page.getByTestId('own-connection').filter({ hasText: 'Drifted' });
    await connect(connectLink(row), 'olive');
    await row.getByText('Connected', { exact: true }).waitFor();
    const { host } = resource;
    await resource.stop();
    resource = await startProtectedMcp(moved, { listen: host });
    await page.goto(`${server.url}/admin/servers/${id}`);
    const facts = page.getByTestId('oauth-facts');
    const button = facts.getByRole('button', { name: 'Run discovery again' });
    await alive(button, 'click');
    await button.click();
    const dialog = page.getByRole('dialog', { name: 'What the provider offers' });
    const report = dialog.getByTestId('discovery-report');
    await report.getByText('1 user has to connect again.').waitFor();
    const changes = await report.locator('.import-changes').innerText();
    assert.match(changes, new RegExp(`Issuer[\\s\\S]*${provider.issuer}[\\s\\S]*${moved.issuer}`));
    assert.match(changes, /Token URL/);
    const of = async () => (await rest(server, owner, 'GET', `${SERVERS}/${id}`)).oauth2_issuer;
    assert.equal(await of(), provider.issuer, 'so far it was only looked at');
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('What was found is stored. 1 user has to connect again').waitFor();
    await dialog.waitFor({ state: 'hidden' });
    await facts.getByText(moved.issuer, { exact: true }).waitFor();
    assert.equal(await of(), moved.issuer);
    // The registration at the new provider is another one.
    assert.equal((await moved.control()).events.filter(({ event }) => event === 'registration_create.success').length, 1);
    await page.goto(`${server.url}/account`);
    await connect(connectLink(row), 'olive');
    await row.getByText('Connected', { exact: true }).waitFor();
  }));
});

describe('a provider that names itself differently', () => {
  it('is not believed; the way on by hand is filled in, and waits for the admin to confirm the issuer', () => withPage(async ({ page, console }) => {
    console.expect(/status of 400/);
    await fillNew(page, 'Misnamed', misnamed.url);
    await save(page);
    const failed = page.getByTestId('discovery-failed');
    await failed.waitFor();
    const issuers = failed.getByTestId('issuers');
    assert.deepEqual(await issuers.locator('code').allInnerTexts(), [`http://${misnamed.host}`, misnamed.named], 'one above the other');
    assert.deepEqual(await issuers.locator('mark').allInnerTexts(), ['', '/tenant'], 'what differs is marked');
    await issuers.getByText('nothing is needed there, “/tenant” is published').waitFor();
    assert.ok(!(await stored()).includes('misnamed'));
    await failed.getByRole('button', { name: 'Set up by hand with what the provider published' }).click();
    await page.getByText('Check that this is your provider').waitFor();
    assert.equal(await page.getByLabel('Authorization URL').inputValue(), `${misnamed.named}/authorize`);
    assert.equal(await page.getByLabel('Token URL').inputValue(), `${misnamed.named}/token`);
    assert.equal(await page.getByLabel('Issuer', { exact: true }).inputValue(), misnamed.named);
    await page.getByTestId('redirect-later').getByText('You have none yet').waitFor();
    await page.getByLabel('Client ID').fill('patchbay-by-hand');
    await save(page);
    await page.getByText('Check that this is your provider and confirm it below.').waitFor();
    assert.ok(!(await stored()).includes('misnamed'), 'not without a word from the admin');
    await page.getByRole('button', { name: 'It is my provider' }).click();
    await save(page);
    await page.getByText('Misnamed is saved').waitFor();
    const saved = (await rest(server, owner, 'GET', SERVERS)).find(({ slug }) => slug === 'misnamed');
    assert.deepEqual([saved.oauth2_registration, saved.oauth2_client_id, saved.oauth2_issuer], ['manual', 'patchbay-by-hand', misnamed.named]);
    // Now that the server has an id, whoever makes the client learns what to register.
    assert.equal(await page.getByTestId('redirect-uri').innerText(), `${server.url}${SERVERS}/${saved.id}/oauth2/callback`);
  }));
});

/** A protected server whose provider publishes another issuer than the one it was asked as. */
async function startMisnamed() {
  const peer = await startPeer((request, tell) => {
    const origin = `http://${request.headers.host}`;
    const named = `${origin}/tenant`;
    if (request.url === '/mcp') return tell(401, {}, { 'www-authenticate': `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"` });
    if (request.url === '/.well-known/oauth-protected-resource/mcp') return tell(200, { resource: `${origin}/mcp`, authorization_servers: [origin] });
    if (request.url === '/.well-known/oauth-authorization-server') {
      return tell(200, {
        issuer: named, authorization_endpoint: `${named}/authorize`, token_endpoint: `${named}/token`,
        response_types_supported: ['code'], code_challenge_methods_supported: ['S256'],
      });
    }
    return tell(404, {});
  });
  return {
    ...peer,
    named: `http://${peer.host}/tenant`,
  };
}
