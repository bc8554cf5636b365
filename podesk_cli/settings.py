"""The environment of the portal's processes. Values set by the operator are never changed."""

import base64
import os
import secrets
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from podesk_cli.environment import python
from podesk_cli.folders import DESKTOP_USER, Folders
from podesk_cli.report import Failure

_RSA = """
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
print(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode())
"""
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - recognised here, not bound  # nosec B104
MEASURED = ("web", "worker", "controller")  # the processes that have metrics, in the order of their ports
_LAST_PORT = 65535


def given(name: str) -> bool:
    """Return whether the operator has set `name` or `name`_FILE."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def value(name: str) -> str:
    """Return what the operator has set, or "". Raises Failure when the file in `name`_FILE cannot be read."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise Failure(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error


def desktop_user() -> str:
    """Return the account that owns desktops if we are root."""
    return value("LOCAL_DESKTOP_USER") or DESKTOP_USER


def make_secrets(place: Folders) -> None:
    """Create missing secrets. Existing files are never changed, since they may have encrypted data."""
    makers: dict[str, Callable[[], str]] = {
        "SECRET_KEY": lambda: secrets.token_urlsafe(50),
        "SECRETS_KEYS": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "TOKEN_SIGNING_KEY": lambda: _rsa_key(place.checkout),
        "BACKUP_KEY": lambda: secrets.token_urlsafe(50),
    }
    for name, make in makers.items():
        path = place.secrets / name
        if not given(name) and not path.exists():
            _write_once(path, make())


def environment(place: Folders, *, host: str, port: int) -> dict[str, str]:
    """Return the operator's environment, with a value for each setting that is missing."""
    url = public_url(host, port)
    defaults = {
        "DATA_DIR": str(place.data),
        "PUBLIC_URL": url,
        "ALLOWED_HOSTS": ",".join(_names_of_this_machine(host)),
        "REDIS_URL": f"unix://{quote(str(place.redis_socket))}",
        "DEBUG": "0",
        "DESKTOP_RUNTIME": "local",
        "LOCAL_RUNTIME_ALLOWED": "1",
        "LOCAL_DESKTOP_USER": DESKTOP_USER,
        "LOG_FORMAT": "console",
    }
    filled = {name: value for name, value in defaults.items() if not given(name)}
    keys = {
        f"{name}_FILE": str(place.secrets / name)
        for name in ("SECRET_KEY", "SECRETS_KEYS", "TOKEN_SIGNING_KEY", "BACKUP_KEY")
        if not given(name)
    }
    return {**os.environ, **filled, **keys, "DATA_DIR": str(place.data), "PYTHONUNBUFFERED": "1"}


def metrics_ports() -> dict[str, int]:
    """Return the port for the metrics of each process: METRICS_PORT and the two after it. Raises Failure."""
    wanted = value("METRICS_PORT") or "0"
    if not wanted.isdecimal() or int(wanted) > _LAST_PORT - len(MEASURED) + 1:
        raise Failure(f"METRICS_PORT is {wanted!r}; expected 0, or the first of {len(MEASURED)} free ports.")
    return {name: int(wanted) + number for number, name in enumerate(MEASURED)} if int(wanted) else {}


def metrics_address() -> str:
    return value("METRICS_ADDRESS") or "127.0.0.1"


def public_url(host: str, port: int) -> str:
    """Return the address to open: the operator's PUBLIC_URL, or this machine's own."""
    name = reachable(host)
    return value("PUBLIC_URL") or f"http://{f'[{name}]' if ':' in name else name}:{port}"


def reachable(host: str) -> str:
    """Return an address at which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host in _ANYWHERE else host


def beyond_loopback(host: str) -> bool:
    return host != "localhost" and not host.startswith("127.") and host != "::1"


def _names_of_this_machine(host: str) -> list[str]:
    names = ["127.0.0.1", "localhost", "[::1]"]
    if host not in _ANYWHERE:
        return [*names, host]
    own = socket.gethostname()
    try:
        addresses = [str(info[4][0]) for info in socket.getaddrinfo(own, None)]
    except OSError:
        addresses = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing, only asks the kernel which source address it would use
            addresses.append(probe.getsockname()[0])
        except OSError:
            pass
    return list(dict.fromkeys([*names, own, *(f"[{a}]" if ":" in a else a for a in addresses)]))


def _rsa_key(checkout: Path) -> str:
    made = subprocess.run([python(checkout), "-c", _RSA], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Failure(
            f"The signing key of session tokens could not be created: {made.stderr.strip().splitlines()[-1:]}"
        )
    return made.stdout.strip()


def _write_once(path: Path, text: str) -> None:
    """Write the whole file or nothing, even if the machine crashes."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    finally:
        part.unlink()
