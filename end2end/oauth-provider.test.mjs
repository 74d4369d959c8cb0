// The peers of the sign-in tests, walked by hand as Patchbay and a person walk them. If these fail, do not look at Patchbay first.

import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { until } from './lib/wait.mjs';
import { startOauthProvider, startProtectedMcp } from './oauth/peers.mjs';

const REDIRECT = `http://127.0.0.1:3000/api/experimental/mcp/servers/${randomUUID()}/oauth2/callback`;
const SCOPE = 'mcp:tools offline_access';

describe('oidc-provider and the protected server', () => {
  let provider;
  let resource;
  let metadata;
  before(async () => {
    provider = await startOauthProvider();
    resource = await startProtectedMcp(provider, { toolScopes: 'create_ticket=tickets:write' });
    metadata = await discovered(provider);
  });
  after(async () => {
    await resource?.stop();
    await provider?.stop();
  });

  it('publishes what a client must find', async () => {
    assert.equal(metadata.issuer, provider.issuer);
    assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
    assert.equal(metadata.authorization_response_iss_parameter_supported, true);
    for (const name of ['authorization_endpoint', 'token_endpoint', 'registration_endpoint', 'revocation_endpoint']) {
      assert.ok(metadata[name]?.startsWith(`${provider.issuer}/`), name);
    }
    for (const method of ['client_secret_basic', 'client_secret_post', 'none']) {
      assert.ok(metadata.token_endpoint_auth_methods_supported.includes(method), method);
    }
    assert.ok(metadata.scopes_supported.includes('offline_access'));
    const refused = await call(resource);
    assert.equal(refused.status, 401);
    const [, at] = refused.headers.get('www-authenticate').match(/^Bearer resource_metadata="([^"]+)", scope="mcp:tools"$/);
    const document = await (await fetch(at)).json();
    assert.equal(document.resource, resource.url);
    assert.deepEqual(document.authorization_servers, [provider.issuer]);
  });

  it('registers, signs in, answers calls, and ends the grant when a refresh token comes twice', async () => {
    const client = await register(metadata);
    assert.ok(client.client_secret && client.registration_client_uri && client.registration_access_token);
    const code = await signIn(metadata, client, resource.url, 'ann');
    const first = await token(metadata, client, exchange(code, resource.url));
    assert.equal(first.status, 200, JSON.stringify(first.body));
    assert.equal(first.body.token_type, 'Bearer');
    assert.deepEqual(first.body.scope.split(' ').sort(), ['mcp:tools']);
    assert.ok(first.body.refresh_token);
    assert.equal((await call(resource, first.body.access_token)).status, 200);
    assert.equal((await until('the call is told', () => resource.judged().find(({ event }) => event === 'admitted'))).sub, 'ann');

    const second = await token(metadata, client, refresh(first.body.refresh_token, resource.url));
    assert.notEqual(second.body.refresh_token, first.body.refresh_token);
    assert.equal((await call(resource, second.body.access_token)).status, 200);

    const reused = await token(metadata, client, refresh(first.body.refresh_token, resource.url));
    assert.deepEqual([reused.status, reused.body.error], [400, 'invalid_grant']);
    const current = await token(metadata, client, refresh(second.body.refresh_token, resource.url));
    assert.deepEqual([current.status, current.body.error], [400, 'invalid_grant']);
    assert.equal((await call(resource, second.body.access_token)).status, 401);
    assert.equal((await provider.tokenRequests('refresh_token')).length, 3);
    assert.ok((await provider.control()).events.some(({ event }) => event === 'grant.revoked'));
  });

  it('binds codes to verifier and resource', async () => {
    const client = await register(metadata);
    const elsewhere = await startProtectedMcp(provider);
    for (const [name, value, error] of [
      ['code_verifier', 'another-verifier-of-at-least-forty-three-characters', 'invalid_grant'],
      ['resource', elsewhere.url, 'invalid_target'],
      ['redirect_uri', `${REDIRECT}/`, 'invalid_grant'],
    ]) {
      const code = await signIn(metadata, client, resource.url, 'ben');
      const answer = await token(metadata, client, { ...exchange(code, resource.url), [name]: value });
      assert.deepEqual([answer.status, answer.body.error], [400, error], name);
    }
    const code = await signIn(metadata, client, resource.url, 'ben');
    const { body } = await token(metadata, client, exchange(code, resource.url));
    assert.equal((await call(elsewhere, body.access_token)).status, 401);
    assert.equal((await call(resource, body.access_token, 'create_ticket')).status, 403);
    await elsewhere.stop();
  });

  it('obeys its control', async () => {
    const client = await register(metadata);
    await provider.control({ access_ttl: 1 });
    const { body } = await token(metadata, client, exchange(await signIn(metadata, client, resource.url, 'cat'), resource.url));
    assert.equal(body.expires_in, 1);
    await until('the token expires', async () => (await call(resource, body.access_token)).status === 401);
    await provider.control({ access_ttl: 3600 });
    const renewed = await token(metadata, client, refresh(body.refresh_token, resource.url));
    assert.equal((await call(resource, renewed.body.access_token)).status, 200);
    await provider.control({ expire_access_tokens: true });
    assert.equal((await call(resource, renewed.body.access_token)).status, 401);
    const again = await token(metadata, client, refresh(renewed.body.refresh_token, resource.url));
    assert.equal(again.status, 200);
    const { grants } = await provider.control({ revoke_grants: true });
    assert.equal(grants, 0);
    const dead = await token(metadata, client, refresh(again.body.refresh_token, resource.url));
    assert.equal(dead.body.error, 'invalid_grant');
  });

  it('revokes, and forgets a client that deletes itself', async () => {
    const client = await register(metadata);
    const { body } = await token(metadata, client, exchange(await signIn(metadata, client, resource.url, 'dan'), resource.url));
    const form = { token: body.refresh_token, token_type_hint: 'refresh_token' };
    const revoked = await post(metadata.revocation_endpoint, client, form);
    assert.equal(revoked.status, 200);
    assert.equal((await call(resource, body.access_token)).status, 401);
    const headers = { authorization: `Bearer ${client.registration_access_token}` };
    const deleted = await fetch(client.registration_client_uri, { method: 'DELETE', headers });
    assert.equal(deleted.status, 204);
    const gone = await token(metadata, client, refresh(body.refresh_token, resource.url));
    assert.deepEqual([gone.status, gone.body.error], [401, 'invalid_client']);
  });

  it('sends the person back with an error when they say no', async () => {
    const client = await register(metadata);
    const said = await browse(authorizeUrl(metadata, client, resource.url), { login: 'eve', deny: true });
    assert.equal(said.get('error'), 'access_denied');
    assert.equal(said.get('iss'), provider.issuer);
  });
});

