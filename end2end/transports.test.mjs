// Every real peer in every era and transport it has: three families of servers that are not ours, and the transport of 2024
// also where an admin has set the newer one. What is found, what a chat gets from it, and that a stop arrives.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { startEverything } from './lib/everything.mjs';
import { startModel } from './lib/model.mjs';
import { makeOwner, rest } from './lib/people.mjs';
import { probe } from './lib/probe.mjs';
import { startPythonPeer } from './lib/python-peer.mjs';
import { startSample } from './lib/sample.mjs';
import { startServer } from './lib/server.mjs';
import { steps } from './lib/steps.mjs';
import { until } from './lib/wait.mjs';

const SERVERS = '/api/experimental/mcp/servers';
const CHATS = '/api/experimental/chats';
const MODERN = '2026-07-28';
const HANDSHAKE = '2025-11-25';
/** Far longer than any test waits: a call that lasts this long ends because it was stopped. */
const LONG_SECONDS = 50;

/**
 * What there is to call at each family: a quick tool, one with progress, one to be stopped (with what the peer itself saw of
 * its beginning and its end), and one that fails.
 */
const EVERYTHING = {
  quick: { tool: 'get-sum', arguments: { a: 2, b: 40 }, result: [{ type: 'text', text: 'The sum of 2 and 40 is 42.' }] },
  progress: { tool: 'trigger-long-running-operation', arguments: { duration: 1.5, steps: 3 }, ends: /^Long running operation completed/ },
  slow: { tool: 'trigger-long-running-operation', arguments: { duration: LONG_SECONDS, steps: 1 } },
  begun: (peer) => peer.toolCalls().filter((call) => call.arguments.duration === LONG_SECONDS).length,
  stopped: (peer) => peer.parametersOf('notifications/cancelled').length,
};
const PYTHON = {
  quick: {
    tool: 'add',
    arguments: { a: 2, b: 40 },
    result: [
      { type: 'text', text: '{\n  "total": 42\n}' },
      { type: 'structured', value: { total: 42 } },
    ],
  },
  progress: { tool: 'steps', arguments: { count: 3 }, ends: /^Took 3 steps$/ },
  slow: { tool: 'wait', arguments: { seconds: LONG_SECONDS } },
  fails: { tool: 'fail', arguments: { reason: 'no paper' }, says: /It failed: no paper$/ },
  begun: (peer) => peer.events('waiting').length,
  stopped: (peer) => peer.events('cancelled').length,
};
const RMCP = {
  quick: {
    tool: 'slow_count',
    arguments: { to: 1 },
    result: [
      { type: 'text', text: 'Counted to 1.' },
      { type: 'structured', value: { counted_to: 1 } },
    ],
  },
  progress: { tool: 'slow_count', arguments: { to: 2 }, ends: /^Counted to 2/ },
  slow: { tool: 'slow_count', arguments: { to: LONG_SECONDS } },
  fails: { tool: 'create_ticket', arguments: { title: '' }, says: /title/ },
  begun: (peer) => peer.counts('started').filter((entry) => entry.to === LONG_SECONDS).length,
  stopped: (peer) => peer.counts('cancelled').length,
};

// All these peers and their folders go away with this process, each by a listener of its own.
process.setMaxListeners(24);
const peers = {};
let model, server, owner;
before(async () => {
  [peers.everything, peers.everythingSse, peers.python, peers.pythonHandshake, peers.pythonSse, peers.sample, model] = await Promise.all([
    startEverything(),
    startEverything({ transport: 'sse' }),
    startPythonPeer('stateless'),
    startPythonPeer('handshake'),
    startPythonPeer('sse'),
    startSample(),
    startModel(),
  ]);
  server = await startServer({ allow: [...Object.values(peers), model].map((peer) => peer.host) });
  owner = await makeOwner(server);
  const provider = await rest(server, owner, 'POST', '/api/v2/providers', { name: 'Scripted', type: 'openai', base_url: model.baseUrl, api_key: 'k' });
  await rest(server, owner, 'POST', '/api/v2/models', { provider_id: provider.id, model: 'scripted', display_name: 'Scripted', is_default: true });
});
after(async () => {
  await server?.stop();
  await Promise.all([...Object.values(peers), model].map((peer) => peer?.stop()));
});

