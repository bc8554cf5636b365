"""Each name in the glossary of CONTRIBUTING.md exists in the code, and so does each file of its recipes."""

import ast
import re
from functools import cache

import pytest

from podesk_cli.folders import CHECKOUT

pytestmark = pytest.mark.once

PAGE = (CHECKOUT / "CONTRIBUTING.md").read_text()
PACKAGES = ("core", "accounts", "desktops", "portal")
GLOSSARY = dict(re.findall(r"^\| ([a-z ]+) \|[^|]+\| (`.+`) \|$", PAGE.partition("## Glossary")[2], re.MULTILINE))
# What a new engineer has to know. The glossary may contain more.
REQUIRED = {
    *("desktop", "desktop image", "runtime", "endpoint", "launch", "start", "stop", "restart", "delete", "observe"),
    *("watch", "run", "session token", "viewer", "reconcile", "quota", "holder", "snapshot", "version", "disconnect"),
    *("concurrency slot", "informer", "reflector", "work queue", "ingress auth", "close code", "permanent"),
    *("orphaned volume", "kept volume", "size", "exposure"),
}
FILES = sorted(set(re.findall(r"`((?:\.|\w)[\w./-]*/[\w./-]*)`", PAGE)))


@cache
def defined() -> frozenset[str]:
    """Return the names of all packages, modules, classes and functions of the product, without its tests."""
    names: set[str] = set()
    for package in PACKAGES:
        for path in (CHECKOUT / package).rglob("*.py"):
            if "tests" in path.parts:
                continue
            names |= {path.stem, path.parent.name}
            kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            names |= {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}
    return frozenset(names)


def test_no_required_word_is_missing():
    assert not REQUIRED - set(GLOSSARY)


def test_words_are_in_the_order_of_the_alphabet():
    assert list(GLOSSARY) == sorted(GLOSSARY)


@pytest.mark.parametrize("word", GLOSSARY)
def test_each_name_exists(word):
    assert not set(re.findall(r"`(\w+)`", GLOSSARY[word])) - defined()


@pytest.mark.parametrize("file", FILES)
def test_each_file_exists(file):
    assert (CHECKOUT / file).exists()
