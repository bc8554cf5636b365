"""The tests that docs/security.md names exist, because a claim without a test is not a claim."""

import ast
import re
from collections.abc import Iterator

import pytest

from podesk_cli.folders import CHECKOUT

pytestmark = pytest.mark.once

PAGE = (CHECKOUT / "docs/security.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/.]+/test_\w+\.py(?:::\w+)*)`", PAGE)))


def _names(tree: ast.Module | ast.ClassDef, within: str = "") -> Iterator[str]:
    for each in tree.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield within + each.name
        if isinstance(each, ast.ClassDef):
            yield from _names(each, f"{within}{each.name}::")


@pytest.mark.parametrize("named", NAMED)
def test_exists(named):
    path, _, function = named.partition("::")
    tree = ast.parse((CHECKOUT / path).read_text())
    assert not function or function in set(_names(tree))


def test_each_kind_of_attacker_has_some():
    for part in PAGE.split("\n### ")[1:]:
        assert "::test_" in part, part.splitlines()[0]