describe('server-everything over streamable HTTP', () =>
  tested({ slug: 'ts-http', peer: 'everything', family: EVERYTHING, transport: 'streamable_http', wire: 'streamable', revision: HANDSHAKE }));

describe('server-everything over the transport of 2024', () =>
  tested({ slug: 'ts-sse', peer: 'everythingSse', family: EVERYTHING, transport: 'sse', wire: 'sse', revision: HANDSHAKE }));

describe('server-everything over the transport of 2024, set to streamable HTTP', () =>
  tested({ slug: 'ts-found', peer: 'everythingSse', family: EVERYTHING, transport: 'streamable_http', wire: 'sse', revision: HANDSHAKE }));

describe('the Python SDK, stateless', () =>
  tested({ slug: 'py-stateless', peer: 'python', family: PYTHON, transport: 'streamable_http', wire: 'stateless', revision: MODERN }));

describe('the Python SDK with a handshake', () =>
  tested({ slug: 'py-handshake', peer: 'pythonHandshake', family: PYTHON, transport: 'streamable_http', wire: 'streamable', revision: HANDSHAKE }));

describe('the Python SDK over the transport of 2024', () =>
  tested({ slug: 'py-sse', peer: 'pythonSse', family: PYTHON, transport: 'sse', wire: 'sse', revision: HANDSHAKE }));

describe('the Python SDK over the transport of 2024, set to streamable HTTP', () =>
  tested({ slug: 'py-found', peer: 'pythonSse', family: PYTHON, transport: 'streamable_http', wire: 'sse', revision: HANDSHAKE }));

// Its older half is reached by no question of ours while the newer one answers: crates/mcpclient/tests/it/sample.rs has it.
describe('rmcp, stateless', () =>
  tested({ slug: 'rs-stateless', peer: 'sample', family: RMCP, transport: 'streamable_http', wire: 'stateless', revision: MODERN }));

