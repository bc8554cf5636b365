"""Find and install missing Debian packages."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterable

from podesk_cli.commands import Runner
from podesk_cli.report import Failure

# What a local desktop needs, apart from the dependencies of these packages.
DESKTOP = [
    *("tigervnc-standalone-server", "x11-xserver-utils", "dbus-daemon"),
    *("xfwm4", "xfce4-panel", "xfce4-terminal", "thunar", "xfdesktop4", "xfce4-settings"),
    *("xfce4-notifyd", "libnotify-bin"),
    *("greybird-gtk-theme", "elementary-xfce-icon-theme", "adwaita-icon-theme"),
    *("fonts-dejavu-core", "fonts-wqy-microhei"),
    "firefox-esr",
]
TESTS = ["curl", "gettext", "nginx-light", "openssh-client", "openssl", "restic"]
TESTS += ["prometheus", "prometheus-alertmanager"]  # the alerts against real ones, and their checkers
# xclip reads the clipboard of a desktop, xprop (x11-utils) what its window manager says, and ip makes a network.
BROWSER = ["chromium", "xclip", "x11-utils", "iproute2"]
POSTGRES = ["postgresql"]
LOAD = ["apache2-utils"]  # ab
REPOSITORY = ["rclone"]  # serves a repository of restic to the pods of a cluster


def for_virtualenv() -> list[str]:
    """Return the packages for `python3 -m venv`, which Debian does not install with Python."""
    return [] if importlib.util.find_spec("ensurepip") else ["python3-venv"]


def missing(wanted: Iterable[str]) -> list[str]:
    """Return the packages in `wanted` that are not installed. Raises Failure on systems without dpkg."""
    wanted = list(wanted)
    if not wanted:
        return []
    if not shutil.which("dpkg-query"):
        raise Failure(
            "This system has no dpkg: ./podesk supports Debian and Ubuntu only. On other systems, run desktops on a "
            "cluster (DESKTOP_RUNTIME=kubernetes)."
        )
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,  # fails if a package is unknown, but still lists the others
    )
    installed = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def install(names: list[str], runner: Runner) -> None:
    """Install packages. Raises Failure with the exact command if we lack the rights to install."""
    become_root = _root_prefix()
    if become_root is None:
        raise Failure(f"Debian packages are missing. Install them, then try again:\n  sudo {_by_hand(names)}")
    quietly = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive"]
    options = ["-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"]
    what = f"Installing Debian packages ({_by_hand(names)})"
    # apt-get refuses to work after an interrupted installation.
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
