// The peers of the end-to-end tests do what the tests rely on. If these fail, do not look at Patchbay first.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';

describe('server-everything under our preload', () => {
  let peer;
  before(async () => {
    peer = await startEverything();
  });
  after(() => peer?.stop());

  it('listens on loopback only', () => {
    assert.equal(peer.address.address, '127.0.0.1');
    // What the kernel says, not what the process says: state 0A is LISTEN.
    const hexPort = peer.address.port.toString(16).toUpperCase().padStart(4, '0');
    const listening = ['/proc/net/tcp', '/proc/net/tcp6']
      .filter((file) => fs.existsSync(file))
      .flatMap((file) => fs.readFileSync(file, 'utf8').split('\n'))
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && fields[1].endsWith(`:${hexPort}`))
      .map((fields) => fields[1]);
    assert.deepEqual(listening, [`0100007F:${hexPort}`]);
  });

  it('answers MCP and logs method, headers and body of each request', async () => {
    const initialized = await post(peer, {
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '0' } },
    });
    assert.ok(initialized.message.result.serverInfo.name);
    const session = { 'mcp-session-id': initialized.session };
    await post(peer, { method: 'notifications/initialized' }, session);
    const { message } = await post(
      peer,
      { id: 2, method: 'tools/call', params: { name: 'echo', arguments: { message: 'grüße ✓' } } },
      { ...session, 'x-probe': 'yes' },
    );
    assert.match(message.result.content[0].text, /grüße ✓/);
    assert.deepEqual(peer.toolCalls(), [{ name: 'echo', arguments: { message: 'grüße ✓' } }]);
    const logged = peer.requests().at(-1);
    assert.equal(logged.method, 'POST');
    assert.equal(logged.url, '/mcp');
    assert.equal(logged.headers['x-probe'], 'yes');
    assert.equal(logged.message.id, 2);
  });

  it('ends when it is told to', async () => {
    const other = await startEverything();
    await other.stop();
    assert.equal(other.child.running, false);
    await assert.rejects(fetch(other.url));
  });
});

describe('scripted model', () => {
  let model;
  const args = { duration: 2, steps: 4, note: 'a sentence that is long enough to need many small pieces of a stream' };
  before(async () => {
    model = await startModel();
    model.scriptToolCall({ when: 'run the operation', tool: 'long-running', arguments: args, text: 'It is done.', delayMs: 15 });
    model.scriptText({ when: 'say hello', text: 'Hello to you.' });
  });
  after(() => model?.stop());

  const tools = [
    { type: 'function', function: { name: 'everything__echo', parameters: { type: 'object' } } },
    { type: 'function', function: { name: 'everything__long-running', parameters: { type: 'object' } } },
  ];
  const question = { role: 'user', content: 'Please run the operation now' };

  it('streams the arguments of a tool call in at least 20 deltas', async () => {
    const start = Date.now();
    const chunks = await chat(model, { messages: [question], tools });
    const calls = chunks.flatMap((chunk) => chunk.choices[0]?.delta?.tool_calls ?? []);
    assert.equal(calls[0].function.name, 'everything__long-running');
    const pieces = calls.map((call) => call.function.arguments).filter(Boolean);
    assert.ok(pieces.length >= 20, `${pieces.length} deltas`);
    assert.deepEqual(JSON.parse(pieces.join('')), args);
    assert.ok(Date.now() - start >= 20 * 15, 'the deltas came with pauses between them');
  });

  it('ends the turn with text once the tool result is there', async () => {
    const messages = [
      question,
      { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'everything__long-running', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'c1', content: 'finished' },
    ];
    assert.equal(textOf(await chat(model, { messages, tools })), 'It is done.');
    assert.equal(model.requests().at(-1).messages.at(-1).content, 'finished');
  });

  it('answers another message with its own text and can fail once', async () => {
    const messages = [{ role: 'user', content: 'say hello' }];
    model.failNext(401, 'wrong key');
    await assert.rejects(chat(model, { messages }), /401.*wrong key/s);
    assert.equal(textOf(await chat(model, { messages })), 'Hello to you.');
  });
});

/** One JSON-RPC POST; reads the answer out of JSON or an event stream. */
async function post(peer, message, headers = {}) {
  const response = await fetch(peer.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  assert.ok(response.ok, `${response.status}: ${text}`);
  const data = text.split('\n').filter((line) => line.startsWith('data: ') && line.length > 6).at(-1)?.slice(6) ?? text;
  return { session: response.headers.get('mcp-session-id'), message: data ? JSON.parse(data) : null };
}

/** A streamed chat completion as its list of chunks. */
async function chat(model, body) {
  const response = await fetch(`${model.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer test' },
    body: JSON.stringify({ model: 'scripted', stream: true, ...body }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: ') && !line.includes('[DONE]'))
    .map((line) => JSON.parse(line.slice(6)));
}

function textOf(chunks) {
  return chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('');
}
