"""The secrets of an installation are made once, are complete, and can be used unchanged."""

import stat
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

from accounts.keys import read_private
from portal import keys

pytestmark = pytest.mark.once


def test_values_are_usable():
    values = keys.completed({})
    assert Fernet(values["SECRETS_KEYS"])
    assert read_private(values["TOKEN_SIGNING_KEY"])
    assert f":{values['POSTGRES_PASSWORD']}@" in values["DATABASE_URL"]
    assert f":{values['REDIS_PASSWORD']}@" in values["REDIS_URL"]


def test_what_is_given_stays_and_decides_the_rest():
    given = {"DATABASE_URL": "postgres://elsewhere/db", "REDIS_PASSWORD": "given"}
    values = keys.completed(given)
    assert values | given == values
    assert values["REDIS_URL"] == "redis://:given@podesk-redis:6379/0"


def test_folder_is_completed_and_closed_to_others(tmp_path):
    """Run the command as an operator does, when there are no settings yet."""
    folder = tmp_path / "values"
    command = [sys.executable, "-m", "portal.keys", "--folder", str(folder)]
    subprocess.run(command, cwd=settings.BASE_DIR, env={}, check=True)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    (folder / "SECRET_KEY").write_text("the operator's")
    (folder / "ADMIN_PASSWORD").unlink()
    subprocess.run(command, cwd=settings.BASE_DIR, env={}, check=True)
    second = {path.name: path.read_text() for path in folder.iterdir()}
    assert second["SECRET_KEY"] == "the operator's"
    assert second["ADMIN_PASSWORD"] not in ("", first["ADMIN_PASSWORD"])
    assert {name for name in first if first[name] != second[name]} == {"SECRET_KEY", "ADMIN_PASSWORD"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_outside_a_cluster_a_secret_cannot_be_made():
    command = [sys.executable, "-m", "portal.keys", "--secret", "podesk-keys"]
    said = subprocess.run(command, cwd=settings.BASE_DIR, env={}, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (1, "This is no pod of a cluster. Use --folder here.\n")
