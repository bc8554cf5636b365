"""The heartbeat messages of our WebSockets. A page cannot see a server's pings, so it sends a message instead."""

SUBPROTOCOL = "podesk.heartbeat"  # chosen if a page offers it; the page may then send PING and gets PONG
PING, PONG = "ping", "pong"
