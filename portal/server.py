"""`python -m portal.server`: uvicorn with the options that Podesk needs, on one machine and in a container alike."""

import argparse
import contextlib
import socket
import sys

import uvicorn

from desktops.api import shutdown
from portal import env


class Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        shutdown.begin()
        await super().shutdown(sockets)


def main() -> None:
    """Serves until SIGTERM: then nobody new is let in, WebSockets close with 1012, so that browsers come back to
    another process, streams of events and waits are answered with how it is, and other requests under way have
    SHUTDOWN_GRACE seconds to end."""
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
        ws="portal.websocket:BoundedWebSocket",  # by name: importing it needs the application
        ws_per_message_deflate=False,  # pictures are compressed already
        ws_ping_interval=20,  # keeps an idle screen alive through proxies that cut silent connections
        proxy_headers=False,  # TRUSTED_PROXY_COUNT says whom to believe
        access_log=False,  # the middleware logs requests, without what must not be logged
        lifespan="off",
        timeout_graceful_shutdown=env.integer("SHUTDOWN_GRACE", 5),
    )
    config.load_app()  # before the protocol
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(3)  # as uvicorn's own command does


if __name__ == "__main__":
    main()
