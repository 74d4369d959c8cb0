// Text from people, servers and models is text: whatever it contains, nothing of it runs, loads or leads anywhere.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { alive, shellAlive } from './lib/alive.mjs';
import { openPage, startBrowser } from './lib/browser.mjs';
import { send, turnOver } from './lib/chat.mjs';
import { startEverything } from './lib/everything.mjs';
import { assertHarmless, dangers, watchIncidents } from './lib/hostile.mjs';
import { startModel } from './lib/model.mjs';
import { OWNER, composerAlive, logIn, makeOwner, rest } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';

const IMAGE = '<img src=x onerror=alert(1)>';
const SCRIPT = '</script><script>alert(1)</script>';
const TITLE = `</title></textarea>${SCRIPT}${IMAGE}`;
const MESSAGE = `hostile ${TITLE} <svg onload=alert(1)> <iframe src="javascript:alert(1)"> {{7*7}} \${7*7}`;
/** Each line a way in: raw markup, addresses that run, addresses that load, comments, attributes. */
const ANSWER = [
  IMAGE,
  SCRIPT,
  '[run me](javascript:alert(1)) [and me](JaVaScRiPt:alert(1)) [data](data:text/html,<script>alert(1)</script>)',
  '<a href="javascript:alert(1)">anchor</a> <form action="https://evil.example/"><button>send</button></form>',
  '![tracking pixel](https://evil.example/pixel.png) ![x](x"onerror="alert(1))',
  '<style>@import "https://evil.example/a.css";</style> <link rel=stylesheet href=https://evil.example/b.css>',
  '<!-- <img src=x onerror=alert(1)> --> <details open ontoggle=alert(1)>',
  '[fine](https://good.example/page)',
  '```html\n<img src=x onerror=alert(1)>\n```',
  '| a |\n|---|\n| <img src=x onerror=alert(1)> |',
].join('\n\n');
const LABEL = `Reading ${IMAGE}${SCRIPT}`;

