// The real binary on a free port with a data directory of its own.

import { spawn } from 'node:child_process';

import { Child } from './child.mjs';
import { required, scratchDir } from './paths.mjs';

const START_DEADLINE_MS = 30_000;

/**
 * Starts `patchbay serve` and waits until it is ready.
 *
 * @param {object} [options]
 * @param {string[]} [options.allow] `host:port` of peers that the server may dial
 * @param {string} [options.dataDir] keep one to restart on the same data
 * @param {string[]} [options.args] further arguments
 * @param {Record<string, string>} [options.env] further environment
 * @param {string} [options.listen] `host:port`; a free loopback port by default
 * @returns {Promise<PatchbayServer>}
 */
export async function startServer(options = {}) {
  const binary = required('PATCHBAY_BIN', 'set it to the built binary');
  const dataDir = options.dataDir ?? scratchDir('data');
  const child = new Child(
    spawn(binary, ['serve', ...(options.args ?? [])], {
      env: {
        ...withoutOurs(process.env),
        PATCHBAY_LISTEN: options.listen ?? '127.0.0.1:0',
        PATCHBAY_DATA_DIR: dataDir,
        ...(options.allow ? { PATCHBAY_EGRESS_ALLOW: options.allow.join(',') } : {}),
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
    'patchbay serve',
  );
  const [, url] = await child.waitFor(/^Patchbay is ready at (http:\/\/\S+)$/m, START_DEADLINE_MS);
  return new PatchbayServer(child, url, dataDir);
}

class PatchbayServer {
  constructor(child, url, dataDir) {
    this.child = child;
    this.url = url;
    this.dataDir = dataDir;
  }

  /** The one-time link for the first owner; the server prints it only while there is no owner. */
  async setupLink() {
    const [, link] = await this.child.waitFor(/^Set up the first owner: (\S+)$/m, START_DEADLINE_MS);
    return link;
  }

  /** Everything the server printed. */
  get output() {
    return this.child.output;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** Orderly end. */
  stop() {
    return this.child.stop('SIGTERM');
  }

  /** The power fails. */
  kill() {
    return this.child.stop('SIGKILL');
  }

  /** A request to the server; `path` starts with a slash. */
  fetch(path, init) {
    return fetch(new URL(path, this.url), init);
  }
}

/** Settings of the person who runs the tests must not reach the server under test. */
function withoutOurs(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('PATCHBAY_')));
}
