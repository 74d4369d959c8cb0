// Connecting where browsers or people make it hard: no window, no scripts, two tabs, a "no" at the provider, a server that wants more
// than was granted, and pages of strangers that open ours.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';

import { alive, shellAlive } from './lib/alive.mjs';
import { startBrowser, watchConsole, withPage as withPageOf } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { caughtAnswer, connect, connectLink, consent, openWindow, registerByUrl } from './lib/connect.mjs';
import { startModel } from './lib/model.mjs';
import { composerAlive, logIn, logInByRest, makeOwner, rest, submitLogin } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/wait.mjs';
import { startOauthProvider, startProtectedMcp } from './oauth/peers.mjs';

const SERVERS = '/api/experimental/mcp/servers';
const COMPLETE = 'mcp-oauth2-complete';

let provider, resource, model, server, browser, owner, stranger, protectedId;
before(async () => {
  [provider, model, stranger] = await Promise.all([startOauthProvider(), startModel(), startStranger()]);
  resource = await startProtectedMcp(provider, { toolScopes: 'create_ticket=tickets:write' });
  const intent = (tool, properties) => (tool.parameters.properties.model_intent ? { model_intent: 'Filing a ticket', properties } : properties);
  model.scriptToolCall({ when: 'File a ticket', tool: 'create_ticket', arguments: (tool) => intent(tool, { title: 'Paint', body: 'It peels.' }), text: 'That was it.' });
  model.scriptText({ when: 'Only talk', text: 'Gladly.' });
  server = await startServer({ allow: [provider.host, resource.host, model.host] });
  owner = await makeOwner(server);
  const llm = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
  await rest(server, owner, 'POST', '/api/v2/models', { provider_id: llm.id, model: 'scripted', display_name: 'Scripted', is_default: true });
  ({ id: protectedId } = await registerByUrl(server, owner, 'Protected', resource.url));
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all([resource?.stop(), provider?.stop(), model?.stop(), stranger?.stop()]);
});

/** Each test has a person of its own: what one did to a connection is none of the next one's. */
async function person(name) {
  const who = { email: `${name}@example.org`, username: name, name, password: 'another long password' };
  await rest(server, owner, 'POST', '/api/v2/users', who);
  return who;
}
const withPage = (use, options) => withPageOf(browser, use, options);
const row = (page) => page.getByTestId('own-connection').filter({ hasText: 'Protected' });
const connected = (page) => row(page).getByText('Connected', { exact: true });
const connectPath = (id) => `${SERVERS}/${id}/oauth2/connect`;
/** As the server answers the person, whatever a page shows. */
async function status(who) {
  const token = await logInByRest(server, who);
  return (await rest(server, token, 'GET', `${SERVERS}/${protectedId}`)).auth_status;
}
const tokenRequests = async () => (await provider.tokenRequests('authorization_code')).length;

