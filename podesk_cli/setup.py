"""Install and prepare everything from a fresh clone. Each step checks first, so that a later run takes seconds."""

import hashlib
import os
import pwd
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from podesk_cli import environment, packages, settings
from podesk_cli.commands import Runner
from podesk_cli.folders import DESKTOP_USER, Folders, hold_checkout, refuse_if_closed
from podesk_cli.report import Failure

STEPS_INSTALL, STEPS_DATA = 3, 2
# htmx ships retired extensions in ext/, one of which imports a missing file. The other two belong to the page of the
# API but are never requested, and compressing them would take longer than everything else.
NOT_SERVED = ("--ignore", "ext", "--ignore", "redoc", "--ignore", "swagger-ui-*.js.map")


@dataclass(frozen=True)
class Requirements:
    """What to install: Debian packages, and Python packages for development or only to run."""

    debian: list[str]
    development: bool = False


def runs_local_desktops() -> bool:
    return (settings.value("DESKTOP_RUNTIME") or "local") == "local"


def install(place: Folders, runner: Runner, wanted: Requirements) -> None:
    """Install Debian packages, the desktops' account, Python and browser packages. Raises Failure."""
    lock = hold_checkout(place.checkout)
    try:
        with runner.progress.step("Debian packages (about 2 minutes on the first run)"):
            if names := packages.missing([*wanted.debian, *packages.for_virtualenv()]):
                packages.install(names, runner)
            _ensure_account(runner)
        with runner.progress.step("Python packages (about 1 minute on the first run)"):
            environment.ensure_virtualenv(place.checkout, runner)
            environment.ensure_python_packages(place.checkout, runner, development=wanted.development)
        with runner.progress.step("Browser packages and translations"):
            environment.ensure_browser_packages(place.checkout, runner)
            environment.ensure_translations(place.checkout, runner)
    except PermissionError as error:
        raise Failure(
            f"{error.filename} is not writable, but the setup must change it. "
            f"Run ./podesk as the owner of {place.checkout}."
        ) from error
    finally:
        os.close(lock)


def prepare_data(place: Folders, runner: Runner, env: dict[str, str]) -> None:
    """Prepare keys, database and static files. Raises Failure."""
    if runs_local_desktops() and os.geteuid() == 0:
        refuse_if_closed(place, user=settings.desktop_user())
    manage = [environment.python(place.checkout), "manage.py"]
    with runner.progress.step("Keys and database"):
        settings.make_secrets(place)
        # The desktops' account can enter the data folder, but must not read these files. SQLite creates further files
        # with the mode of the database.
        private = replace(runner, umask=0o077)
        private.run([*manage, "migrate", "--noinput"], what="Migrating the database", environment=env)
    with runner.progress.step("Static files (about 20 seconds on the first run)"):
        collect_static(place, runner, env)


def collect_static(place: Folders, runner: Runner, env: dict[str, str]) -> None:
    """Collect static files under a lock, since two portals with one STATIC_ROOT may start at once."""
    lock = hold_checkout(place.checkout)
    try:
        _collect_static(place, runner, env)
    finally:
        os.close(lock)


def _collect_static(place: Folders, runner: Runner, env: dict[str, str]) -> None:
    # The stamp is inside the folder, so that it is deleted together with the files.
    stamp = Path(env.get("STATIC_ROOT") or place.data / "static") / ".sources"
    now = _static_fingerprint(place.checkout)
    if not stamp.exists() or stamp.read_text() != now:
        command = [environment.python(place.checkout), "manage.py", "collectstatic", "--noinput", *NOT_SERVED]
        runner.run([*command, "--verbosity", "2"], what="Collecting static files", environment=env)
        stamp.write_text(now)


def create_admin(place: Folders, env: dict[str, str]) -> str:
    """Return the name and password of a new first administrator, or "" if there is one. Never logged."""
    made = _ask(place, env, "manage.py", "ensure_admin")
    if made.returncode != 0:
        raise Failure(f"The first administrator could not be created:\n{made.stderr.strip()}")
    return made.stdout.strip()


def describe_limits(place: Folders, env: dict[str, str]) -> str:
    """Return a sentence that says whether the limits of desktops are enforced here; empty if desktops run elsewhere."""
    if not runs_local_desktops():
        return ""
    code = "from desktops.runtimes.local.cgroups import why_unlimited; print(why_unlimited() or '')"
    asked = _ask(place, env, "-c", code)
    if asked.returncode != 0:
        return f"It is unknown whether desktops have CPU and memory limits: {asked.stderr.strip()[-200:]}"
    return asked.stdout.strip() or "CPU and memory limits of desktops are enforced."


def _ask(place: Folders, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the portal's Python, and return what it printed."""
    command = [environment.python(place.checkout), *arguments]
    return subprocess.run(command, cwd=place.checkout, env=env, capture_output=True, text=True, check=False)


def _ensure_account(runner: Runner) -> None:
    if os.geteuid() != 0 or not runs_local_desktops() or settings.desktop_user() != DESKTOP_USER:
        return  # an account of the operator's own is not ours to create
    try:
        pwd.getpwnam(DESKTOP_USER)
    except KeyError:
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/bin/bash"]
        runner.run(["useradd", *options, DESKTOP_USER], what=f"Creating the account {DESKTOP_USER} that owns desktops")


def _static_fingerprint(checkout: Path) -> str:
    """Return a digest that changes with every served file: ours by size and time, packages by lock file."""
    own = [
        f"{path.relative_to(checkout)} {(found := path.stat()).st_size} {found.st_mtime_ns}"
        for folder in ("static", "accounts/static", "desktops/static")
        for path in sorted((checkout / folder).rglob("*"))
        if path.is_file()
    ]
    locked = environment.fingerprint(*(checkout / name for name in ("requirements.txt", "package-lock.json")))
    return hashlib.sha256("\n".join([locked, *own]).encode()).hexdigest()
