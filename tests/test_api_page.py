"""The example clients of docs/api.md, run unchanged against a running portal."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from podesk_cli.folders import CHECKOUT
from tests.support.running_podesk import Portal, running

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="podesk-api-page-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the account that runs desktops must be able to enter it
        with running(Path(made) / "data") as started:
            yield started


@pytest.fixture
def run(portal):
    """Run a program with the environment that the examples expect, and return its output."""

    def go(*command: str) -> str:
        known = {"PODESK_URL": portal.url, "PODESK_USER": "admin", "PODESK_PASSWORD": portal.password}
        done = subprocess.run(command, env=os.environ | known, capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return go


def example(language: str, mark: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", (CHECKOUT / "docs/api.md").read_text(), re.DOTALL)
    return next(block for block in blocks if mark in block)


def test_curl(portal, run):
    made, deleted = run("bash", "-euc", example("sh", "pods/create")).splitlines()
    answer = json.loads(made)
    assert answer["status"] == "created"
    assert answer["desktop"]["status"] == "running"
    assert answer["desktop"]["resource_quota"] | {"storage": ""} == {"cpu": "1", "memory": "1Gi", "storage": ""}
    assert json.loads(deleted) == {"status": "deleted", "pod_name": answer["pod_name"], "backup_task": None}
    assert portal.query("SELECT count(*) FROM desktops_desktop") == [(0,)]


def test_python(portal, run):
    said = run(sys.executable, "-c", example("python", "httpx"))
    assert re.match(r"created vnc-\S+ \{'host'", said), said
    assert portal.query("SELECT count(*) FROM desktops_desktop") == [(0,)]


def test_python_when_the_time_is_not_enough(portal, run):
    program = example("python", "httpx")
    assert len([line for line in program.splitlines() if line]) == 10
    said = run(sys.executable, "-c", program.replace('"wait": 60}, json', '"wait": 0}, json'))
    assert re.match(r"created vnc-\S+ \w[^{}]+\.", said), said
    assert portal.query("SELECT count(*) FROM desktops_desktop") == [(0,)]
