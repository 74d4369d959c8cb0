// A scripted model: npm @copilotkit/aimock answers like an OpenAI-compatible provider, and under /messages like Anthropic, and
// streams what a test says.

import { LLMock } from '@copilotkit/aimock';

/** Starts the provider on a free loopback port. */
export async function startModel() {
  const mock = new LLMock({ host: '127.0.0.1', port: 0, logLevel: 'silent', strict: true });
  await mock.start();
  return new ScriptedModel(mock);
}

class ScriptedModel {
  constructor(mock) {
    this.mock = mock;
  }

  /** Base URL for the provider's settings. */
  get baseUrl() {
    return `http://${this.host}/v1`;
  }

  /** `host:port`, as PATCHBAY_EGRESS_ALLOW wants it. */
  get host() {
    return `127.0.0.1:${this.mock.port}`;
  }

  /**
   * For a user message that contains `when`: first a tool call, streamed in small pieces; then, once the request carries
   * the tool's result, a text.
   *
   * @param {object} script
   * @param {string} script.when substring of the user's message
   * @param {string} script.tool ends the name of the wanted tool among those offered
   * @param {object | ((tool: object) => object)} script.arguments may depend on the tool's definition
   * @param {string} script.text the final words
   * @param {string} [script.thinking] comes before the call; only with a model id of which the library knows that it thinks
   * @param {number} [script.chunkSize] characters of the arguments per delta
   * @param {number} [script.delayMs] pause before each delta
   */
  scriptToolCall({ when, tool, arguments: args, text, thinking, chunkSize = 5, delayMs = 40 }) {
    const pace = { chunkSize, latency: delayMs };
    this.mock.on(
      { endpoint: 'chat', userMessage: when, hasToolResult: false },
      (request) => {
        const offered = (request.tools ?? []).map((entry) => entry.function);
        const wanted = offered.find((entry) => entry.name.endsWith(tool));
        // Words instead of a call, so that the transcript of a failed test says what was missing.
        if (!wanted) return { content: `no tool …${tool} among ${offered.map((entry) => entry.name).join(', ')}` };
        const value = typeof args === 'function' ? args(wanted) : args;
        return { ...(thinking ? { reasoning: thinking } : {}), toolCalls: [{ name: wanted.name, arguments: JSON.stringify(value) }] };
      },
      pace,
    );
    this.mock.on({ endpoint: 'chat', userMessage: when, hasToolResult: true }, { content: text }, pace);
    return this;
  }

  /** For a user message that contains `when`: a text. */
  scriptText({ when, text, chunkSize = 5, delayMs = 10 }) {
    this.mock.on({ endpoint: 'chat', userMessage: when }, { content: text }, { chunkSize, latency: delayMs });
    return this;
  }

  /** The next request fails with this status, then all is well again. */
  failNext(status, message) {
    this.mock.nextRequestError(status, { message });
    return this;
  }

  /** Bodies of all chat requests so far. */
  requests() {
    return this.mock.getRequests().map((entry) => entry.body);
  }

  /** Path, headers (keys are blackened) and body of all requests so far. */
  exchanges() {
    return this.mock.getRequests().map(({ path, headers, body }) => ({ path, headers, body }));
  }

  stop() {
    return this.mock.stop();
  }
}
