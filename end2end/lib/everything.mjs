// A real MCP peer: npm @modelcontextprotocol/server-everything, on loopback, with a log of what it was sent.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';

import { Child } from './child.mjs';
import { root, scratchDir } from './paths.mjs';

const START_DEADLINE_MS = 20_000;
const script = path.join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const preload = path.join(root, 'end2end/lib/preload.cjs');

/** The peer's transports, as its command line names them, and where it serves each. */
const PATHS = { streamableHttp: '/mcp', sse: '/sse' };

/**
 * Starts the peer on a free port, or on `port` to come back where it was. It speaks one transport at a time.
 *
 * @param {{port?: number, transport?: 'streamableHttp' | 'sse'}} [options]
 * @returns {Promise<Everything>}
 */
export async function startEverything({ port = 0, transport = 'streamableHttp' } = {}) {
  const log = path.join(scratchDir('everything'), 'requests.jsonl');
  const process_ = fork(script, [transport], {
    execArgv: ['--require', preload],
    env: { ...process.env, PORT: String(port), PATCHBAY_PEER_LOG: log },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const child = new Child(process_, 'server-everything');
  const message = await Promise.race([
    once(process_, 'message', { signal: AbortSignal.timeout(START_DEADLINE_MS) }).then(([message]) => message),
    child.exited.then(({ code }) => Promise.reject(new Error(`server-everything ended with ${code}:\n${child.output}`))),
  ]);
  return new Everything(child, message.listening, PATHS[transport], log);
}

class Everything {
  constructor(child, address, path, log) {
    this.child = child;
    this.address = address;
    this.path = path;
    this.log = log;
  }

  get url() {
    return `http://${this.host}${this.path}`;
  }

  /** `host:port`, as PATCHBAY_EGRESS_ALLOW wants it. */
  get host() {
    return `${this.address.address}:${this.address.port}`;
  }

  /** All requests so far: method, url, headers, body (text) and message (the parsed JSON-RPC, or null). */
  requests() {
    if (!fs.existsSync(this.log)) return [];
    const lines = fs.readFileSync(this.log, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => {
      const entry = JSON.parse(line);
      return { ...entry, message: parsed(entry.body) };
    });
  }

  /** The parameters (`name`, `arguments`, …) of every tools/call it received, in order. */
  toolCalls() {
    return this.parametersOf('tools/call');
  }

  /** The parameters of every message of this method, in order. */
  parametersOf(method) {
    return this.requests()
      .map((request) => request.message)
      .filter((message) => message?.method === method)
      .map((message) => message.params);
  }

  stop() {
    return this.child.stop('SIGTERM');
  }
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
