// The binary alone is the whole product: it starts, serves its embedded browser half and the page comes alive.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';

describe('a fresh start', () => {
  let server;
  let browser;
  before(async () => {
    server = await startServer();
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  it('serves embedded assets compressed, typed and immutable', async () => {
    const html = await (await server.fetch('/login')).text();
    const assets = new Set(html.match(/\/pkg\/patchbay\.[0-9a-f]{16}\.(?:js|wasm|css)/g));
    assert.equal(assets.size, 3, `script, wasm and style sheet in ${[...assets]}`);
    const types = { js: 'text/javascript', wasm: 'application/wasm', css: 'text/css' };
    for (const path of assets) {
      for (const coding of ['br', 'gzip']) {
        const response = await server.fetch(path, { headers: { 'accept-encoding': coding } });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('content-encoding'), coding);
        assert.ok(response.headers.get('content-type').startsWith(types[path.split('.').at(-1)]));
        assert.match(response.headers.get('cache-control'), /max-age=31536000, immutable/);
        const again = await server.fetch(path, {
          headers: { 'accept-encoding': coding, 'if-none-match': response.headers.get('etag') },
        });
        assert.equal(again.status, 304);
      }
    }
    assert.equal((await server.fetch('/pkg/patchbay.js')).status, 404);
    assert.equal((await server.fetch('/favicon.svg')).headers.get('content-type'), 'image/svg+xml');
  });

  it('shows the setup page of the printed link, alive and without a complaint', async () => {
    const { context, page, console } = await openPage(browser);
    const wasm = page.waitForResponse((response) => /\/pkg\/patchbay\.[0-9a-f]{16}\.wasm$/.test(response.url()));
    await page.goto(await server.setupLink());
    assert.equal((await wasm).status(), 200);
    await page.waitForLoadState('networkidle');
    await page.getByRole('heading').first().waitFor();
    console.assertQuiet();
    await context.close();
  });

  it('draws the description of the API with the viewer it carries', async () => {
    const { context, page, console } = await openPage(browser);
    const elsewhere = [];
    page.on('request', (request) => new URL(request.url()).origin === server.url || elsewhere.push(request.url()));
    await page.goto(`${server.url}/api/docs`);
    await page.locator('.opblock').first().waitFor();
    assert.ok((await page.locator('.opblock').count()) > 40, 'every operation');
    await page.getByText('/api/experimental/mcp/servers', { exact: true }).first().waitFor();
    assert.deepEqual(elsewhere.filter((url) => !url.startsWith('data:')), []);
    console.assertQuiet();
    await context.close();
  });

  it('ends in order and refuses a second server on the same data', async () => {
    await assert.rejects(startServer({ dataDir: server.dataDir }), /ended before it said/);
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  });
});
