"""An SSH client's ProxyCommand over a WebSocket: `python -m tests.support.cluster.ws_pipe URL`, with token in TOKEN."""

import os
import sys
import threading

from websockets.sync.client import ClientConnection, connect


def _up(socket: ClientConnection) -> None:
    while data := os.read(0, 65536):
        socket.send(data)
    socket.close()


with connect(sys.argv[1], additional_headers={"X-User-Token": os.environ["TOKEN"]}, compression=None) as opened:
    threading.Thread(target=_up, args=(opened,), daemon=True).start()
    for message in opened:
        os.write(1, message if isinstance(message, bytes) else message.encode())