/** The same steps for each of them. */
function tested({ slug, peer: name, family, transport, wire, revision }) {
  const step = steps();
  let peer, id;

  step('a check finds what the server speaks and lists its tools', async () => {
    peer = peers[name];
    assert.match(peer.host, /^127\.0\.0\.1:\d+$/, 'bound to loopback');
    const row = { display_name: slug, slug, transport, url: peer.url, auth_type: 'none', availability: 'default_off', enabled: true };
    ({ id } = await rest(server, owner, 'POST', SERVERS, row));
    const report = await rest(server, owner, 'POST', `${SERVERS}/${id}/check`);
    assert.equal(report.outcome, 'connected', report.error);
    assert.deepEqual([report.wire, report.protocol_version], [wire, revision], JSON.stringify(report.evidence));
    const usable = report.tools.filter((tool) => tool.allowed).map((tool) => tool.name);
    for (const call of [family.quick, family.progress, family.slow]) assert.ok(usable.includes(call.tool), `${call.tool} in ${usable}`);

    // Kept beside the answer, not before it.
    const { detected, config_problems } = await until('what was found is kept', async () => {
      const row = await rest(server, owner, 'GET', `${SERVERS}/${id}`);
      return row.detected && row;
    });
    assert.deepEqual([detected.wire, detected.protocol_version], [wire, revision]);
    const unlike = wire === 'sse' && transport !== 'sse';
    assert.deepEqual(config_problems.map((problem) => problem.field), unlike ? ['transport'] : []);
    if (unlike) assert.match(config_problems[0].detail, /HTTP\+SSE transport of 2024/);
  });

  step('a chat calls a tool and gets its result', async () => {
    const { result, answer } = await turn(family.quick);
    assert.equal(result.outcome, 'ok', JSON.stringify(result));
    assert.ok(!result.is_error);
    assert.deepEqual(result.result, family.quick.result);
    assert.equal(answer, 'So it is.');
    // The peer's own view of the revision, where it has one.
    if (family === PYTHON) assert.equal(peer.events('add').at(-1).revision, revision);
  });

  step('a chat shows the progress of a tool', async () => {
    const { result, events } = await turn(family.progress);
    assert.equal(result.outcome, 'ok', JSON.stringify(result));
    assert.match(result.result[0].text, family.progress.ends);
    const seen = events.filter((event) => event.type === 'tool_progress').map((event) => event.tool_progress);
    assert.ok(seen.length >= 1, JSON.stringify(events));
    for (const [index, { tool_call_id, progress, fraction }] of seen.entries()) {
      assert.equal(tool_call_id, result.tool_call_id);
      assert.ok(fraction > 0 && fraction <= 1, `${fraction}`);
      assert.ok(progress > (seen[index - 1]?.progress ?? 0), 'it grows');
    }
  });

  if (family.fails) {
    step('a failure of the tool comes as its result', async () => {
      const { result, answer } = await turn(family.fails);
      assert.deepEqual([result.outcome, result.is_error], ['ok', true]);
      assert.match(result.result[0].text, family.fails.says);
      assert.equal(answer, 'So it is.', 'the turn goes on');
      const { code, answer: printed, complaint } = await probe(peer.url, { ...family.fails, transport });
      assert.deepEqual([code, printed.call.is_error], [1, true]);
      assert.match(complaint, /the tool reports a failure/);
    });
  }

  step('a stop reaches the running tool', async () => {
    const before = { begun: family.begun(peer), stopped: family.stopped(peer) };
    const chat = await ask(family.slow);
    await until('the tool runs', () => family.begun(peer) === before.begun + 1);
    await rest(server, owner, 'POST', `${CHATS}/${chat.id}/interrupt`);
    await until('the server heard of it', () => family.stopped(peer) === before.stopped + 1);
    await eventsOf(chat.id);
    const result = resultIn(await partsOf(chat.id));
    assert.equal(result.outcome, 'unknown', 'it was sent, and nobody knows how far it came');
    assert.equal(family.begun(peer), before.begun + 1, 'it was sent once');
    assert.equal(family.stopped(peer), before.stopped + 1, 'and stopped once');
  });

  step('the probe of the shell calls the tool', async () => {
    const { code, answer, complaint } = await probe(peer.url, { ...family.quick, transport });
    assert.equal(code, 0, complaint);
    assert.deepEqual([answer.server.wire, answer.server.protocol_version], [wire, revision]);
    assert.equal(answer.call.outcome, 'ok');
    assert.deepEqual(answer.call.content, family.quick.result);
  });

  /** Starts a chat with this server alone, whose model makes the call. */
  function ask(call) {
    // No two questions may contain each other.
    const question = `Call ${call.tool} of ${slug} with ${JSON.stringify(call.arguments)}`;
    model.scriptToolCall({ when: question, tool: call.tool, arguments: call.arguments, text: 'So it is.', delayMs: 0 });
    return rest(server, owner, 'POST', CHATS, { content: [{ type: 'text', text: question }], mcp_server_ids: [id] });
  }

  /** The result of the call, the model's last words, and all that a watcher was told. */
  async function turn(call) {
    const chat = await ask(call);
    const events = await eventsOf(chat.id);
    const parts = await partsOf(chat.id);
    return { result: resultIn(parts), answer: parts.at(-1).text, events };
  }
}

/** Everything the chat holds, in order. */
async function partsOf(chat) {
  const { messages } = await rest(server, owner, 'GET', `${CHATS}/${chat}/messages`);
  return messages.toReversed().flatMap((message) => message.content);
}

function resultIn(parts) {
  return parts.find((part) => part.type === 'tool-result') ?? assert.fail(`no result: ${JSON.stringify(parts)}`);
}

/** Reads the chat's live stream from its beginning until the turn is over. */
async function eventsOf(chat) {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(30_000)]);
  const response = await server.fetch(`${CHATS}/${chat}/stream?after_id=0`, { headers: { authorization: `Bearer ${owner}` }, signal });
  const events = [];
  let text = '';
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const whole = text.split('\n\n');
    text = whole.pop();
    const data = whole.flatMap((event) => event.split('\n').filter((line) => line.startsWith('data: ')));
    events.push(...data.map((line) => JSON.parse(line.slice(6))));
    if (events.some((event) => ['waiting', 'error'].includes(event.status?.status))) break;
  }
  over.abort();
  return events;
}
