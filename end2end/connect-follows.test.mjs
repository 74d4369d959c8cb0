// What is done to a connection on one page shows on the others that are open, without a reload and within five seconds.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { shellAlive } from './lib/alive.mjs';
import { openPage, startBrowser, watchConsole } from './lib/browser.mjs';
import { send, transcriptText, turnOver } from './lib/chat.mjs';
import { connect, connectLink, isSameDocument, markDocument, pickerRow, registerByUrl } from './lib/connect.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, makeOwner, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { startOauthProvider, startProtectedMcp } from './oauth/peers.mjs';

const SERVERS = '/api/experimental/mcp/servers';
const MEMBER = { email: 'mina@example.org', username: 'mina', name: 'Mina Member', password: 'another long password' };
/** Pages ask every 4 s. */
const WITHIN_MS = 5000;

describe('pages that are open', () => {
  const step = steps();
  let provider, resource, model, server, browser, owner, mina, id, context, account, chat, talk, consoles;
  before(async () => {
    [provider, model] = await Promise.all([startOauthProvider(), startModel()]);
    resource = await startProtectedMcp(provider);
    const intent = (tool, properties) => (tool.parameters.properties.model_intent ? { model_intent: 'Searching', properties } : properties);
    model.scriptToolCall({ when: 'Search the docs', tool: 'search_docs', arguments: (tool) => intent(tool, { query: 'servers' }), text: 'It was searched.' });
    server = await startServer({ allow: [provider.host, resource.host, model.host] });
    owner = await makeOwner(server);
    mina = await rest(server, owner, 'POST', '/api/v2/users', MEMBER);
    const llm = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, owner, 'POST', '/api/v2/models', { provider_id: llm.id, model: 'scripted', display_name: 'Scripted', is_default: true });
    ({ id } = await registerByUrl(server, owner, 'Protected', resource.url));
    browser = await startBrowser();
    const opened = await openPage(browser);
    ({ context, page: account } = opened);
    await logIn(account, server, MEMBER, '/account');
    [chat, talk] = [await context.newPage(), await context.newPage()];
    consoles = [opened.console, watchConsole(chat), watchConsole(talk)];
    for (const page of [chat, talk]) {
      await page.goto(server.url);
      await shellAlive(page);
      await composerAlive(page);
    }
    await pickerRow(chat, 'Protected');
    for (const page of [account, chat]) await markDocument(page);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await Promise.all([resource?.stop(), provider?.stop(), model?.stop()]);
  });

  const own = () => account.getByTestId('own-connection').filter({ hasText: 'Protected' });

  /** When the words come to stand beside the server on the account page and in the picker of a chat, by the clock of this machine. */
  const shownAt = (words) => Promise.all([[account, '[data-testid=own-connection]'], [chat, '[role=dialog] li']].map(([page, rows]) => whenIn(page, rows, words)));

  /** Does something with what is open, and asserts that it shows in time. `does` gives the moment from which it counts. */
  async function showsInTime(test, words, does) {
    const shown = shownAt(words);
    shown.catch(() => {});
    const since = await does();
    const took = (await shown).map((at) => at - since);
    test.diagnostic(`account page after ${took[0]} ms, picker after ${took[1]} ms`);
    for (const ms of took) assert.ok(ms <= WITHIN_MS, `${took.join(' and ')} ms`);
    for (const page of [account, chat]) assert.ok(await isSameDocument(page), 'without a reload');
    for (const console of consoles) console.assertQuiet();
  }

  async function connectHere() {
    await connect(connectLink(own()), 'mina');
    await shownAt('Connected');
  }

  step('hear that an admin disconnected their person', async (test) => {
    await connectHere();
    await showsInTime(test, 'Needs your account.', async () => {
      await rest(server, owner, 'DELETE', `${SERVERS}/${id}/connections/${mina.id}`);
      return Date.now();
    });
  });

  step('hear that the provider refused in a chat elsewhere', async (test) => {
    await connectHere();
    // Once with success, so that the tool is known.
    await send(talk, 'Search the docs');
    await talk.waitForURL(/\/chats\//);
    await turnOver(talk);
    assert.match(await transcriptText(talk), /It was searched\./, 'the tool was called');
    await composerAlive(talk);
    await showsInTime(test, 'The provider ended your sign-in.', async () => {
      await provider.control({ revoke_grants: true });
      const learned = whenIn(talk, '[data-testid=tool-call]', 'The provider ended your sign-in.');
      learned.catch(() => {});
      await send(talk, 'Search the docs again');
      return learned;
    });
    await turnOver(talk, 2);
    assert.ok(resource.judged().some(({ event, sub }) => event === 'refused' && !sub), 'the server answered 401');
    const row = chat.getByRole('dialog', { name: 'Servers' }).getByRole('listitem').filter({ hasText: 'Protected' });
    for (const where of [own(), row]) assert.equal(await connectLink(where).innerText(), 'Reconnect');
  });

  step('hear that an edit of an admin ended the grants', async (test) => {
    await connectHere();
    await showsInTime(test, 'Needs your account.', async () => {
      const edited = await rest(server, owner, 'PATCH', `${SERVERS}/${id}`, { oauth2_client_id: 'another', oauth2_client_secret: 's' });
      assert.equal(edited.oauth2_registration, 'manual');
      return Date.now();
    });
  });
});

/** The first moment at which an element that `rows` selects names the server, or is about it, and has the words. */
function whenIn(page, rows, words) {
  return page.evaluate(([rows, words]) => new Promise((resolve, reject) => {
    const stop = setTimeout(() => reject(new Error(`"${words}" did not come: ${[...document.querySelectorAll(rows)].map((row) => row.textContent).join(' | ')}`)), 30_000);
    const look = () => {
      if (![...document.querySelectorAll(rows)].some((row) => row.textContent.includes(words))) return;
      clearTimeout(stop);
      observer.disconnect();
      resolve(Date.now());
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  }), [rows, words]);
}
