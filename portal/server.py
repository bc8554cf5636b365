"""Run uvicorn with the options that Podesk needs: `python -m portal.server`."""

import argparse
import contextlib
import socket
import sys

import uvicorn

from core import metrics_server
from desktops.api import shutdown
from portal import env


class Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        shutdown.begin()
        await super().shutdown(sockets)


def main() -> None:
    """Serve until SIGTERM, then shut down in order.

    New connections are refused and WebSockets close with 1012, so that browsers reconnect to another process. Event
    streams and waiting requests end with the current state; other requests have SHUTDOWN_GRACE seconds to finish.
    """
    parser = argparse.ArgumentParser(prog="python -m portal.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    address = parser.parse_args()
    config = uvicorn.Config(
        "portal.asgi:application",
        host=address.host,
        port=address.port,
        loop="uvloop",
        http="httptools",
        ws="portal.websocket:BoundedWebSocket",  # by name, since importing it needs the application
        ws_per_message_deflate=False,  # screen data is compressed already
        ws_ping_interval=20,  # seconds; keeps idle screens open through proxies that close silent connections
        proxy_headers=False,  # core.client_address decides which proxies to trust
        access_log=False,  # RequestContextMiddleware logs requests without secrets
        lifespan="off",
        timeout_graceful_shutdown=env.integer("SHUTDOWN_GRACE", 5),
    )
    config.load_app()  # before the protocol
    metrics_server.start()
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(3)  # as uvicorn's own command does


if __name__ == "__main__":
    main()
