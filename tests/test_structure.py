"""The structure of the sources: small modules and functions, unique class names, and no import cycles."""

from collections import Counter
from statistics import median

import pytest

from podesk_cli.folders import CHECKOUT
from podesk_cli.testing import PLACES
from tests.support import import_graph, source_code
from tests.support.source_code import PACKAGES, length, modules, parameters

pytestmark = pytest.mark.once

MOST_ENTRIES = 25  # in desktops/ itself
MOST_LINES_OF_A_MODULE = 300
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_THE_MEDIAN_FUNCTION = 6
MOST_PARAMETERS = 5
MOST_IMPORTS_BETWEEN_FOLDERS = 75  # of desktops/; docs/architecture.md has the current number


@pytest.fixture(scope="module")
def graph() -> import_graph.Graph:
    return import_graph.imports_of(PACKAGES)


def is_test(module: source_code.Module) -> bool:
    return module.path.name.startswith("test_")


def test_top_of_desktops():
    entries = sorted(entry.name for entry in (CHECKOUT / "desktops").iterdir() if entry.name != "__pycache__")
    assert len(entries) <= MOST_ENTRIES, entries


def test_modules():
    long = {str(module.path): module.lines for module in modules() if not is_test(module)}
    assert {path: lines for path, lines in long.items() if lines > MOST_LINES_OF_A_MODULE} == {}


def test_functions():
    found = {
        f"{each.path} {function.name}": function
        for each in modules()
        if not is_test(each)
        for function in each.functions()
    }
    assert [name for name, function in found.items() if length(function) > MOST_LINES_OF_A_FUNCTION] == []
    assert [name for name, function in found.items() if parameters(function) > MOST_PARAMETERS] == []


def test_median_function():
    lengths = [length(function) for module in modules() if module.is_product for function in module.functions()]
    assert median(lengths) <= MOST_LINES_OF_THE_MEDIAN_FUNCTION


def test_each_class_has_a_name_of_its_own():
    names = Counter(name for module in modules() if module.is_product for name in module.classes())
    del names["Command"]  # Django's convention for management commands
    assert [name for name, count in names.items() if count > 1] == []


def test_no_import_cycle(graph):
    assert import_graph.cycle_in(graph) == []


def test_imports_between_the_folders_of_desktops(graph):
    assert len(import_graph.between_folders(graph, "desktops")) <= MOST_IMPORTS_BETWEEN_FOLDERS


def test_a_cycle_is_found():
    assert set(import_graph.cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
    assert import_graph.cycle_in({"a": {"b"}, "b": set()}) == []


@pytest.mark.parametrize("kind", PLACES)
def test_marked_tests_are_where_podesk_test_looks(kind):
    marked = [
        module.path
        for module in modules()
        if is_test(module) and f"mark.{kind}" in (CHECKOUT / module.path).read_text()
    ]
    assert marked
    places = [CHECKOUT / place for place in PLACES[kind]]
    assert [path for path in marked if not any((CHECKOUT / path).is_relative_to(place) for place in places)] == []
