// A real Chromium, and pages that fail the test on any console error.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { watchListeners } from './alive.mjs';
import { required, resultsDir } from './paths.mjs';

const FLAGS = [
  '--no-sandbox', // we run as root in containers
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
// Generous: the tests also run on loaded machines, and a condition that comes true ends the wait at once.
const ACTION_DEADLINE_MS = 30_000;

/** Starts the browser with a fresh profile. One per test file is enough; contexts keep tests apart. */
export function startBrowser() {
  const executablePath = required('PATCHBAY_CHROMIUM', 'set it to the browser');
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}

/**
 * A page in a context of its own (cookies, storage), watched for console errors.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  context.setDefaultTimeout(ACTION_DEADLINE_MS);
  await context.addInitScript(watchListeners);
  const page = await context.newPage();
  return { context, page, console: watchConsole(page) };
}

/** Runs with a page of its own; ends with a quiet console. */
export async function withPage(browser, use, options) {
  const opened = await openPage(browser, options);
  try {
    await use(opened);
    opened.console.assertQuiet();
  } finally {
    await opened.context.close();
  }
}

/** Collects what a healthy page never says: errors, uncaught exceptions, warnings about hydration or security policy. */
export function watchConsole(page) {
  const complaints = [];
  const expected = [];
  const note = (text) => {
    if (!expected.some((pattern) => pattern.test(text))) complaints.push(text);
  };
  page.on('pageerror', (error) => note(`uncaught: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    const where = message.location().url;
    if (message.type() === 'error') note(`error: ${text} (${where})`);
    if (message.type() === 'warning' && /hydrat|mismatch|content security policy|panicked/i.test(text)) {
      note(`warning: ${text} (${where})`);
    }
  });
  return {
    complaints,
    /** A complaint that the test provokes on purpose, such as the browser's line about a 400. */
    expect(pattern) {
      expected.push(pattern);
    },
    assertQuiet() {
      assert.deepEqual(complaints, [], 'the page complained in the console');
    },
  };
}

/**
 * A picture for the documentation. Goes to docs/images when asked for (`cargo xtask test --screenshots`), else beside the
 * test results, so that an ordinary run leaves the working tree alone.
 */
export async function screenshot(page, name, options = {}) {
  const folder = process.env.PATCHBAY_SCREENSHOTS ?? path.join(resultsDir, 'images');
  fs.mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), animations: 'disabled', ...options });
}
