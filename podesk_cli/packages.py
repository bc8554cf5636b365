"""Debian packages: which are missing, and how they come."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterable

from podesk_cli.commands import Runner
from podesk_cli.report import Failure

# What a local desktop consists of, beside what these bring with them.
DESKTOP = [
    *("tigervnc-standalone-server", "x11-xserver-utils", "dbus-daemon"),
    *("xfwm4", "xfce4-panel", "xfce4-terminal", "thunar", "xfdesktop4", "xfce4-settings"),
    *("xfce4-notifyd", "libnotify-bin"),
    *("greybird-gtk-theme", "elementary-xfce-icon-theme", "adwaita-icon-theme"),
    *("fonts-dejavu-core", "fonts-wqy-microhei"),
]
TESTS = ["curl", "gettext", "nginx-light", "openssh-client", "openssl"]
BROWSER = ["chromium", "xclip"]  # xclip: what a desktop has in its clipboard
POSTGRES = ["postgresql"]
LOAD = ["apache2-utils"]  # ab


def for_virtualenv() -> list[str]:
    """Debian splits from its Python what `python3 -m venv` needs."""
    return [] if importlib.util.find_spec("ensurepip") else ["python3-venv"]


def missing(wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that are not installed. Raises Failure on a system without Debian's package manager."""
    wanted = list(wanted)
    if not wanted:
        return []
    if not shutil.which("dpkg-query"):
        raise Failure(
            "This system has no dpkg: Podesk's set-up knows Debian and Ubuntu. On another system, run desktops on a "
            "cluster (DESKTOP_RUNTIME=kubernetes)."
        )
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,  # it fails when one of them is unknown, and still tells of the others
    )
    installed = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def install(names: list[str], runner: Runner) -> None:
    """Raises Failure that names the exact command when there is no right to install."""
    become_root = _root_prefix()
    if become_root is None:
        raise Failure(f"Debian packages are missing. Install them, then try again:\n  sudo {_by_hand(names)}")
    quietly = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive"]
    options = ["-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"]
    what = f"Installing Debian packages ({_by_hand(names)})"
    # An installation that was interrupted earlier would refuse every later one.
    runner.run([*quietly, "dpkg", "--configure", "-a"], what="Finishing an interrupted dpkg")
    runner.run([*quietly, "apt-get", "update", *options], what="Fetching the package lists")
    runner.run([*quietly, "apt-get", "install", "-y", "--no-install-recommends", *options, *names], what=what)


def _by_hand(names: list[str]) -> str:
    return f"apt install --no-install-recommends {' '.join(names)}"


def _root_prefix() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None
