// Accounts: made over REST where the test is about something else, used through the pages.

import assert from 'node:assert/strict';

import { alive, shellAlive } from './alive.mjs';

export const OWNER = { email: 'owner@example.org', username: 'owner', name: 'Olive Owner', password: 'a fine long password' };

/** Sends JSON as somebody; fails on any answer but success. Returns the parsed answer. */
export async function rest(server, token, method, path, body) {
  const response = await server.fetch(path, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** Makes the first owner with the printed link's token; returns a session token. */
export async function makeOwner(server) {
  const setup_token = new URL(await server.setupLink()).searchParams.get('token');
  await rest(server, null, 'POST', '/api/v2/users/first', { ...OWNER, setup_token });
  const token = await logInByRest(server, OWNER);
  // Titles made by a model would take answers of scripted models away, and rename the rows that stories look for.
  await rest(server, token, 'PUT', '/api/experimental/chats/config/title-model', { title_model: 'off' });
  return token;
}

/** A session token for scripts. */
export async function logInByRest(server, { email, password }) {
  return (await rest(server, null, 'POST', '/api/v2/users/login', { email, password })).session_token;
}

/** Fills and sends the login form of the page that is open. */
export async function submitLogin(page, { email, password }) {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** Opens `path`, logs in there, and waits until the page behind it is alive. */
export async function logIn(page, server, person, path = '/') {
  await page.goto(`${server.url}/login?return_to=${encodeURIComponent(path)}`);
  await submitLogin(page, person);
  await page.waitForURL(`${server.url}${path}`);
  await shellAlive(page);
}

/** Logs out through the account menu. */
export async function logOut(page) {
  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(/\/login$/);
}

/** Waits until the open chat page takes messages. */
export function composerAlive(page) {
  return alive(page.getByLabel('Message', { exact: true }), 'keydown');
}
