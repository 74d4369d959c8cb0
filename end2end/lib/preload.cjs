// Loaded into a peer with `node --require`. Forces every TCP server it opens onto 127.0.0.1 (server-everything listens on
// all interfaces by itself) and writes each HTTP request it receives, body included, as one JSON line.
//
// PATCHBAY_PEER_LOG   file for the request log
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');

const LOOPBACK = '127.0.0.1';
const logFile = process.env.PATCHBAY_PEER_LOG;

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenOnLoopback(...args) {
  const [first] = args;
  const callback = args.find((arg) => typeof arg === 'function');
  const isPort = first === undefined || typeof first === 'function' || /^\d+$/.test(String(first));
  this.once('listening', () => {
    const address = this.address();
    if (typeof address === 'object') process.send?.({ listening: address });
  });
  if (isPort) {
    const port = typeof first === 'function' ? 0 : Number(first ?? 0);
    return listen.call(this, { port, host: LOOPBACK }, callback);
  }
  if (typeof first === 'object' && first !== null && first.port !== undefined) {
    return listen.call(this, { ...first, host: LOOPBACK }, callback);
  }
  return listen.apply(this, args); // a socket path or an inherited handle: nothing that the network reaches
};

// The body is copied where the parser hands it over, so it does not matter how the peer reads it.
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function emitAndLog(event, ...args) {
  if (event === 'request' && logFile) record(args[0]);
  return emit.call(this, event, ...args);
};

function record(request) {
  const chunks = [];
  const push = request.push;
  request.push = function pushAndCopy(chunk, encoding) {
    if (chunk === null) {
      const body = Buffer.concat(chunks).toString('utf8');
      const { method, url, headers } = request;
      fs.appendFileSync(logFile, `${JSON.stringify({ at: Date.now(), method, url, headers, body })}\n`);
    } else {
      chunks.push(Buffer.from(chunk, encoding));
    }
    return push.call(this, chunk, encoding);
  };
}

// The test that started us is gone: so are we.
process.on('disconnect', () => process.exit(0));
