// Connecting to a server as a person does: the button, the window, the provider's pages.

import { alive } from './alive.mjs';
import { watchConsole } from './browser.mjs';
import { rest } from './people.mjs';
import { until } from './wait.mjs';

/** What asks for a sign-in, wherever it stands: "Connect", "Reconnect" or "Grant". */
export const connectLink = (within) => within.getByTestId('connect');

/**
 * Presses a connect link and gives the window that opens, watched for console errors.
 *
 * @param {import('playwright-core').Locator} link
 */
export async function openWindow(link) {
  await alive(link, 'click');
  const [window] = await Promise.all([link.page().waitForEvent('popup'), link.click()]);
  return { window, console: watchConsole(window) };
}

/**
 * Goes through the provider's pages up to the last press, which leads back to Patchbay. Who is signed in at the provider already is
 * only asked for consent. Gives what the consent page said.
 *
 * @param {import('playwright-core').Page} window
 * @param {string} who any name is an account there
 */
export async function consent(window, who) {
  const heading = window.getByRole('heading', { name: /^(Who are you|Is that all right)\?$/ });
  await heading.waitFor();
  if ((await heading.innerText()) === 'Who are you?') {
    await window.getByLabel('Name').fill(who);
    await window.getByRole('button', { name: 'Sign in' }).click();
  }
  await window.getByRole('heading', { name: 'Is that all right?' }).waitFor();
  const asked = await window.getByText(' asks for: ').innerText();
  await window.getByRole('button', { name: 'Continue' }).click();
  return asked.split(' asks for: ')[1];
}

/** The same up to the answer that the provider sends the browser back with, which is kept from the browser and given. */
export async function caughtAnswer(window, who) {
  await window.getByLabel('Name').fill(who);
  await window.getByRole('button', { name: 'Sign in' }).click();
  await window.getByRole('heading', { name: 'Is that all right?' }).waitFor();
  let answer = await window.request.post(window.url(), { form: {}, maxRedirects: 0 });
  for (;;) {
    const next = answer.headers().location;
    if (next.includes('/oauth2/callback?')) return next;
    answer = await window.request.get(next, { maxRedirects: 0 });
  }
}

/** The whole way: press, sign in, consent, and the window closes by itself. Gives the scopes that were asked for. */
export async function connect(link, who) {
  const { window, console } = await openWindow(link);
  const asked = await consent(window, who);
  await until('the window closes by itself', () => window.isClosed());
  console.assertQuiet();
  return asked.split(' ').sort();
}

/** Opens the panel of servers in a chat and gives the row of a server. */
export async function pickerRow(page, name) {
  const picker = page.getByRole('dialog', { name: 'Servers' });
  if (!(await picker.isVisible())) await page.getByRole('button', { name: 'Servers' }).click();
  await picker.waitFor();
  return picker.getByRole('listitem').filter({ hasText: name });
}

/** Marks the document, so that [`isSameDocument`] can tell that nothing reloaded it. */
export const markDocument = (page) => page.evaluate(() => void (globalThis.patchbaySame = true));
export const isSameDocument = (page) => page.evaluate(() => globalThis.patchbaySame === true);

/** Registers a server by its URL alone, over REST; the rest is found by discovery. */
export function registerByUrl(server, owner, display_name, url, over = {}) {
  return rest(server, owner, 'POST', '/api/experimental/mcp/servers', {
    display_name, slug: display_name.toLowerCase(), url, transport: 'streamable_http', auth_type: 'oauth2', availability: 'default_on', enabled: true, ...over,
  });
}
