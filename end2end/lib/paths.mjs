// Where things lie, and scratch folders that go away with the test.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Folder for what is worth looking at after a failure: traces, pictures, server output. */
export const resultsDir = process.env.PATCHBAY_E2E_DIR ?? path.join(root, 'end2end/test-results');

/** A value that `cargo xtask test` sets; running a file by hand needs it too. */
export function required(name, hint) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: ${hint}, or run \`cargo xtask test end2end/FILE.test.mjs\``);
  return value;
}

/** A new empty folder, deleted when this process ends. */
export function scratchDir(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `patchbay-${name}-`));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
