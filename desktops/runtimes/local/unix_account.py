"""The account of local desktops and the folders created for it. It is never root."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktops.runtimes.base import Deadline, RuntimeFault

SKELETON = Path("/etc/skel")


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    switch: bool  # whether we are root and must switch to the account

    def popen(self) -> dict[str, Any]:
        """Return subprocess arguments that switch to this account, with no group but its own."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def own(self, path: Path) -> None:
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account(user: str) -> Account:
    """Return the account of desktops: our own, or `user` if we are root. Raises RuntimeFault."""
    if os.geteuid():
        return Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise RuntimeFault(
            "account_missing", f"no account {user!r}; make it with: useradd --system --user-group {user}"
        ) from None
    if entry.pw_uid == 0:
        raise RuntimeFault("account_missing", f"{user!r} is root; LOCAL_DESKTOP_USER must name an unprivileged account")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)


def check_reach(account: Account, folder: Path) -> None:
    """Raise RuntimeFault if the account cannot enter `folder`, for example below a private home."""
    if account.switch and subprocess.run(["test", "-x", folder], **account.popen(), check=False).returncode:
        raise RuntimeFault(
            "dir_unusable",
            f"account {account.name!r} cannot enter {folder}; let it pass (chmod o+x on each folder above) "
            "or set LOCAL_RUNTIME_DIR to a folder that it can enter",
        )


def private_folder(path: Path, account: Account) -> Path:
    """Create a folder that only this account and root can enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    account.own(path)
    return path


def make_home(path: Path, account: Account, skeleton: Path) -> None:
    """Create the home folder completely or not at all. An existing one is not changed."""
    if path.is_dir():
        return
    new = path.with_name(f".new-{path.name}")
    shutil.rmtree(new, ignore_errors=True)  # left by a killed starter; the desktop's lock excludes others
    new.mkdir(mode=0o700)
    try:
        for source in (SKELETON, skeleton):
            if source.is_dir():
                shutil.copytree(source, new, symlinks=True, dirs_exist_ok=True)
        for entry in new.rglob("*"):
            account.own(entry)
        account.own(new)
        new.chmod(0o700)
        new.rename(path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def remove_home(path: Path, deadline: Deadline) -> None:
    """Delete a home folder without following links out of it. Raises RuntimeFault if it takes too long."""
    trash = path.with_name(f".gone-{path.name}")
    try:
        if path.is_symlink() or path.exists():
            _remove(trash, deadline)  # left by an interrupted attempt
            path.rename(trash)  # removes the folder atomically; deleting its content may take long
        _remove(trash, deadline)
    except subprocess.TimeoutExpired:
        raise RuntimeFault("still_deleting", f"{path} is not gone yet", permanent=False) from None


def _remove(path: Path, deadline: Deadline) -> None:
    if not path.is_symlink() and not path.exists():
        return
    if os.geteuid() and not path.is_symlink():  # folders may be read-only, which root can ignore
        subprocess.run(["chmod", "-R", "u+rwX", "--", path], timeout=deadline.remaining, check=False)
    done = subprocess.run(
        ["rm", "-rf", "--one-file-system", "--", path],
        timeout=deadline.remaining, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeFault("not_deleted", done.stderr.strip()[-500:])
