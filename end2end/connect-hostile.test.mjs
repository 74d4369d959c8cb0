// Connecting to somebody hostile: what a provider says in its answer, what a server names as its provider, and an attacker who has
// somebody else go through his sign-in.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { alive } from './lib/alive.mjs';
import { startBrowser, withPage as withPageOf } from './lib/browser.mjs';
import { caughtAnswer, consent, registerByUrl } from './lib/connect.mjs';
import { PAYLOADS, assertHarmless, watchIncidents } from './lib/hostile.mjs';
import { logIn, logInByRest, makeOwner, rest } from './lib/people.mjs';
import { startPeer } from './lib/peer.mjs';
import { startServer } from './lib/server.mjs';
import { startOauthProvider, startProtectedMcp } from './oauth/peers.mjs';

const SERVERS = '/api/experimental/mcp/servers';

let provider, resource, liar, server, browser, owner, protectedId;
before(async () => {
  [provider, liar] = await Promise.all([startOauthProvider(), startLiar()]);
  resource = await startProtectedMcp(provider);
  server = await startServer({ allow: [provider.host, resource.host, liar.host] });
  owner = await makeOwner(server);
  ({ id: protectedId } = await registerByUrl(server, owner, 'Protected', resource.url));
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all([resource?.stop(), provider?.stop(), liar?.stop()]);
});

const withPage = (use, options) => withPageOf(browser, use, options);
async function person(name, roles) {
  const who = { email: `${name}@example.org`, username: name, name, password: 'another long password' };
  await rest(server, owner, 'POST', '/api/v2/users', { ...who, ...(roles && { roles }) });
  return who;
}
const address = (path) => `${server.url}${SERVERS}/${protectedId}/oauth2/${path}`;
const tokenRequests = async () => (await provider.tokenRequests('authorization_code')).length;
const answersOf = (token) => rest(server, token, 'GET', `${SERVERS}/${protectedId}`);

/** Begins a sign-in as the page's person and gives where the browser would be sent. */
async function begin(page) {
  const answer = await page.request.get(address('connect'), { maxRedirects: 0 });
  assert.equal(answer.status(), 307);
  return answer.headers().location;
}