describe('hostile text', () => {
  const step = steps();
  let peer, model, server, browser, context, page, console, token, hostile, incidents;
  before(async () => {
    [peer, model] = await Promise.all([startEverything(), startModel()]);
    model.scriptToolCall({
      when: 'hostile',
      tool: 'echo',
      arguments: { model_intent: LABEL, properties: { message: TITLE } },
      text: ANSWER,
      chunkSize: 20,
      delayMs: 2,
    });
    server = await startServer({ allow: [peer.host, model.host] });
    token = await makeOwner(server);
    await rest(server, token, 'PATCH', '/api/v2/users/me', { name: TITLE.slice(0, 100) });
    const provider = await rest(server, token, 'POST', '/api/v2/providers', { name: TITLE.slice(0, 60), type: 'openai', base_url: model.baseUrl, api_key: 'k' });
    await rest(server, token, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: TITLE.slice(0, 60), is_default: true });
    hostile = await rest(server, token, 'POST', '/api/experimental/mcp/servers', {
      display_name: TITLE.slice(0, 100), slug: 'hostile', url: peer.url, transport: 'streamable_http', auth_type: 'none',
      description: TITLE, availability: 'force_on', enabled: true, model_intent: true, tool_deny_list: ['</textarea><script>alert(1)</script>'],
    });
    await rest(server, token, 'POST', '/api/v2/users/me/keys/tokens', { token_name: IMAGE });
    browser = await startBrowser();
    ({ context, page, console } = await openPage(browser));
    incidents = watchIncidents(page, server.url);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
    await server?.stop();
    await Promise.all([peer?.stop(), model?.stop()]);
  });

  const harmless = () => assertHarmless({ page, console }, incidents);

  step('where nothing stops it the payload runs, and the watch sees it', async () => {
    const probe = await openPage(browser);
    try {
      const said = new Promise((resolve) => {
        probe.page.on('dialog', (dialog) => dialog.dismiss().then(() => resolve(dialog.message())));
      });
      await probe.page.setContent(`<title>x</title>${IMAGE}<a href=" javascript:alert(1)">x</a><iframe></iframe>`);
      assert.equal(await said, '1');
      assert.deepEqual(await dangers(probe.page), ['IMG src=x', 'IMG onerror', 'A href= javascript:alert(1)', 'IFRAME']);
    } finally {
      await probe.context.close();
    }
  });

  step('a message, a label, arguments, a result and an answer are text while they stream', async () => {
    await logIn(page, server, OWNER);
    await composerAlive(page);
    await send(page, MESSAGE);
    await page.waitForURL(/\/chats\//);
    await turnOver(page);
    await harmless();
  });

  step('and after a reload, when the server wrote the page', async () => {
    await page.reload();
    await composerAlive(page);
    assert.equal(await page.getByTestId('user-message').locator('p').innerText(), MESSAGE);
    assert.match(await page.getByTestId('tool-label').innerText(), /^Reading <img src=x onerror=alert\(1\)>/);
    assert.equal(await page.getByTestId('tool-server').innerText(), hostile.display_name);
    await page.getByTestId('tool-call').locator('summary', { hasText: 'Details' }).click();
    assert.ok((await page.getByTestId('tool-result').innerText()).includes(TITLE), 'the result is shown as it came');
    const answer = page.getByTestId('answer');
    assert.ok((await answer.innerText()).includes(IMAGE), 'markup of the model is shown as text');
    assert.equal(await answer.locator('img, form, style, link, iframe, svg, script').count(), 0);
    const links = await answer.locator('a[href]').evaluateAll((all) => all.map((link) => [link.getAttribute('href'), link.rel, link.target]));
    const addresses = links.map(([href]) => href);
    assert.deepEqual(addresses.filter((href) => !href.startsWith('https://')), [], 'no link runs anything');
    assert.ok(addresses.includes('https://good.example/page'));
    for (const [, rel, target] of links) assert.deepEqual([/noopener/.test(rel), target], [true, '_blank']);
    for (const words of ['run me', 'and me']) await answer.getByText(words).first().click();
    await harmless();
  });

  step('a chat title is text in the head, in the list and in the document', async () => {
    const title = `t ${TITLE}`.slice(0, 100);
    const before = await page.getByRole('heading', { level: 1 }).innerText();
    await page.getByRole('button', { name: 'Rename chat' }).click();
    await page.getByLabel('Chat title').fill('given up');
    await page.getByLabel('Chat title').press('Escape');
    await page.getByRole('heading', { level: 1, name: before }).waitFor();
    await page.getByRole('button', { name: 'Rename chat' }).click();
    await page.getByLabel('Chat title').fill(title);
    await page.getByLabel('Chat title').press('Enter');
    await page.getByRole('heading', { level: 1, name: title }).waitFor();
    await page.reload();
    await composerAlive(page);
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), title);
    assert.equal(await page.title(), `${title} · Patchbay`);
    await page.getByRole('navigation', { name: 'Recent chats' }).getByText(title).waitFor();
    await harmless();
  });

  step('names are text on every page of the panel, drawn by the server or by the browser', async () => {
    const paths = ['/', '/admin/servers', `/admin/servers/${hostile.id}`, '/admin/models', '/admin/users', '/account'];
    for (const path of paths) {
      await page.goto(server.url + path);
      await shellAlive(page);
      assert.ok((await page.locator('body').innerText()).includes('</title>'), `${path} shows the hostile text`);
      await harmless();
    }
    await page.goto(`${server.url}/admin/servers/${hostile.id}`);
    await alive(page.locator('form.editor'), 'submit');
    assert.equal(await page.getByLabel('Description').inputValue(), TITLE);
    assert.equal(await page.getByLabel('Denied tools').inputValue(), '</textarea><script>alert(1)</script>');
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByRole('region', { name: 'Test result' }).waitFor();
    await harmless();
    await page.getByRole('link', { name: 'Servers' }).first().click();
    await page.getByRole('row', { name: /title/ }).waitFor();
    await harmless();
  });
});
