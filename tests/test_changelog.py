"""CHANGELOG.md follows Keep a Changelog, so that people and tools can read it."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

LINES = (Path(__file__).parents[1] / "CHANGELOG.md").read_text().splitlines()


def test_lines_are_short():
    assert [line for line in LINES if len(line) > 100 and "](" not in line] == []


def test_headings():
    releases = [line for line in LINES if line.startswith("## ")]
    allowed = re.compile(r"## \[(Unreleased\]|\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d)")
    wrong = [each for each in releases if not allowed.fullmatch(each)]
    assert wrong == []
    assert releases.count("## [Unreleased]") == 1
    sections = {line for line in LINES if line.startswith("### ")}
    assert sections <= {f"### {name}" for name in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")}
