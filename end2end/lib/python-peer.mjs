// A real MCP peer of another family: a server on the Python SDK (peers/server.py), in one of the ways that SDK has.

import { spawn } from 'node:child_process';
import path from 'node:path';

import { Child } from './child.mjs';
import { required, root } from './paths.mjs';

const START_DEADLINE_MS = 30_000;
const script = path.join(root, 'end2end/peers/server.py');
const PATHS = { stateless: '/mcp', handshake: '/mcp', sse: '/sse' };

/**
 * @param {'stateless' | 'handshake' | 'sse'} mode
 * @returns {Promise<PythonPeer>}
 */
export async function startPythonPeer(mode) {
  const python = required('PATCHBAY_PYTHON', 'set it to an interpreter that has what end2end/peers/requirements.txt names');
  // Isolated: nothing of the person who runs the tests is imported. Its standard input is open as long as we live.
  const process_ = spawn(python, ['-I', script, mode], { stdio: ['pipe', 'pipe', 'pipe'] });
  const child = new Child(process_, `Python peer, ${mode}`);
  const [line] = await child.waitFor(/^.*"event": "listening".*$/m, START_DEADLINE_MS);
  const { host, port } = JSON.parse(line);
  return new PythonPeer(child, `${host}:${port}`, PATHS[mode]);
}

class PythonPeer {
  constructor(child, host, path) {
    this.child = child;
    /** `host:port`, as PATCHBAY_EGRESS_ALLOW wants it. */
    this.host = host;
    this.path = path;
  }

  get url() {
    return `http://${this.host}${this.path}`;
  }

  /** What its tools said of this name so far, in order. */
  events(name) {
    const lines = this.child.output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line)).filter((entry) => entry.event === name);
  }

  stop() {
    return this.child.stop('SIGTERM');
  }
}