describe('ways to connect', () => {
  it('where the browser opens no window there is a plain link, and the page hears of the end', () => withPage(async ({ context, page }) => {
    await logIn(page, server, await person('bo'), '/account');
    await page.evaluate(() => { globalThis.open = () => null; });
    const link = connectLink(row(page));
    await alive(link, 'click');
    await link.click();
    const blocked = row(page).getByTestId('connect-blocked');
    await blocked.getByText('The browser did not open a window.').waitFor();
    const [tab] = await Promise.all([context.waitForEvent('page'), blocked.getByRole('link', { name: 'Open the sign-in page' }).click()]);
    const console = watchConsole(tab);
    await consent(tab, 'bo');
    await tab.getByRole('heading', { name: 'Protected is connected' }).waitFor();
    await tab.getByText('You can close this window.').waitFor();
    assert.equal(await tab.evaluate(() => globalThis.opener), null);
    await connected(page).waitFor();
    assert.equal(await blocked.count(), 0);
    console.assertQuiet();
    await tab.close();
  }));

  it('without JavaScript it is a link, the provider, a page that says so, and back', () => withPage(async ({ page }) => {
    const who = await person('norma');
    await page.goto(`${server.url}/login?return_to=/account`);
    await submitLogin(page, who);
    await page.waitForURL(`${server.url}/account`);
    await connectLink(row(page)).click();
    await consent(page, 'norma');
    await page.getByRole('heading', { name: 'Protected is connected' }).waitFor();
    // By the link or by itself: the page goes back where it began.
    assert.equal(await page.getByRole('link', { name: 'Back to Patchbay' }).getAttribute('href'), '/account');
    await page.waitForURL(`${server.url}/account`);
    await connected(page).waitFor();
  }, { javaScriptEnabled: false }));

  it('who is not signed in logs in first and is led on to the provider', () => withPage(async ({ page }) => {
    const who = await person('lou');
    await page.goto(`${server.url}${connectPath(protectedId)}?return_to=/account`);
    await page.waitForURL(/\/login\?return_to=/);
    await submitLogin(page, who);
    await consent(page, 'lou');
    await page.getByRole('heading', { name: 'Protected is connected' }).waitFor();
    await page.waitForURL(`${server.url}/account`);
    await connected(page).waitFor();
  }));

  it('two tabs may be at it at once, and both end well', () => withPage(async ({ context, page }) => {
    await logIn(page, server, await person('twa'), '/account');
    const other = await context.newPage();
    await other.goto(`${server.url}/account`);
    await shellAlive(other);
    const [first, second] = [await openWindow(connectLink(row(page))), await openWindow(connectLink(row(other)))];
    assert.notEqual(first.window, second.window);
    await row(page).getByTestId('connect-waits').waitFor();
    const before = await tokenRequests();
    await consent(first.window, 'twa');
    await until('the first window closes', () => first.window.isClosed());
    await Promise.all([connected(page).waitFor(), connected(other).waitFor()]);
    await consent(second.window, 'twa');
    await until('the second window closes', () => second.window.isClosed());
    assert.equal(await tokenRequests(), before + 2);
    for (const tab of [page, other]) await connected(tab).waitFor();
    for (const { console } of [first, second]) console.assertQuiet();
  }));

  it('a window that is closed too early leaves the button as it was', () => withPage(async ({ page }) => {
    await logIn(page, server, await person('clo'), '/account');
    const { window } = await openWindow(connectLink(row(page)));
    await row(page).getByTestId('connect-waits').waitFor();
    await window.close();
    await row(page).getByTestId('connect-waits').waitFor({ state: 'detached' });
    assert.equal(await connectLink(row(page)).innerText(), 'Connect');
  }));

  it('the window is 900 by 600, closes within half a second when it is done, and is missed within that when it is closed', (test) => withPage(async ({ page }) => {
    await logIn(page, server, await person('siz'), '/account');
    // By the page's own clock, when: the window says that it is done, it is gone, the page waits no longer.
    await page.evaluate(() => {
      const open = globalThis.open;
      globalThis.open = (...given) => {
        const times = (globalThis.times = {});
        const opened = open.apply(globalThis, given);
        addEventListener('message', () => (times.said ??= performance.now()));
        const look = setInterval(() => {
          if (opened.closed) times.closed ??= performance.now();
          if (times.closed && !document.querySelector('[data-testid=connect-waits]')) {
            times.noticed = performance.now();
            clearInterval(look);
          }
        }, 5);
        return opened;
      };
    });
    const times = () => until('the page noticed', () => page.evaluate(() => globalThis.times.noticed && globalThis.times));
    const { window: left } = await openWindow(connectLink(row(page)));
    await row(page).getByTestId('connect-waits').waitFor();
    assert.deepEqual(await left.evaluate(() => [globalThis.innerWidth, globalThis.innerHeight]), [900, 600]);
    await left.close();
    const early = await times();
    assert.equal(early.said, undefined);
    await connect(connectLink(row(page)), 'siz');
    const { said, closed } = await times();
    await connected(page).waitFor();
    test.diagnostic(`closed ${Math.round(closed - said)} ms after it was done; missed after ${Math.round(early.noticed - early.closed)} ms`);
    assert.ok(closed - said <= 500, `closed after ${closed - said} ms`);
    assert.ok(early.noticed - early.closed <= 500, `missed after ${early.noticed - early.closed} ms`);
  }));

  it('a "no" at the provider is said as such, and one can start again', () => withPage(async ({ page }) => {
    await logIn(page, server, await person('den'), '/account');
    const { window, console } = await openWindow(connectLink(row(page)));
    console.expect(/status of 400/);
    await window.getByLabel('Name').fill('den');
    await window.getByRole('button', { name: 'Sign in' }).click();
    const before = await tokenRequests();
    await window.getByRole('button', { name: 'Deny' }).click();
    await window.getByRole('heading', { name: 'Not connected' }).waitFor();
    const text = await window.getByRole('main').innerText();
    assert.match(text, /You declined at the provider, or it declined for you\./);
    assert.match(text, /“the person said no”/);
    assert.match(text, /Server: Protected/);
    assert.equal(await tokenRequests(), before, 'no token was asked for');
    assert.equal(await row(page).getByText('Needs your account.').count(), 1);
    await window.getByRole('link', { name: 'Start again' }).click();
    await consent(window, 'den');
    await until('the window closes by itself', () => window.isClosed());
    await connected(page).waitFor();
    console.assertQuiet();
  }));

  it('an answer that is used again, or by somebody else, changes nothing', () => withPage(async ({ page, console }) => {
    const [eve, abe] = [await person('eve'), await person('abe')];
    await logIn(page, server, eve, '/account');
    console.expect(/status of 40[03]/);
    await page.goto(`${server.url}${connectPath(protectedId)}`);
    const answer = await caughtAnswer(page, 'eve');
    const before = await tokenRequests();
    await withPage(async ({ page: other, console: said }) => {
      said.expect(/status of 40[013]/);
      await other.goto(answer);
      await other.getByRole('heading', { name: 'Sign in first' }).waitFor();
      await logIn(other, server, abe, '/account');
      await other.goto(answer);
      await other.getByRole('heading', { name: 'The sign-in could not be verified' }).waitFor();
      assert.doesNotMatch(await other.content(), /eve/);
    });
    assert.equal(await tokenRequests(), before, 'no token was asked for');
    assert.deepEqual([await status(eve), await status(abe)], ['not_connected', 'not_connected']);
    // It is eve's, and good for once.
    await page.goto(answer);
    await page.getByRole('heading', { name: 'Protected is connected' }).waitFor();
    await page.goto(answer);
    await page.getByRole('heading', { name: 'Start again' }).waitFor();
    assert.equal(await tokenRequests(), before + 1);
    assert.equal(await status(eve), 'connected');
  }));
});

