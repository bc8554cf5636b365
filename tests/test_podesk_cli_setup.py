"""The preparations of `./podesk`: packages, virtualenv, keys, environment."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
from threading import Thread

import pytest

from podesk_cli import environment, folders, packages, settings, setup
from podesk_cli.commands import Runner
from podesk_cli.folders import CHECKOUT
from podesk_cli.report import Failure, Progress

pytestmark = pytest.mark.once


def test_folder_closed_to_desktops_is_refused(tmp_path):
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    with pytest.raises(Failure, match=re.escape(f"cannot enter {closed}.")):
        folders.refuse_if_closed(folders.Folders(CHECKOUT, closed / "data"), user="podesk")


def test_missing_packages_are_found():
    assert packages.missing(["bash", "no-such-package-in-debian"]) == ["no-such-package-in-debian"]


def test_without_rights_the_exact_command_is_named():
    """The account is not root and has no sudo."""
    drop = "import os; from podesk_cli import packages; os.geteuid() or os.setuid(65534)"
    said = subprocess.run(
        [sys.executable, "-c", f"{drop}; packages.install(['xauth', 'thunar'], None)"],
        cwd=CHECKOUT,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "sudo apt install --no-install-recommends xauth thunar" in said.stderr


def test_failure_shows_lines_of_its_own_command_only(tmp_path):
    log = tmp_path / "setup.log"
    log.write_text("an earlier run\n")
    runner = Runner(tmp_path, log, Progress(1))
    runner.run(["echo", "an earlier command"], what="Talking")
    with pytest.raises(Failure) as failed:
        runner.run(["sh", "-c", "echo the reason; exit 3"], what="Failing")
    assert str(failed.value) == f"Failing failed (exit status 3). The end of {log}:\n      the reason"
    assert "an earlier command" in log.read_text()


def test_keys_are_made_once_and_private(tmp_path, monkeypatch):
    for name in ("SECRET_KEY", "SECRETS_KEYS", "TOKEN_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    here = folders.Folders(CHECKOUT, tmp_path)
    here.secrets.mkdir()
    (here.secrets / "SECRET_KEY").write_text("the operator's\n")
    settings.make_secrets(here)
    first = {path.name: path.read_text() for path in here.secrets.iterdir()}
    settings.make_secrets(here)
    assert {path.name: path.read_text() for path in here.secrets.iterdir()} == first
    assert first["SECRET_KEY"] == "the operator's\n"
    made = [here.secrets / "SECRETS_KEYS", here.secrets / "TOKEN_SIGNING_KEY"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


def test_what_the_operator_set_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:6379/3")
    monkeypatch.setenv("SECRET_KEY_FILE", "/run/secrets/key")
    monkeypatch.delenv("PUBLIC_URL")
    env = settings.environment(folders.Folders(CHECKOUT, tmp_path / "a b"), host="0.0.0.0", port=81)
    assert env["REDIS_URL"] == "redis://elsewhere:6379/3"
    assert env["SECRET_KEY_FILE"] == "/run/secrets/key"
    assert env["PUBLIC_URL"] == "http://127.0.0.1:81"
    assert socket.gethostname() in env["ALLOWED_HOSTS"].split(",")


def test_static_files_are_collected_by_one_at_a_time(tmp_path):
    """The second process waits and then finds the files."""
    stamp = tmp_path / "static/.sources"
    stamp.parent.mkdir()
    runner = Runner(CHECKOUT, tmp_path / "log", Progress(total=1))
    waits = Thread(
        target=setup.collect_static,
        args=(folders.Folders(CHECKOUT, tmp_path), runner, {"STATIC_ROOT": str(stamp.parent)}),
    )
    lock = folders.hold_checkout(CHECKOUT)
    try:
        waits.start()
        waits.join(0.3)
        assert waits.is_alive()
        stamp.write_text(setup._static_fingerprint(CHECKOUT))
    finally:
        os.close(lock)
    waits.join(30)
    assert not waits.is_alive()
    assert not runner.log.exists()  # no command was started


def test_lock_file_names_no_registry():
    locked = json.loads((CHECKOUT / "package-lock.json").read_text())["packages"]
    assert {name for name, package in locked.items() if name and not package.get("integrity")} == set()
    assert "resolved" not in (CHECKOUT / "package-lock.json").read_text()


def test_python_packages_are_installed_anew_when_a_file_names_others(tmp_path):
    files = ["constraints.txt", "requirements.txt", "requirements-local.txt"]
    for name in files:
        (tmp_path / name).write_text("")
    (tmp_path / files[-1]).write_text("-r requirements.txt\n-c constraints.txt\n")
    runner = Runner(tmp_path, tmp_path / "log", Progress(1))
    environment.ensure_virtualenv(tmp_path, runner)
    for name in files:
        environment.ensure_python_packages(tmp_path, runner, development=False)
        said = runner.log.read_text()
        environment.ensure_python_packages(tmp_path, runner, development=False)
        assert runner.log.read_text() == said
        with (tmp_path / name).open("a") as file:
            file.write("# another version\n")
        environment.ensure_python_packages(tmp_path, runner, development=False)
        assert len(runner.log.read_text()) > len(said), name


def test_interrupted_installation_of_python_packages_is_begun_again(tmp_path):
    (tmp_path / ".venv").mkdir()
    environment._set_stamp(tmp_path, "requirements.txt", environment._UNFINISHED)
    (tmp_path / ".venv/half-a-package").write_text("")
    environment.ensure_virtualenv(tmp_path, Runner(tmp_path, tmp_path / "log", Progress(1)))
    assert not (tmp_path / ".venv/half-a-package").exists()
    assert environment._usable(tmp_path)
