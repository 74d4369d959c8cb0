// `patchbay mcp probe`, as somebody with a shell uses it.

import { execFile } from 'node:child_process';

import { required, scratchDir } from './paths.mjs';

const DEADLINE_MS = 30_000;
/** It wants to know where data may be stored, and stores none. */
const dataDir = scratchDir('probe');

/**
 * Asks a server on loopback and calls one of its tools.
 *
 * @param {string} url
 * @param {{transport: string, tool: string, arguments: object}} call
 * @returns {Promise<{code: number, answer: object, complaint: string}>} exit code, the printed JSON, standard error
 */
export function probe(url, { transport, tool, arguments: args }) {
  const binary = required('PATCHBAY_BIN', 'set it to the built binary');
  const words = ['mcp', 'probe', url, '--transport', transport, '--call', tool, '--args', JSON.stringify(args), '--json', '--allow-loopback'];
  return new Promise((resolve, reject) => {
    // Nothing else of the environment: the settings of the person who runs the tests are none of ours.
    execFile(binary, words, { env: { PATCHBAY_DATA_DIR: dataDir }, timeout: DEADLINE_MS }, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      if (typeof code !== 'number' || !stdout) return reject(new Error(`mcp probe ended with ${code}: ${stderr}`));
      resolve({ code, answer: JSON.parse(stdout), complaint: stderr });
    });
  });
}
