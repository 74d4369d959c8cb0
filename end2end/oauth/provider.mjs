// A real authorization server: npm oidc-provider on http://127.0.0.1, as an organisation might run it. Clients register
// themselves, PKCE is required, tokens are bound to one resource, refresh tokens rotate, and one that is used twice ends its grant.
//
// node provider.mjs [PORT]; without a port any free one. It prints one line of JSON once it listens, and ends when its standard
// input does: with the test that started it.

import http from 'node:http';

import { Provider } from 'oidc-provider';

import { Control } from './control.mjs';
import { configuration, RESOURCE_SERVER } from './configuration.mjs';
import { interact } from './pages.mjs';
import { Storage } from './storage.mjs';

const HOST = '127.0.0.1';

const server = http.createServer();
// The issuer names the port, so the port comes first.
await new Promise((resolve) => server.listen(Number(process.argv[2] ?? 0), HOST, resolve));
const issuer = `http://${HOST}:${server.address().port}`;

const storage = new Storage();
const settings = { accessTtl: 3600, refreshTokens: 'offline_access' };
const provider = new Provider(issuer, configuration(storage, settings));
const control = new Control(provider, storage, settings);
const protocol = provider.callback();

server.on('request', (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  const answer = pathname === '/__control' ? control.answer(request, response)
    : pathname.startsWith('/interaction/') ? interact(provider, request, response)
    : protocol(request, response);
  Promise.resolve(answer).catch((error) => response.writeHead(500).end(String(error?.stack ?? error)));
});

console.log(JSON.stringify({ event: 'listening', issuer, introspection: `${issuer}/token/introspection`, resourceServer: RESOURCE_SERVER }));
process.stdin.resume().on('end', () => process.exit(0));