describe('the page at the end of a sign-in', () => {
  /** Every element of the page by name: with hostile text it is the same as with harmless text. */
  const skeleton = (page) => page.evaluate(() => [...document.querySelectorAll('*')].map(({ tagName }) => tagName).join(' '));
  const links = (page) => page.locator('a').evaluateAll((all) => all.map((link) => [link.textContent, link.getAttribute('href')]));

  /** Names take no line breaks. */
  const nameOf = (text) => text.replaceAll('\u2028', ' ');

  /** Opens the answer page as the provider's words make it. */
  async function refused(page, words) {
    const state = new URL(await begin(page)).searchParams.get('state');
    const query = Object.entries({ state, iss: provider.issuer, ...words }).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    await page.goto(`${address('callback')}?${query.join('&')}`);
    await page.getByRole('heading', { name: 'Not connected' }).waitFor();
    return skeleton(page);
  }

  it('shows 40 hostile errors, descriptions and names as text: nothing runs, asks or complains', () => withPage(async (opened) => {
    const { page, console } = opened;
    await logIn(page, server, await person('xena'), '/account');
    console.expect(/status of 400/);
    const incidents = watchIncidents(page, server.url);
    const plain = await refused(page, { error: 'temporarily_unavailable', error_description: 'later' });
    const said = () => page.locator('main p').first().textContent();
    for (const payload of PAYLOADS) {
      const { display_name } = await rest(server, owner, 'PATCH', `${SERVERS}/${protectedId}`, { display_name: nameOf(payload) });
      for (const words of [{ error: payload, error_description: payload }, { error: payload }]) {
        assert.equal(await refused(page, words), plain, payload);
        assert.equal(await said(), `The provider refused the sign-in. It says: “${quoted(payload)}”`);
        assert.equal(await page.locator('main bdi').textContent(), display_name);
        assert.deepEqual(await links(page), [['Start again', `${address('connect').slice(server.url.length)}?return_to=%2F`], ['Back to Patchbay', '/']]);
        await assertHarmless(opened, incidents, payload);
      }
    }
    assert.equal(PAYLOADS.length, 40);
  }));

  it('shows 40 hostile names as text where the sign-in succeeds, too', () => withPage(async (opened) => {
    const { page } = opened;
    await logIn(page, server, await person('suki'), '/account');
    const incidents = watchIncidents(page, server.url);
    let plain;
    for (const name of ['Harmless', ...PAYLOADS]) {
      const { display_name } = await rest(server, owner, 'PATCH', `${SERVERS}/${protectedId}`, { display_name: nameOf(name) });
      await page.goto(await signedIn(page));
      assert.equal(await page.getByRole('heading', { level: 1 }).textContent(), `${display_name} is connected`);
      plain ??= await skeleton(page);
      assert.equal(await skeleton(page), plain, name);
      assert.deepEqual(await links(page), [['Back to Patchbay', '/']]);
      await assertHarmless(opened, incidents, name);
    }
    await rest(server, owner, 'PATCH', `${SERVERS}/${protectedId}`, { display_name: 'Protected' });
  }));

  /** The whole way through the provider without a page; gives the answer that would bring the browser back. */
  async function signedIn(page) {
    let answer = await page.request.get(await begin(page));
    if ((await answer.text()).includes('Who are you?')) answer = await page.request.post(answer.url(), { form: { login: 'suki' } });
    answer = await page.request.post(answer.url(), { form: {}, maxRedirects: 0 });
    while (!answer.headers().location.includes('/oauth2/callback?')) answer = await page.request.get(answer.headers().location, { maxRedirects: 0 });
    return answer.headers().location;
  }

  /** As the server writes somebody else's words: on one line, with a sign for what cannot be seen and turns the order of letters. */
  function quoted(text) {
    return text.replace(/[\n\r\v\f\u0085\u2028\u2029]/g, ' ').replace(/[\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
  }
});

describe('a sign-in that somebody else goes through', () => {
  it('links nothing for either, whether the victim is signed in here or not', () => withPage(async ({ page: attacker }) => {
    const mallory = await person('mallory');
    await logIn(attacker, server, mallory, '/account');
    const before = await tokenRequests();
    const tokens = [await logInByRest(server, mallory)];
    for (const [name, says] of [['vic', 'The sign-in could not be verified'], [null, 'Sign in first']]) {
      // What the attacker hands on: the provider's own page, with the attacker's state in its address.
      const trap = await begin(attacker);
      assert.ok(trap.startsWith(provider.issuer), trap);
      await withPage(async ({ page: victim, console }) => {
        console.expect(/status of 40[13]/);
        if (name) {
          const who = await person(name);
          await logIn(victim, server, who, '/account');
          tokens.push(await logInByRest(server, who));
        }
        await victim.goto(trap);
        await consent(victim, 'victim');
        await victim.getByRole('heading', { name: says }).waitFor();
        assert.match(victim.url(), /\/oauth2\/callback\?/);
        assert.equal(await victim.locator('script').count(), 0);
        assert.doesNotMatch(await victim.content(), /mallory/);
      });
    }
    assert.equal(await tokenRequests(), before, 'no token was asked for');
    for (const token of tokens) assert.equal((await answersOf(token)).auth_status, 'not_connected');
    const noted = await rest(server, owner, 'GET', '/api/v2/audit?action=access.oauth_foreign_flow');
    assert.ok(JSON.stringify(noted).includes('vic'), 'the audit log knows who it was tried on');
    // The attacker's own sign-in is not used up by that; only his own account comes of it.
    await attacker.goto(await begin(attacker));
    await attacker.goto(await caughtAnswer(attacker, 'mallory-himself'));
    await attacker.getByRole('heading', { name: 'Protected is connected' }).waitFor();
    assert.deepEqual(await Promise.all(tokens.map(async (token) => (await answersOf(token)).auth_status)), ['connected', 'not_connected']);
  }));
});

describe('a server that names a hostile provider', () => {
  const URLS = [
    'javascript:alert(1)', 'JaVaScRiPt://x/%0aalert(1)', 'vbscript:alert(1)', 'data:text/html,<script>alert(1)</script>', 'file:///etc/passwd',
    'https://admin:secret@id.example/x', 'https://id.example@evil.example/x', 'https://id.example/\u202egnp.exe', 'https://id.example/"><img src=x onerror=alert(1)>',
    'https://id.example/$(id)',
  ];
  const PLACES = ['resource_metadata', 'authorization_servers', 'authorization_endpoint', 'token_endpoint', 'registration_endpoint', 'revocation_endpoint'];

  for (const place of PLACES) {
    // Only the challenge is a header, which carries no such marks.
    const urls = URLS.filter((url) => place !== 'resource_metadata' || !url.includes('\u202e'));

    // One admin for each: a person has ten discoveries a minute.
    it(`is not saved with a hostile ${place}, and the report is text`, () => withPage(async (opened) => {
      const { page, console } = opened;
      console.expect(/status of 400/);
      await logIn(page, server, await person(`admin-${place.replaceAll('_', '-')}`, ['admin']), '/admin/servers/new');
      const incidents = watchIncidents(page, server.url);
      await alive(page.locator('form.editor'), 'submit');
      await page.getByLabel('Display name').fill('Hostile');
      await page.getByLabel('Authentication').selectOption({ label: 'OAuth 2' });
      const failed = page.getByTestId('discovery-failed');
      for (const [index, url] of urls.entries()) {
        liar.lies(place, url);
        const server = `${liar.url}/${index}`;
        await page.getByLabel('URL', { exact: true }).fill(server);
        await page.getByRole('button', { name: 'Save server' }).click();
        await failed.getByText(server, { exact: true }).waitFor();
        const text = await failed.innerText();
        assert.match(text, /Discovery stopped at an address/);
        if (place === 'resource_metadata') await failed.locator('.candidate-url').getByText(url, { exact: true }).waitFor();
        else assert.match(text, new RegExp(`its ${place} cannot be used: `));
        // Neither a link to it nor a form that is filled in with it.
        assert.deepEqual([await failed.locator('a').count(), await failed.getByRole('button').count()], [0, 0], text);
        await assertHarmless(opened, incidents, url);
      }
      assert.match(page.url(), /\/admin\/servers\/new$/);
      assert.deepEqual((await rest(server, owner, 'GET', SERVERS)).map(({ slug }) => slug), ['protected'], 'nothing is saved');
      assert.deepEqual(liar.asked.filter((path) => !path.startsWith('/mcp') && !path.startsWith('/.well-known/')), [], 'nothing else was asked');
    }));
  }
});

/** A protected server and its provider, of which one address at a time is a lie. */
async function startLiar() {
  let lie = {};
  const asked = [];
  const peer = await startPeer((request, tell) => {
    const { url } = request;
    const origin = `http://${request.headers.host}`;
    const or = (place, honest) => (lie.place === place ? lie.url : honest);
    asked.push(url);
    if (url.startsWith('/mcp')) {
      const named = or('resource_metadata', `${origin}/.well-known/oauth-protected-resource/mcp`).replaceAll('"', '\\"');
      return tell(401, {}, { 'www-authenticate': `Bearer resource_metadata="${named}"` });
    }
    if (url.startsWith('/.well-known/oauth-protected-resource') && lie.place !== 'resource_metadata') {
      return tell(200, { resource: `${origin}/mcp`, authorization_servers: [or('authorization_servers', origin)] });
    }
    if (url === '/.well-known/oauth-authorization-server' && lie.place !== 'resource_metadata') {
      return tell(200, {
        issuer: origin,
        authorization_endpoint: or('authorization_endpoint', `${origin}/authorize`),
        token_endpoint: or('token_endpoint', `${origin}/token`),
        registration_endpoint: or('registration_endpoint', `${origin}/register`),
        revocation_endpoint: or('revocation_endpoint', `${origin}/revoke`),
        response_types_supported: ['code'], code_challenge_methods_supported: ['S256'],
      });
    }
    return tell(404, {});
  });
  return {
    ...peer,
    asked,
    lies: (place, url) => void (lie = { place, url }),
  };
}
