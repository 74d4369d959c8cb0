// A peer of a test's own on a free port of 127.0.0.1: whatever its handler answers.

import { once } from 'node:events';
import http from 'node:http';

/** `answer(request, tell, response)`; `tell(status, body, headers)` answers with JSON. `url` is where an MCP endpoint would be. */
export async function startPeer(answer) {
  const listener = http.createServer((request, response) => {
    const tell = (status, body, headers = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    return answer(request, tell, response);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const host = `127.0.0.1:${listener.address().port}`;
  return {
    host,
    url: `http://${host}/mcp`,
    async stop() {
      listener.closeAllConnections();
      listener.close();
      await once(listener, 'close');
    },
  };
}