describe('a tool that wants more than was granted', () => {
  const call = (page) => page.getByTestId('tool-call').last();
  const refusals = () => resource.judged().filter(({ event, tool }) => event === 'refused' && tool === 'create_ticket').length;

  async function refusedTicket(page, name) {
    await logIn(page, server, await person(name), '/account');
    await connect(connectLink(row(page)), name);
    await connected(page).waitFor();
    await page.goto(server.url);
    await composerAlive(page);
    await send(page, 'File a ticket');
    await page.waitForURL(/\/chats\//);
    await turnOver(page);
    assert.equal(await call(page).getAttribute('data-state'), 'needs-permission');
    await call(page).getByText('Needs more permission', { exact: true }).waitFor({ state: 'attached' });
    const card = call(page).getByTestId('call-ask');
    await card.getByText('Grant it, then ask again.').waitFor();
    return card;
  }

  it('asks for the union of both, and then works', () => withPage(async ({ page }) => {
    const card = await refusedTicket(page, 'gus');
    // One pair of buttons on the page: not at the composer as well.
    assert.deepEqual([await connectLink(page).count(), await page.getByTestId('needs-you').count()], [1, 0]);
    const before = refusals();
    assert.deepEqual(await connect(connectLink(card), 'gus'), ['mcp:tools', 'offline_access', 'tickets:write']);
    await card.waitFor({ state: 'detached' });
    await send(page, 'File a ticket again');
    await turnOver(page, 2);
    assert.equal(await call(page).getAttribute('data-state'), 'done');
    assert.equal(refusals(), before, 'it was not refused again');
  }));

  it('"Not now" keeps what was granted and stops asking', () => withPage(async ({ page }) => {
    const card = await refusedTicket(page, 'nan');
    await send(page, 'Only talk');
    await turnOver(page, 2);
    const line = page.getByTestId('needs-you');
    await line.getByText('needs more permission; the chat uses what you granted so far').waitFor();
    assert.deepEqual([await connectLink(page).count(), await card.count()], [1, 0]);
    await line.getByRole('button', { name: 'Not now: give Protected no more permission' }).click();
    await line.waitFor({ state: 'detached' });
    await page.goto(`${server.url}/account`);
    await connected(page).waitFor();
    assert.equal(await connectLink(row(page)).count(), 0);
  }));
});

describe('pages of strangers', () => {
  /** What the stranger's page heard, by message or on the channel. */
  const heard = (page) => page.evaluate(() => globalThis.heard.filter((data) => !data?.lie));
  /** Reaches into the window that the stranger's page opened. */
  const reach = (page) => page.evaluate(() => {
    const tries = {
      document: () => globalThis.opened.document.title,
      address: () => globalThis.opened.location.href,
      storage: () => globalThis.opened.localStorage.length,
    };
    return Object.entries(tries).filter(([, reach]) => { try { reach(); return true; } catch { return false; } }).map(([name]) => name);
  });
  const open = async (page, url) => {
    const [window] = await Promise.all([page.waitForEvent('popup'), page.evaluate((url) => void (globalThis.opened = globalThis.open(url)), url)]);
    return window;
  };
  /** A person with a session, and a stranger's page in the same browser. */
  const withStranger = (name, use) => withPage(async (all) => {
    const who = await person(name);
    await logIn(all.page, server, who, '/account');
    const foreign = await all.context.newPage();
    await foreign.goto(stranger.url);
    await use({ ...all, who, foreign });
    assert.deepEqual(await heard(foreign), [], 'the stranger heard nothing');
  });

  it('1: one that opens the whole sign-in is not told how it ended', () => withStranger('op', async ({ foreign, page }) => {
    const window = await open(foreign, `${server.url}${connectPath(protectedId)}`);
    await consent(window, 'op');
    await until('the window closes or says so', async () => window.isClosed() || (await window.getByText('is connected').count()) > 0);
    // The person's own page is told, so that whatever the stranger could hear is said by now.
    await connected(page).waitFor();
    assert.deepEqual(await reach(foreign), []);
  }));

  it('2: one that opens a made-up answer sees a refusal that says nothing', () => withStranger('ma', async ({ foreign, who }) => {
    const before = await tokenRequests();
    const window = await open(foreign, `${server.url}${SERVERS}/${protectedId}/oauth2/callback?state=made-up&code=made-up&iss=${provider.issuer}`);
    await window.getByRole('heading', { name: 'Start again' }).waitFor();
    assert.equal(await window.locator('script').count(), 0);
    assert.deepEqual(await reach(foreign), []);
    assert.equal(await tokenRequests(), before);
    assert.equal(await status(who), 'not_connected');
  }));

  it('3: one that frames the connect address gets no sign-in begun', () => withStranger('fra', async ({ foreign }) => {
    const answered = foreign.waitForResponse(/oauth2\/connect$/);
    await foreign.evaluate((url) => frame(url), `${server.url}${connectPath(protectedId)}`);
    assert.equal((await answered).status(), 403);
    assert.equal(foreign.frames().filter((frame) => frame.url().startsWith(provider.issuer)).length, 0);
  }));

  it('4: one that frames the answer page is shown none', () => withStranger('frb', async ({ foreign }) => {
    const url = `${server.url}${SERVERS}/${protectedId}/oauth2/callback?state=made-up&code=made-up`;
    const answered = foreign.waitForResponse(/oauth2\/callback/);
    await foreign.evaluate((url) => frame(url), url);
    const answer = await answered;
    assert.match(answer.headers()['content-security-policy'], /frame-ancestors 'none'/);
    await until('the browser shows its own page instead', () => foreign.frames().some((frame) => frame.url().startsWith('chrome-error:')));
  }));

  it('5: one that opens a page of ours loses hold of it', () => withStranger('cut', async ({ foreign }) => {
    const window = await open(foreign, `${server.url}/account`);
    await shellAlive(window);
    assert.equal(await window.evaluate(() => globalThis.opener), null);
    assert.equal(await foreign.evaluate(() => globalThis.opened.closed), true);
    await window.close();
  }));

  it('6: a window at the provider that says it is done is not believed', () => withStranger('lie', async ({ page, foreign }) => {
    const { window } = await openWindow(connectLink(row(page)));
    await window.getByRole('heading', { name: 'Who are you?' }).waitFor();
    // Heard after whoever listened before.
    await page.evaluate(() => addEventListener('message', ({ data }) => void (globalThis.lastHeard = data)));
    const lie = { type: COMPLETE, serverID: protectedId, lie: true };
    for (const liar of [window, foreign]) {
      await liar.evaluate((lie) => {
        const channel = new BroadcastChannel('patchbay-connect');
        channel.postMessage(lie);
        channel.close();
        globalThis.opener?.postMessage(lie, '*');
      }, lie);
    }
    await until('the lie arrives', async () => (await page.evaluate(() => globalThis.lastHeard?.lie)) === true);
    assert.equal(await row(page).getByTestId('connect-waits').count(), 1, 'the page waits on');
    await window.close();
  }));

  it('7: a request behind the page begins nothing', () => withStranger('bak', async ({ foreign }) => {
    const asked = [];
    foreign.on('request', (request) => asked.push(request.url()));
    const url = `${server.url}${connectPath(protectedId)}`;
    const got = await foreign.evaluate(async (url) => {
      const fetched = (mode) => fetch(url, { mode, credentials: 'include' }).then(({ type }) => type, () => 'refused');
      const image = new Promise((resolve) => document.body.append(Object.assign(new Image(), { src: url, onerror: () => resolve('refused') })));
      return [await fetched('cors'), await fetched('no-cors'), await image];
    }, url);
    assert.deepEqual([got[0], got[2]], ['refused', 'refused']);
    assert.equal(asked.filter((asked) => asked === url).length, 3, asked.join('\n'));
    // A redirect to the provider would have been followed.
    assert.deepEqual(asked.filter((asked) => asked.startsWith(provider.issuer)), []);
  }));
});

/** A site of somebody else: its page notes what it hears, and frames what it is told to. */
async function startStranger() {
  const script = `
    globalThis.heard = [];
    addEventListener('message', ({ data }) => heard.push(data));
    new BroadcastChannel('patchbay-connect').addEventListener('message', ({ data }) => heard.push(data));
    const frame = (url) => document.body.append(Object.assign(document.createElement('iframe'), { src: url }));`;
  const page = `<!doctype html><html lang="en"><title>Elsewhere</title><link rel="icon" href="data:,"><body><script>${script}</script></body></html>`;
  const listener = http.createServer((_request, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `http://127.0.0.1:${listener.address().port}/`,
    async stop() {
      listener.closeAllConnections();
      listener.close();
      await once(listener, 'close');
    },
  };
}
