"""An MCP server on the Python SDK, for the end-to-end tests: `server.py stateless | handshake | sse`.

Binds a free port of 127.0.0.1 and says which. Standard output is what the tests read, one JSON object a line: where it
listens, and what its tools were asked to do and by which revision. It ends with its standard input, so with the test.
"""

import json
import os
import socket
import sys
import threading
from typing import Any

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

server = MCPServer("patchbay-python-peer", version="1.0", log_level="WARNING")


def tell(event: str, **details: Any) -> None:
    print(json.dumps({"event": event, **details}), flush=True)


def revision(context: Context) -> str:
    return context.request_context.protocol_version


class Sum(BaseModel):
    total: int


@server.tool()
def add(a: int, b: int, context: Context) -> Sum:
    """Adds two whole numbers."""
    tell("add", a=a, b=b, revision=revision(context))
    return Sum(total=a + b)


@server.tool()
async def steps(count: int, context: Context) -> str:
    """Takes steps and reports each of them."""
    for step in range(1, count + 1):
        await context.report_progress(step, count, f"Step {step} of {count}")
        await anyio.sleep(0.3)
    return f"Took {count} steps"


@server.tool()
async def wait(seconds: float, context: Context) -> str:
    """Waits, unless it is told to stop."""
    tell("waiting", revision=revision(context))
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        tell("cancelled")
        raise
    tell("waited")
    return f"Waited {seconds} s"


@server.tool()
def fail(reason: str) -> str:
    """Fails for the reason it is given."""
    raise ToolError(f"It failed: {reason}")


class HandshakeOnly:
    """Keeps the header that leads to the SDK's stateless half from it, so that its older half answers, as in a server
    of last year. The SDK has no switch for that."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            modern = [(b"mcp-protocol-version", version.encode()) for version in MODERN_PROTOCOL_VERSIONS]
            scope = {**scope, "headers": [header for header in scope["headers"] if tuple(header) not in modern]}
        await self.app(scope, receive, send)


def app(mode: str) -> Any:
    if mode == "sse":
        return server.sse_app()
    app = server.streamable_http_app()
    return {"stateless": app, "handshake": HandshakeOnly(app)}[mode]


def end_with_the_test() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    threading.Thread(target=end_with_the_test, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        # Little grace for open streams: the test is over when this is told to end.
        config = uvicorn.Config(app(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=1)
        tell("listening", host=host, port=port)
        uvicorn.Server(config).run(sockets=[listener])


main()
