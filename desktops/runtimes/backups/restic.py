"""Run restic 0.14 or later. All its failures become a RuntimeFault with a slug of backup_reasons.py."""

import ctypes
import json
import os
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from desktops.runtimes.backups.base import RepositoryAccess
from desktops.runtimes.base import RuntimeFault

MARKER = "PODESK_BACKUP"  # in the environment of all processes of a task, with its folder
INHERITED = ("PATH", "HOME", MARKER, "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy",
             "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSH_AUTH_SOCK")  # fmt: skip
ID_LENGTH = 16  # characters of a snapshot's id that we keep: unique, and a list of 200 fits in a result
LOST = "�"  # `restic ls` writes this instead of bytes that are not UTF-8
SIGNS = (  # parts of restic's messages, in lower case; the first that matches decides
    ("wrong_password", ("wrong password",)),
    ("repository_refused", ("access denied", "access key id", "signature we calculated", "authorization header",
                            "authenticationfailed", "token has expired", "http response (401)", "http response (403)",
                            "permission denied (", "host key verification failed")),
    ("repository_full", ("no space left", "disk quota exceeded", "insufficient storage", "quotaexceeded",
                         "storagefull", "file too large")),
    ("repository_damaged", ("ciphertext verification failed", "repository contains errors", "invalid data returned",
                            "does not match", "wrong hash", "wrong data", "not found in repository",
                            "not found in index", "config or key", "is corrupted", "unable to load index",
                            "unexpected eof", "decryption failed", "invalid header", "no matching id found",
                            "no snapshot found")),
    ("repository_unreachable", ("unable to open config file", "is there a repository", "dial tcp", "connection refused",
                                "no such host", "i/o timeout", "unexpected http response", "permission denied",
                                "access denied", "unable to start the sftp session", "input/output error",
                                "server response", "unable to open repository", "create repository at")),
)  # fmt: skip
_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Restic:
    """The commands on one repository."""

    def __init__(self, access: RepositoryAccess, *, end_with_us: bool = False) -> None:
        """`end_with_us`: the kernel ends restic if this process, which has no threads, is killed."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self._environment = inherited | access.environment | {
            "RESTIC_REPOSITORY": access.location,
            "RESTIC_PASSWORD": access.password,
            "RESTIC_PROGRESS_FPS": "0.01",  # otherwise it writes 60 lines a second
        }  # fmt: skip
        self._end_with_us = end_with_us

    def lines(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> Iterator[bytes]:
        """Yield the lines that restic writes, errors included. Raises RuntimeFault at the end if it has failed."""
        last: deque[bytes] = deque(maxlen=20)
        with self._running(arguments, subprocess.STDOUT) as process:
            assert process.stdout  # noqa: S101  # nosec B101
            for line in process.stdout:
                last.append(line[-500:])
                yield line
            code = process.wait()
        if code not in accept:
            raise fault(b"".join(last).decode(errors="replace"))

    def run(self, *arguments: str) -> None:
        """Run a command and discard its output."""
        deque(self.lines(*arguments), maxlen=0)

    def output(self, *arguments: str) -> Iterator[bytes]:
        """Yield what restic writes, without its errors. Raises RuntimeFault at the end if it has failed."""
        with tempfile.TemporaryFile() as errors, self._running(arguments, errors) as process:
            assert process.stdout  # noqa: S101  # nosec B101
            while data := process.stdout.read(65536):
                yield data
            if process.wait():
                errors.seek(0)
                raise fault(errors.read(20000).decode(errors="replace"))

    def json(self, *arguments: str) -> Any:
        return json.loads(b"".join(self.output(*arguments, "--json")))

    @contextmanager
    def _running(self, arguments: tuple[str, ...], errors: Any) -> Iterator[subprocess.Popen[bytes]]:
        try:
            process = subprocess.Popen(
                ["restic", "--no-cache", *arguments], env=self._environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, close_fds=not self._end_with_us,
                preexec_fn=_end_with_parent if self._end_with_us else None,  # noqa: PLW1509 - only without threads
            )  # fmt: skip
        except FileNotFoundError:
            raise RuntimeFault("restic_missing", "no program restic; install it with: apt install restic") from None
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()


def _end_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def fault(output: str) -> RuntimeFault:
    """Return the fault that restic's output describes."""
    text = output.lower()
    reason = next((slug for slug, signs in SIGNS if any(sign in text for sign in signs)), "backup_failed")
    return RuntimeFault(reason, output.strip()[-500:], permanent=False)


def prepare(restic: Restic, *, used: bool) -> None:
    """Create the repository if it was never used, and remove the locks of tasks that were killed.

    Call it only while no other task of this repository runs.
    """
    try:
        restic.run("unlock", "--remove-all")
    except RuntimeFault as error:
        # A repository that has held backups and is missing must not be replaced by an empty one.
        if used or "Is there a repository" not in error.detail:
            raise
        restic.run("init")


def snapshot_ids(restic: Restic, *which: str) -> tuple[str, ...]:
    """Return the ids of all snapshots, the oldest first."""
    found = restic.json("snapshots", *which) or []
    return tuple(each["id"][:ID_LENGTH] for each in sorted(found, key=lambda each: each["time"]))
