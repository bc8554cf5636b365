"""Find a kubectl that can build the overlays. The cluster's own may be too old."""

import json
import os
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

from pytest import MonkeyPatch

OLDEST = (1, 21)  # the first whose kustomize accepts folders under `resources`
Version = tuple[int, int]


@cache
def kubectls() -> dict[Version, str]:
    """Return the path of each version, the oldest first. Fail if none is new enough.

    It finds `kubectl` and names such as kubectl.1.33, in PATH and in the folders that kubectl in PATH links to.
    """
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += [(folder / "kubectl").resolve().parent for folder in folders if (folder / "kubectl").exists()]
    paths = {path for folder in folders for path in folder.glob("kubectl*") if _is_kubectl(path)}
    found = {version: str(path) for path in sorted(paths) if (version := _version(path)) >= OLDEST}
    assert found, f"The overlays need a kubectl of {'.'.join(map(str, OLDEST))} or later in PATH."
    return dict(sorted(found.items()))


def kubectl() -> str:
    """Return the oldest suitable kubectl, because the cluster of the tests is old as well."""
    return next(iter(kubectls().values()))


def put_into_path(folder: Path, monkeypatch: MonkeyPatch) -> None:
    """Make `kubectl apply -k` work as documented, even if the first kubectl in PATH is too old."""
    usual = shutil.which("kubectl") or kubectl()
    program = folder / "kubectl"
    new = f'case " $* " in *" -k "*) exec {shlex.quote(kubectl())} "$@";; esac'
    program.write_text(f'#!/bin/sh\n{new}\nexec {shlex.quote(usual)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def _is_kubectl(path: Path) -> bool:
    return re.fullmatch(r"kubectl(\.\d+\.\d+)?", path.name) is not None and os.access(path, os.X_OK)


def _version(path: Path) -> Version:
    done = subprocess.run(
        [path, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        return (0, 0)
    version = json.loads(done.stdout)["clientVersion"]
    return int(version["major"]), int(version["minor"].rstrip("+"))
