"""Helpers for a benchmark that starts one web process of the portal: settings, a Redis, a port, and a wait."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def set_environment(folder: Path, **settings: str) -> None:
    """Set the environment of this process and its children to a portal that keeps all its files in `folder`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made = {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATA_DIR": str(folder),
        "REDIS_URL": f"unix://{folder}/redis.sock",
        "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
        "SECRET_KEY": token_urlsafe(50),
        "SECRETS_KEYS": Fernet.generate_key().decode(),
        "TOKEN_SIGNING_KEY": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        "LOCAL_RUNTIME_ALLOWED": "1",
    }
    os.environ.update(made | settings)


def redis_command(folder: Path) -> list[str]:
    """Return the command that starts a Redis server on folder/redis.sock."""
    server = str(Path(sys.executable).with_name("redis-server"))
    return [server, "--port", "0", "--unixsocket", str(folder / "redis.sock"), "--save", "", "--dir", str(folder)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not ready():
        if time.monotonic() > until:
            raise RuntimeError("a part of the benchmark did not start within 30 s")
        time.sleep(0.05)
