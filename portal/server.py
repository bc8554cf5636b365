"""`python -m portal.server`: uvicorn with the options that Podesk needs, on one machine and in a container alike."""

import argparse

import uvicorn

from portal import env


def main() -> None:
    """Serves until SIGTERM: then nobody new is let in, WebSockets close with 1012, so that browsers come back to
    another process, and requests under way have SHUTDOWN_GRACE seconds to end."""
    parser = argparse.ArgumentParser(prog="python -m portal.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    address = parser.parse_args()
    uvicorn.run(
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


if __name__ == "__main__":
    main()
