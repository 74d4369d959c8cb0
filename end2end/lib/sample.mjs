// A real MCP peer on rmcp: the binary's own sample server, with the ledger of what its slow tool did.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { Child } from './child.mjs';
import { required, scratchDir } from './paths.mjs';

const START_DEADLINE_MS = 20_000;

/** @returns {Promise<Sample>} */
export async function startSample() {
  const binary = required('PATCHBAY_BIN', 'set it to the built binary');
  const dataDir = scratchDir('sample');
  const args = ['sample-mcp', '--addr', '127.0.0.1:0', '--data-dir', dataDir];
  const child = new Child(spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] }), 'patchbay sample-mcp');
  const [, url] = await child.waitFor(/^Sample MCP server at (http:\/\/\S+)$/m, START_DEADLINE_MS);
  return new Sample(child, url, dataDir);
}

class Sample {
  constructor(child, url, dataDir) {
    this.child = child;
    this.url = url;
    this.dataDir = dataDir;
  }

  /** `host:port`, as PATCHBAY_EGRESS_ALLOW wants it. */
  get host() {
    return new URL(this.url).host;
  }

  /** What `slow_count` wrote of this name so far: `started`, `finished`, `cancelled`. */
  counts(name) {
    const file = path.join(this.dataDir, 'slow_count.jsonl');
    const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    return lines.map((line) => JSON.parse(line)).filter((entry) => entry.event === name);
  }

  stop() {
    return this.child.stop('SIGTERM');
  }
}
