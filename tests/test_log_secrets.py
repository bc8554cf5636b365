"""The plugin that checks the logs of a test run for secrets: a finding fails the run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from podesk_cli.folders import CHECKOUT

pytestmark = pytest.mark.once

HEAD = """
import logging
import pytest
from accounts import tokens
from accounts.models import User
from core import encryption
from tests.support import log_secrets
log = logging.getLogger("somewhere")
def token():
    return tokens.issue(User.objects.create_user("carol"), scope=tokens.TokenScope("s"))
"""
LEAKS = """
def test_token(db):
    log.info("got %s", token())

def test_traceback(db):
    try:
        raise ValueError(token())
    except ValueError:
        log.exception("failed")

def test_account(db):
    User.objects.create_user("carol", password="correct horse battery")
    log.warning("wrong password", extra={"given": "correct horse battery"})

def test_sealed():
    log.error("sealed %s", encryption.encrypt("Sf3k9QpX") and "password=Sf3k9QpX")

def test_key(settings):
    log.info(settings.TOKEN_SIGNING_KEY)

def test_server(tmp_path):
    (tmp_path / "server.log").write_text("GET /?password=x8Fq02Lm HTTP/1.1")
    log_secrets.read(tmp_path / "server.log")
    log_secrets.keep_out("x8Fq02Lm")  # also what was written before

def test_clean():
    log.info("nothing")
"""
FOUND = [
    "test_account: a password",
    "test_key: a private key",
    "test_sealed: a password",
    "test_server, server.log: a password",
    "test_token: a session token",
    "test_traceback: a session token",
]
CLEAN = """
def test_clean(db):
    User.objects.create_user("carol", password="correct horse battery")
    encryption.encrypt("Sf3k9QpX")
    log.info("correct horse", extra={"sealed": "Sf3k9QpXYZ", "jwt": "eyJ.eyJ.", "pem": "-----BEGIN PUBLIC KEY-----"})
"""


def run(folder: Path, code: str, *options: str) -> tuple[int, list[str]]:
    (folder / "test_inner.py").write_text(HEAD + code)
    given = ["-c", str(CHECKOUT / "pyproject.toml"), "--nomigrations", *options]  # migrations take seconds
    command = [sys.executable, "-m", "pytest", *given, str(folder)]
    known = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}  # it is in use
    done = subprocess.run(command, cwd=CHECKOUT, env=known, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_run_fails_although_each_test_passed(tmp_path, workers):
    status, said = run(tmp_path, LEAKS, workers)
    assert status == 1, said
    reported = [match[1] for line in said if (match := re.match(r"FAILED .*::(.*) was logged$", line))]
    assert reported == FOUND
    assert re.match(r"7 passed in ", said[-1]), said
    assert not any("Sf3k9QpX" in line or "correct horse" in line for line in said)


def test_clean_run_passes(tmp_path):
    status, said = run(tmp_path, CLEAN, "-n0")
    assert status == 0, said
    assert not any("secrets in logs" in line for line in said)
