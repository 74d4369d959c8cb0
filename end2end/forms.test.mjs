// Bad input, closed doors, hostile text, and browsers without script: what stands at its field, and what never runs.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { alive, shellAlive } from './lib/alive.mjs';
import { openPage, startBrowser } from './lib/browser.mjs';
import { send, transcriptText, turnOver } from './lib/chat.mjs';
import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';
import { OWNER, composerAlive, logIn, makeOwner, rest, submitLogin } from './lib/people.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/wait.mjs';

const MEMBER = { email: 'mina@example.org', username: 'mina', name: 'Mina Member', password: 'another long password' };
const SERVERS = '/api/experimental/mcp/servers';
const CHATS = '/api/experimental/chats';
/** The browser's own line about an answer that a test provokes. */
const refusedWith = (...codes) => new RegExp(`status of (${codes.join('|')})`);

let peer, model, server, browser, owner, member;
before(async () => {
  [peer, model] = await Promise.all([startEverything(), startModel()]);
  server = await startServer({ allow: [peer.host, model.host] });
  owner = await makeOwner(server);
  await rest(server, owner, 'POST', '/api/v2/users', MEMBER);
  const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
  const first = { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true };
  await rest(server, owner, 'POST', '/api/v2/models', first);
  const { session_token } = await rest(server, null, 'POST', '/api/v2/users/login', { email: MEMBER.email, password: MEMBER.password });
  member = session_token;
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all([peer?.stop(), model?.stop()]);
});

/** A test with a page of its own; ends with a quiet console. `use` gets `{page, console, context}`. */
function withPage(name, use, options) {
  it(name, async () => {
    const opened = await openPage(browser, options);
    try {
      await use(opened);
      opened.console.assertQuiet();
    } finally {
      await opened.context.close();
    }
  });
}

/** The message at a field, by the field's label. */
async function errorAt(page, label) {
  const control = page.getByLabel(label, { exact: true });
  await until(`${label} is marked`, async () => (await control.getAttribute('aria-invalid')) === 'true');
  const [id] = (await control.getAttribute('aria-describedby')).split(' ');
  return page.locator(`[id="${id}"]`).innerText();
}

