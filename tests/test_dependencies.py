"""`.ci/dependencies.py` knows which versions an advisory affects, and checks every installed package."""

import importlib.util
import json
from datetime import date
from types import ModuleType

import pytest

from podesk_cli.folders import CHECKOUT

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dependencies", CHECKOUT / ".ci/dependencies.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def advisory(*ranges: list[dict[str, str]], versions: tuple[str, ...] = ()) -> dict:
    return {"id": "X", "aliases": [], "package": "p", "ranges": list(ranges), "versions": list(versions)}


FROM_1_TO_2 = [{"introduced": "1.0"}, {"fixed": "2.0"}]
ALL_TO_3 = [{"introduced": "0"}, {"last_affected": "3.0"}]
TWICE = [{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.1"}]


@pytest.mark.parametrize(
    ("affected", "hit", "spared"),
    [
        (advisory(FROM_1_TO_2), ["1.0", "1.10", "2.0rc1"], ["0.9", "1.0b1", "2.0", "2.0.post1", "10.0"]),
        (advisory(ALL_TO_3), ["0.0.1", "3.0"], ["3.0.1", "3.1"]),
        (advisory(TWICE), ["1.4.9", "2.0"], ["1.5", "1.9", "2.1"]),
        (advisory(FROM_1_TO_2, ALL_TO_3), ["0.1", "2.5"], ["3.1"]),
        (advisory([{"introduced": "4.0"}]), ["4.0", "99"], ["3.9"]),
        (advisory(versions=("1.0", "1.2")), ["1.0", "1.2"], ["1.1"]),
        (advisory(), [], ["1.0", None]),
        (advisory(ALL_TO_3), [], [None]),  # not installed
    ],
)
def test_versions_that_are_hit(check, affected, hit, spared):
    assert [version for version in (*hit, *spared) if check.hits(affected, version)] == hit


def test_package_that_the_excerpt_does_not_know_is_named(check):
    known = json.loads(check.EXCERPT.read_text())["packages"]
    without = set(known) - {"django", "asgiref"}  # one that is pinned, and one that is its dependency
    assert {"django", "asgiref"} <= set(check.not_looked_up(list(without)))


def test_age_of_the_knowledge_is_said(check):
    assert "are 51 days old" in check.age(date(2024, 10, 10), date(2024, 11, 30))


def test_names_are_one_however_they_are_written(check):
    assert check.plain("Django_RQ.x") == "django-rq-x"


def test_package_that_came_along_in_any_version_is_named(check):
    constrained = check.named_in(CHECKOUT / check.CONSTRAINTS)
    assert check.pinned_nowhere(constrained) == []
    assert check.pinned_nowhere(constrained - {"asgiref"}) == ["asgiref"]
