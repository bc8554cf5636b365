"""A restic repository: create it, save to it, restore from it. Its passphrase is never an argument."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from podesk_cli.report import Failure
from podesk_cli.supervisor import end_with_parent

_UNREAD = 3  # restic's exit status after a backup that lacks files which it could not read
_TAG = "podesk"


@dataclass(frozen=True)
class Repository:
    """Runs restic on one repository. Every method raises Failure with one sentence."""

    location: str
    passphrase: str = field(repr=False)

    def __str__(self) -> str:
        """Return the location without a password that its URL may contain."""
        return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", self.location)

    def create_if_missing(self) -> None:
        """Create the repository unless it exists. An existing one is never changed."""
        found = self._restic(["cat", "config"], quiet=True)
        if found.returncode == 0:
            return
        if "wrong password" in found.stderr:
            self._fail(found.stderr)
        made = self._restic(["init"], quiet=True)
        if made.returncode:
            self._fail(found.stderr if "already" in made.stderr else made.stderr)

    def forget_dead_locks(self) -> None:
        """Remove the locks of processes that no longer run. Locks of running ones stay."""
        self._run(["unlock"])

    def save(self, folder: Path, parts: Sequence[str]) -> None:
        """Save these parts of a folder as one snapshot. Nothing is listed if it is interrupted."""
        done = self._restic(["backup", "--tag", _TAG, "--", *parts], cwd=folder)
        if done.returncode == _UNREAD:
            raise Failure(f"The backup is incomplete: some files could not be read.\n{done.stderr.strip()[-1000:]}")
        if done.returncode:
            self._fail(done.stderr)

    def restore(self, snapshot: str, target: Path) -> None:
        """Write a snapshot into an empty folder, and compare what was written with the repository."""
        self._run(["restore", "--tag", _TAG, "--verify", "--target", str(target), "--", snapshot])

    def _run(self, arguments: Sequence[str]) -> None:
        done = self._restic(arguments)
        if done.returncode:
            self._fail(done.stderr)

    def _restic(
        self, arguments: Sequence[str], *, quiet: bool = False, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        if not (program := shutil.which("restic")):
            raise Failure("restic is not installed. Install it, then try again:\n  sudo apt install restic")
        secrets = {"RESTIC_REPOSITORY": self.location, "RESTIC_PASSWORD": self.passphrase}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RESTIC_PASSWORD")}
        inherited.pop("RESTIC_REPOSITORY_FILE", None)
        return subprocess.run(
            [program, *arguments],
            cwd=cwd,
            env=inherited | secrets,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else sys.stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            preexec_fn=end_with_parent(os.getpid()),
        )

    def _fail(self, said: str) -> None:
        if "wrong password" in said:
            raise Failure(f"The passphrase does not open the repository {self}. Use the one of its first backup.")
        raise Failure(f"The repository {self} cannot be used. restic says:\n{said.strip()[-1000:]}")


def locate(text: str) -> str:
    """Return the repository's location, with a full path if it is a folder."""
    remote = re.match(r"(sftp|rest|s3|b2|azure|gs|swift|rclone):", text)
    return text if remote else str(Path(text.removeprefix("local:")).resolve())