describe('the server editor', () => {
  const fields = async (page) => ({
    name: await page.getByLabel('Display name').inputValue(),
    slug: await page.getByLabel('Slug').inputValue(),
    url: await page.getByLabel('URL', { exact: true }).inputValue(),
    description: await page.getByLabel('Description').inputValue(),
    allow: await page.getByLabel('Allowed tools').inputValue(),
  });

  withPage('says at each field what is wrong and keeps all that was typed', async ({ page, console }) => {
    console.expect(refusedWith(400, 409));
    await rest(server, owner, 'POST', SERVERS, {
      display_name: 'Taken', slug: 'taken', url: 'https://mcp.example.com/mcp', transport: 'streamable_http', auth_type: 'none', availability: 'default_off',
    });
    await logIn(page, server, OWNER, '/admin/servers/new');
    await alive(page.locator('form.editor'), 'submit');
    const save = page.getByRole('button', { name: 'Save server' });
    await page.getByLabel('Display name').fill('A fine name');
    await page.getByLabel('Slug').fill('not a slug!');
    await page.getByLabel('URL', { exact: true }).fill('mcp.example.com');
    await page.getByLabel('Description').fill('Two\nlines');
    await page.getByLabel('Allowed tools').fill('search_*\nget_?');
    const typed = await fields(page);
    await save.click();
    assert.match(await errorAt(page, 'Slug'), /letters/i);
    assert.match(await errorAt(page, 'URL'), /https:\/\//);
    assert.equal(await page.getByLabel('Display name').getAttribute('aria-invalid'), null, 'what is right is not marked');
    await page.getByText('2 fields need a change').waitFor();
    assert.deepEqual(await fields(page), typed);
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-invalid'));
    await until('the first field at fault has the focus', async () => (await focused()) === 'true');

    // Plain http towards a place that nobody allowed: the refusal names setting and value.
    await page.getByLabel('Slug').fill('taken');
    await page.getByLabel('URL', { exact: true }).fill('http://127.0.0.1:9/mcp');
    await save.click();
    await until('the setting is named', async () => /PATCHBAY_EGRESS_ALLOW=127\.0\.0\.1:9\b/.test(await errorAt(page, 'URL')));
    assert.equal((await fields(page)).url, 'http://127.0.0.1:9/mcp');

    await page.getByLabel('URL', { exact: true }).fill('https://mcp.example.com/other');
    await save.click();
    assert.match(await errorAt(page, 'Slug'), /another server has this slug/i);
    await page.getByText('1 field needs a change').waitFor();
    assert.deepEqual(await fields(page), { ...typed, slug: 'taken', url: 'https://mcp.example.com/other' });

    // Mended, all of it is stored.
    await page.getByLabel('Slug').fill('fine');
    await save.click();
    await page.waitForURL(/\/admin\/servers\/[0-9a-f-]{36}$/);
    const mended = { ...typed, slug: 'fine', url: 'https://mcp.example.com/other' };
    await page.reload();
    assert.deepEqual(await fields(page), mended);
    assert.equal((await rest(server, owner, 'GET', SERVERS)).filter((entry) => entry.slug === 'taken').length, 1);
  });

  withPage('the slug follows the name until it is edited, and no field is there that does nothing yet', async ({ page }) => {
    await logIn(page, server, OWNER, '/admin/servers/new');
    await alive(page.locator('form.editor'), 'submit');
    const [name, slug] = [page.getByLabel('Display name'), page.getByLabel('Slug')];
    await name.fill('Ünïque Tracker 2');
    const followed = await slug.inputValue();
    assert.match(followed, /^[a-z0-9][a-z0-9._-]*$/);
    await name.fill('Another');
    assert.equal(await slug.inputValue(), 'another');
    await slug.fill('mine');
    await name.fill('A third name');
    assert.equal(await slug.inputValue(), 'mine');
    const types = await page.getByLabel('Authentication', { exact: true }).locator('option').evaluateAll((all) => all.map((option) => option.value));
    assert.deepEqual(types, ['none', 'api_key', 'custom_headers', 'user_header', 'oauth2']);
    for (const type of types) {
      await page.getByLabel('Authentication', { exact: true }).selectOption(type);
      const text = await page.locator('form.editor').innerText();
      for (const later of [/trusted origin/i]) {
        assert.doesNotMatch(text, later, type);
      }
    }
  });

  withPage('keeps secrets write-only, and says which ones a save would wipe', async ({ page }) => {
    await logIn(page, server, OWNER, '/admin/servers/new');
    await alive(page.locator('form.editor'), 'submit');
    await page.getByLabel('Display name').fill('With a key');
    await page.getByLabel('URL', { exact: true }).fill('https://keyed.example.com/mcp');
    await page.getByLabel('Authentication', { exact: true }).selectOption('api_key');
    await page.getByLabel('API key', { exact: true }).fill('s3cret-value-of-the-test');
    await page.getByRole('button', { name: 'Save server' }).click();
    await page.waitForURL(/\/admin\/servers\/[0-9a-f-]{36}$/);
    await page.getByText('Stored ••••').waitFor();
    await page.reload();
    await alive(page.locator('form.editor'), 'submit');
    await page.getByText('Stored ••••').waitFor();
    assert.ok(!(await page.content()).includes('s3cret-value'), 'the key is nowhere in the page');
    await page.getByLabel('URL', { exact: true }).fill('https://elsewhere.example.com/mcp');
    await page.getByText('This save removes: the API key').waitFor();
    await page.getByLabel('URL', { exact: true }).fill('https://keyed.example.com/other');
    await page.getByText('This save removes').waitFor({ state: 'hidden' });
  });

  withPage('tells what a server that answers with a page instead of MCP is', async ({ page }) => {
    // Our own address is not on the list; the model's is, and it speaks no MCP.
    await logIn(page, server, OWNER, '/admin/servers/new');
    await alive(page.locator('form.editor'), 'submit');
    await page.getByLabel('Display name').fill('No MCP here');
    await page.getByLabel('URL', { exact: true }).fill(`http://${model.host}/nothing`);
    await page.getByRole('button', { name: 'Test connection' }).click();
    const report = page.getByRole('region', { name: 'Test result' });
    await report.waitFor();
    assert.match(await report.innerText(), /cannot be used yet/);
    assert.ok((await report.getByRole('alert').innerText()).length > 10, 'it says why');
    assert.equal(await report.getByRole('button', { name: 'Enable server' }).count(), 0);
  });
});

describe('doors', () => {
  withPage('a wrong password and an unknown account get one answer; the email stays, the password does not', async ({ page, console }) => {
    console.expect(refusedWith(401));
    const said = [];
    for (const person of [{ ...OWNER, password: 'not the password' }, { email: 'nobody@example.org', password: 'not the password' }]) {
      await page.goto(`${server.url}/login`);
      await submitLogin(page, person);
      const alert = page.getByRole('alert');
      await alert.waitFor();
      said.push(await alert.innerText());
      assert.equal(await page.getByLabel('Email').inputValue(), person.email);
      assert.equal(await page.getByLabel('Password').inputValue(), '');
      assert.ok(!(await page.content()).includes(person.password));
    }
    assert.ok(said[0].length > 10);
    assert.equal(said[0], said[1]);
  });

  withPage('login leads back to the page that was asked for, and to no other site', async ({ page }) => {
    await page.goto(`${server.url}/admin/servers`);
    await page.waitForURL(/\/login\?return_to=/);
    await submitLogin(page, OWNER);
    await page.waitForURL(`${server.url}/admin/servers`);
    await page.getByRole('heading', { name: 'Servers', exact: true }).waitFor();
    await page.context().clearCookies();
    await page.goto(`${server.url}/login?return_to=${encodeURIComponent('https://evil.example/')}`);
    await submitLogin(page, OWNER);
    await page.waitForURL(`${server.url}/`);
    await shellAlive(page);
  });

  withPage('a member is told that the panel is not for them', async ({ page, console }) => {
    console.expect(refusedWith(403));
    await logIn(page, server, MEMBER);
    for (const path of ['/admin/servers', '/admin/servers/new', '/admin/models', '/admin/users']) {
      const response = await page.goto(server.url + path);
      assert.equal(response.status(), 403, path);
      await page.getByRole('heading', { name: 'Not allowed' }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Save server' }).count(), 0);
    }
  });

  it('pages that are drawn at the same moment each bear their own title', async () => {
    const groups = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((n) => rest(server, owner, 'POST', '/api/v2/groups', { name: `titled-${n}`, display_name: `Group number ${n}` })),
    );
    const read = async (group) => {
      const response = await server.fetch(`/admin/groups/${group.id}`, { headers: { accept: 'text/html', authorization: `Bearer ${owner}` } });
      return [response.status, (await response.text()).match(/<title>(.*?)<\/title>/)?.[1]];
    };
    for (let round = 0; round < 30; round += 1) {
      const asked = [...groups, ...groups];
      const pages = await Promise.all(asked.map(read));
      assert.deepEqual(pages, asked.map((group) => [200, `${group.display_name} · Patchbay`]));
    }
  });

  withPage('an unknown chat is a plain 404', async ({ page, console }) => {
    console.expect(refusedWith(404));
    await logIn(page, server, MEMBER);
    const response = await page.goto(`${server.url}/chats/01900000-0000-7000-8000-000000000001`);
    assert.equal(response.status(), 404);
    await page.getByRole('heading', { name: 'Nothing here' }).waitFor();
  });
});

describe('the composer', () => {
  withPage('Enter sends, Shift+Enter begins a new line', async ({ page }) => {
    model.scriptText({ when: 'two lines', text: 'Read both.' });
    await logIn(page, server, MEMBER);
    await composerAlive(page);
    const field = page.getByLabel('Message', { exact: true });
    await field.pressSequentially('first of');
    await field.press('Shift+Enter');
    await field.pressSequentially('two lines');
    assert.equal(await field.inputValue(), 'first of\ntwo lines');
    assert.equal(new URL(page.url()).pathname, '/', 'nothing was sent');
    await field.press('Enter');
    await page.waitForURL(/\/chats\//);
    await turnOver(page);
    assert.equal(await page.getByTestId('user-message').locator('p').innerText(), 'first of\ntwo lines');
    assert.equal(await page.getByLabel('Message', { exact: true }).inputValue(), '');
    // Blanks alone are no message.
    await page.getByLabel('Message', { exact: true }).fill('  \n ');
    assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true);
  });

  withPage('an answer has its paragraphs, lists and emphasis while it is being written', async ({ page }) => {
    const text = 'Here is **what matters** now:\n\n- first `item`\n- second *item*\n\n```js\nconst a = 1;\n```\n\nThat is all.';
    model.scriptText({ when: 'write it nicely', text, chunkSize: 3, delayMs: 30 });
    await logIn(page, server, MEMBER);
    await composerAlive(page);
    await page.evaluate(() => {
      globalThis.shown = [];
      const look = () => {
        const live = document.querySelector('[data-testid=answer] [aria-busy=true]');
        if (live) globalThis.shown.push([live.innerText, [...live.querySelectorAll('strong, li, pre')].map((element) => element.localName).join(' ')]);
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await send(page, 'Please write it nicely');
    await page.waitForURL(/\/chats\//);
    await turnOver(page);
    const shown = await page.evaluate(() => globalThis.shown);
    assert.ok(shown.length >= 10, `seen growing ${shown.length} times`);
    assert.deepEqual(shown.filter(([words]) => /\*|`/.test(words)), [], 'no marker is shown');
    assert.ok(shown.some(([, made]) => made === 'strong li li pre'), JSON.stringify(shown.at(-1)));
    assert.equal(await page.getByTestId('answer').locator('pre').innerText(), 'const a = 1;\n');
    assert.equal(await page.getByTestId('answer').locator('[aria-busy]').count(), 0);
  });

  withPage('a refused key is explained, the message is kept, and Retry runs it again', async ({ page }) => {
    model.scriptText({ when: 'keep this', text: 'Kept and answered.' });
    await logIn(page, server, MEMBER);
    await composerAlive(page);
    model.failNext(401, 'Incorrect API key provided');
    await send(page, 'Please keep this message');
    const failure = page.getByTestId('turn-error');
    await failure.waitFor();
    assert.equal(await failure.getAttribute('data-code'), 'model_auth');
    assert.match(await failure.innerText(), /key/i);
    assert.equal(await page.getByTestId('user-message').locator('p').innerText(), 'Please keep this message');
    await alive(failure.getByRole('button', { name: 'Retry' }), 'click');
    await failure.getByRole('button', { name: 'Retry' }).click();
    await turnOver(page);
    assert.equal(await page.getByTestId('answer').innerText(), 'Kept and answered.');
    assert.equal(await page.getByTestId('user-message').count(), 1);
    assert.equal(await failure.count(), 0);
  });

  withPage('a server that is down costs its tools and not the turn', async ({ page }) => {
    const gone = await startEverything({});
    const downServer = await startServer({ allow: [gone.host, model.host] });
    try {
      const token = await makeOwner(downServer);
      const provider = await rest(downServer, token, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
      await rest(downServer, token, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
      await rest(downServer, token, 'POST', SERVERS, {
        display_name: 'Gone', slug: 'gone', url: gone.url, transport: 'streamable_http', auth_type: 'none', availability: 'force_on', enabled: true,
      });
      await gone.stop();
      model.scriptText({ when: 'go on', text: 'Going on without it.' });
      await logIn(page, downServer, OWNER);
      await composerAlive(page);
      await send(page, 'Please go on');
      await page.waitForURL(/\/chats\//);
      await turnOver(page);
      assert.equal(await page.getByTestId('answer').innerText(), 'Going on without it.');
      assert.match(await page.getByTestId('server-trouble').innerText(), /Gone[\s\S]*continuing without it/);
    } finally {
      // A page that is left open would look for its list in vain.
      await page.goto('about:blank');
      await downServer.stop();
      await gone.stop();
    }
  });
});

describe('without JavaScript', () => {
  // Searches by text leave `noscript` out, so the note is found by its place.
  const visibleNote = async (page) => {
    const note = page.locator('main noscript p');
    await note.waitFor({ state: 'visible' });
    return note.innerText();
  };

  withPage('login works, a chat reads, and what cannot work says so', async ({ page }) => {
    model.scriptToolCall({ when: 'echo it', tool: 'echo', arguments: { message: 'hello there' }, text: 'It said **hello there**.', delayMs: 1 });
    const { id: serverId } = await rest(server, owner, 'POST', SERVERS, {
      display_name: 'Echoes', slug: 'echoes', url: peer.url, transport: 'streamable_http', auth_type: 'none', availability: 'default_off', enabled: true,
    });
    const response = await server.fetch(CHATS, {
      method: 'POST',
      headers: { authorization: `Bearer ${owner}`, 'content-type': 'application/json', prefer: 'wait=60' },
      body: JSON.stringify({ content: [{ type: 'text', text: 'Please echo it' }], mcp_server_ids: [serverId] }),
    });
    const chat = await response.json();
    assert.equal(chat.status, 'waiting', JSON.stringify(chat));

    await page.goto(`${server.url}/chats/${chat.id}`);
    await page.waitForURL(/\/login\?return_to=/);
    await submitLogin(page, OWNER);
    await page.waitForURL(`${server.url}/chats/${chat.id}`);
    const text = await transcriptText(page);
    assert.match(text, /Please echo it[\s\S]*Echo Tool[\s\S]*Echoes[\s\S]*It said hello there\./);
    assert.equal(await page.getByTestId('tool-call').getAttribute('data-state'), 'done');
    assert.equal(await page.getByTestId('answer').locator('strong').innerText(), 'hello there');
    // Native details open by themselves.
    await page.getByTestId('tool-call').locator('summary', { hasText: 'Details' }).click();
    assert.match(await page.getByTestId('tool-result').innerText(), /hello there/);
    assert.match(await visibleNote(page), /Writing in a chat needs JavaScript/);

    await page.getByRole('link', { name: 'Servers', exact: true }).click();
    await page.getByRole('link', { name: /Echoes/ }).click();
    await page.getByRole('heading', { name: 'Echoes' }).waitFor();
    assert.match(await visibleNote(page), /needs JavaScript \(WebAssembly\) to save changes/);
    assert.equal(await page.getByLabel('URL', { exact: true }).inputValue(), peer.url);
    await page.getByRole('button', { name: 'Account menu' }).click();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.waitForURL(/\/login$/);
  }, { javaScriptEnabled: false });
});

describe('the theme', () => {
  withPage('dark is dark at once and after a reload', async ({ page }) => {
    await logIn(page, server, MEMBER);
    const brightness = () =>
      page.evaluate(() => {
        const canvas = document.createElement('canvas').getContext('2d');
        canvas.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
        return (red + green + blue) / 3;
      });
    assert.ok((await brightness()) > 200);
    await page.getByRole('button', { name: 'Account menu' }).click();
    await page.getByRole('button', { name: 'Dark', exact: true }).click();
    await until('the page is dark', async () => (await brightness()) < 60);
    // From the first byte on, before any script: no white flash.
    const response = await page.reload();
    assert.match(await response.text(), /<html[^>]* data-theme="dark"/);
    assert.ok((await brightness()) < 60);
  }, { colorScheme: 'light' });
});