const verifier = randomBytes(32).toString('base64url');
const state = randomBytes(32).toString('base64url');

async function discovered(provider) {
  const answer = await fetch(`${provider.issuer}/.well-known/oauth-authorization-server`);
  return answer.json();
}

/** As Patchbay on loopback asks for it. */
async function register(metadata) {
  const answer = await fetch(metadata.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Patchbay',
      client_uri: new URL(REDIRECT).origin,
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      application_type: 'native',
    }),
  });
  const client = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(client));
  return client;
}

function authorizeUrl(metadata, client, resource) {
  const url = new URL(metadata.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    scope: SCOPE,
    prompt: 'consent',
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    resource,
  });
  return url.href;
}

async function signIn(metadata, client, resource, login) {
  const said = await browse(authorizeUrl(metadata, client, resource), { login });
  assert.equal(said.get('state'), state);
  assert.equal(said.get('iss'), metadata.issuer);
  return said.get('code');
}

/** A person with a browser of their own: follows redirects, keeps cookies, fills in forms. Returns the callback's parameters. */
async function browse(url, { login, deny = false }) {
  const jar = new Map();
  let request = { url, method: 'GET' };
  for (let hop = 0; hop < 20; hop += 1) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(request.url, { method: request.method, body: request.body, headers: { cookie }, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      if (value) jar.set(name, value);
      else jar.delete(name);
    }
    const location = answer.headers.get('location');
    if (location?.startsWith(REDIRECT)) return new URL(location).searchParams;
    if (location) {
      request = { url: new URL(location, request.url).href, method: 'GET' };
      continue;
    }
    const page = await answer.text();
    assert.equal(answer.status, 200, page);
    const form = page.includes('>Sign in<') ? { login } : deny ? { deny: '1' } : (assert.match(page, />Continue</), {});
    request = { url: request.url, method: 'POST', body: new URLSearchParams(form) };
  }
  throw new Error(`too many hops from ${url}`);
}

const exchange = (code, resource) => ({
  grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier, resource,
});
const refresh = (refreshToken, resource) => ({ grant_type: 'refresh_token', refresh_token: refreshToken, resource });

function post(url, client, form) {
  const half = (text) => new URLSearchParams({ v: text }).toString().slice(2);
  const basic = Buffer.from(`${half(client.client_id)}:${half(client.client_secret)}`).toString('base64');
  return fetch(url, { method: 'POST', headers: { authorization: `Basic ${basic}` }, body: new URLSearchParams(form), redirect: 'manual' });
}

async function token(metadata, client, form) {
  const answer = await post(metadata.token_endpoint, client, form);
  return { status: answer.status, body: await answer.json() };
}

/** A request that a live token is enough for, or a call of a tool. */
function call(resource, accessToken, tool) {
  const message = tool
    ? { method: 'tools/call', params: { name: tool, arguments: { title: 'x' } } }
    : { method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '0' } } };
  return fetch(resource.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(accessToken && { authorization: `Bearer ${accessToken}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
  });
}
