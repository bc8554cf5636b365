"""The sign of life of our WebSockets. A browser hides a server's pings from the page, so the page asks by a message."""

SUBPROTOCOL = "podesk.heartbeat"  # chosen for a page that offers it: it may send PING, and gets PONG
PING, PONG = "ping", "pong"
