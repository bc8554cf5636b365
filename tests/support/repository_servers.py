"""Servers for repositories of restic, each on a free port: OpenSSH for SFTP, and nanio for S3."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.running_podesk import free_port, wait_for

CLIENT_SETTINGS = Path("/etc/ssh/ssh_config.d")  # of all accounts
KEY_ID, SECRET = "podesk", "a-secret-of-forty-characters-for-signing"
SSHD = "/usr/sbin/sshd"
# `./podesk test` does not install openssh-server, because Debian would start it at once, for everybody on the network.
needs_sshd = pytest.mark.skipif(
    os.geteuid() != 0 or not Path(SSHD).exists(), reason="needs root, for the settings of ssh, and openssh-server"
)
SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
Subsystem sftp internal-sftp
"""
CLIENT = """
Host {name}
  HostName 127.0.0.1
  Port {port}
  User {account}
  IdentityFile {folder}/key
  UserKnownHostsFile {folder}/known_hosts
"""


@dataclass(frozen=True)
class RepositoryServer:
    location: str  # for BACKUP_REPOSITORY
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def sftp(folder: Path, account: str) -> Iterator[RepositoryServer]:
    """Serve `folder` by OpenSSH, which this account runs and may use with the key in `folder`.

    The settings of the client are those of docs/home-backups.md, for all accounts of this machine: only root may add
    them. Remove the file `authorized` to refuse the key, and `known_hosts` to have an unknown server.
    """
    port = free_port()
    words: dict[str, Any] = {"folder": folder, "port": port, "account": account, "name": f"podesk-test-{port}"}
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "authorized").write_text(f"restrict {(folder / 'key.pub').read_text()}")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "sshd").write_text(SERVER.format(**words))
    subprocess.run(["chown", "-R", account, folder], check=True)
    command = [SSHD, "-D", "-e", "-f", str(folder / "sshd")]
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd asks for it if root runs it
    settings = CLIENT_SETTINGS / f"{words['name']}.conf"
    settings.write_text(CLIENT.format(**words))
    try:
        with _running(command, port, user=account):
            yield RepositoryServer(f"sftp:{words['name']}:{folder}/store")
    finally:
        settings.unlink()


@contextmanager
def s3(folder: Path) -> Iterator[RepositoryServer]:
    """Serve S3, with one key and a bucket `podesk`."""
    port = free_port()
    (folder / "podesk").mkdir()
    command = [sys.executable, "-m", "nanio", "serve", "--data-dir", str(folder), "--host", "127.0.0.1"]
    env = os.environ | {"NANIO_ACCESS_KEY": KEY_ID, "NANIO_SECRET_KEY": SECRET}
    with _running([*command, "--port", str(port), "--no-access-log"], port, env=env):
        credentials = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
        yield RepositoryServer(f"s3:http://127.0.0.1:{port}/podesk", credentials)


@contextmanager
def _running(command: list[str], port: int, **options: Any) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as process:
        try:
            wait_for(lambda: process.poll() is not None or _answers(port))
            assert process.poll() is None, f"{command[0]} ended"
            yield
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
