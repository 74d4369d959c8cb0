// The browser harness itself: a page that complains must fail a test, a quiet one must not.

import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';

import { openPage, startBrowser } from './lib/browser.mjs';

const PAGES = {
  '/quiet': '<title>quiet</title><script>console.log("hello")</script>',
  '/error': '<title>x</title><script>console.error("it broke")</script>',
  '/throws': '<title>x</title><script>throw new Error("thrown")</script>',
  '/warning': '<title>x</title><script>console.warn("A hydration mismatch happened"); console.warn("harmless")</script>',
  '/blocked': '<title>x</title><script>console.log("never runs")</script>',
};

describe('browser harness', () => {
  let server;
  let browser;
  before(async () => {
    server = http.createServer((request, response) => {
      const headers = { 'content-type': 'text/html' };
      if (request.url === '/blocked') headers['content-security-policy'] = "script-src 'none'";
      // The browser asks for an icon by itself; an absent one would count as a complaint.
      if (request.url === '/favicon.ico') response.writeHead(204).end();
      else response.writeHead(200, headers).end(`<!doctype html>${PAGES[request.url]}`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  async function visit(path, expected) {
    const { context, page, console } = await openPage(browser);
    if (expected) console.expect(expected);
    await page.goto(`http://127.0.0.1:${server.address().port}${path}`);
    await page.waitForTimeout(100);
    await context.close();
    return console;
  }

  it('lets a quiet page pass', async () => {
    (await visit('/quiet')).assertQuiet();
  });

  for (const [path, words] of [
    ['/error', /it broke/],
    ['/throws', /thrown/],
    ['/warning', /hydration mismatch/],
    ['/blocked', /Content Security Policy/],
  ]) {
    it(`notices the complaint of ${path}`, async () => {
      const console = await visit(path);
      assert.equal(console.complaints.length, 1);
      assert.match(console.complaints[0], words);
      assert.throws(() => console.assertQuiet());
    });
  }

  it('overlooks a complaint that the test announced', async () => {
    (await visit('/error', /it broke/)).assertQuiet();
  });
});
