// Starts the two peers of the sign-in tests, each as a process that ends with the test: the authorization server of this folder,
// and a protected MCP server on rmcp (crates/testkit/src/bin/protected_mcp), which asks it about every token.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { Child } from '../lib/child.mjs';
import { root, scratchDir } from '../lib/paths.mjs';

const START_DEADLINE_MS = 20_000;
/** Beside `patchbay`, which the same build made. */
const binary = path.join(path.dirname(process.env.PATCHBAY_BIN ?? path.join(root, 'target/debug/patchbay')), 'protected_mcp');

/**
 * @param {{port?: number}} [options]
 * @returns {Promise<OauthProvider>}
 */
export async function startOauthProvider({ port = 0 } = {}) {
  const script = path.join(root, 'end2end/oauth/provider.mjs');
  const child = new Child(spawn(process.execPath, [script, String(port)], { stdio: ['pipe', 'pipe', 'pipe'] }), 'oidc-provider');
  const [line] = await child.waitFor(/^\{"event":"listening".*\}$/m, START_DEADLINE_MS);
  return new OauthProvider(child, JSON.parse(line));
}

class OauthProvider {
  constructor(child, { issuer, introspection, resourceServer }) {
    this.child = child;
    this.issuer = issuer;
    this.introspection = introspection;
    this.resourceServer = resourceServer;
  }

  /** `host:port`, as PATCHBAY_EGRESS_ALLOW wants it. */
  get host() {
    return new URL(this.issuer).host;
  }

  /** Gives an order of `control.mjs`, or only asks; returns events, settings and the number of grants. */
  async control(order) {
    const init = order && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(order) };
    return (await fetch(`${this.issuer}/__control`, init)).json();
  }

  /** The token requests so far with this grant type, answered or refused. */
  async tokenRequests(grantType) {
    const { events } = await this.control();
    return events.filter(({ event, grant_type }) => ['grant.success', 'grant.error'].includes(event) && grant_type === grantType);
  }

  stop() {
    return this.child.stop('SIGTERM');
  }
}

/**
 * @param {OauthProvider} provider
 * @param {{listen?: string, toolScopes?: string}} [options] `toolScopes` as `create_ticket=tickets:write`
 * @returns {Promise<ProtectedMcp>}
 */
export async function startProtectedMcp(provider, { listen = '127.0.0.1:0', toolScopes = '' } = {}) {
  if (!fs.existsSync(binary)) throw new Error(`${binary} is not there: cargo build -p patchbay-testkit --bin protected_mcp`);
  const env = {
    PROTECTED_MCP_LISTEN: listen,
    PROTECTED_MCP_ISSUER: provider.issuer,
    PROTECTED_MCP_INTROSPECTION: provider.introspection,
    PROTECTED_MCP_CLIENT_ID: provider.resourceServer.id,
    PROTECTED_MCP_CLIENT_SECRET: provider.resourceServer.secret,
    PROTECTED_MCP_DATA_DIR: scratchDir('protected'),
    PROTECTED_MCP_TOOL_SCOPES: toolScopes,
  };
  const child = new Child(spawn(binary, { env, stdio: ['pipe', 'pipe', 'pipe'] }), 'protected_mcp');
  const [, url] = await child.waitFor(/^Protected MCP server at (http:\/\/\S+)$/m, START_DEADLINE_MS);
  return new ProtectedMcp(child, url);
}

class ProtectedMcp {
  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  /** `host:port`, as PATCHBAY_EGRESS_ALLOW wants it. */
  get host() {
    return new URL(this.url).host;
  }

  /** What it judged so far, in order: `event` (`admitted` or `refused`), `why`, `method`, `tool`, `sub`, `client_id`, `scope`. */
  judged() {
    const lines = this.child.output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line));
  }

  stop() {
    return this.child.stop('SIGTERM');
  }
}
