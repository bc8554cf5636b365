"""The import graph of the product. Prints the imports between the folders of desktops/ when run as a program."""

import sys
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

Graph = dict[str, set[str]]  # module -> modules that it imports


def imports_of(packages: Iterable[str]) -> Graph:
    """Return what each module of the packages imports from them, without tests and migrations."""
    graph = grimp.build_graph(*packages, cache_dir=None)
    product = {name for name in graph.modules if not {"tests", "migrations"} & set(name.split("."))}
    return {name: graph.find_modules_directly_imported_by(name) & product for name in product}


def cycle_in(graph: Graph) -> list[str]:
    """Return the modules of one import cycle; an empty list when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def between_folders(graph: Graph, package: str) -> set[tuple[str, str]]:
    """Return the pairs of entries at the top of `package` of which one imports the other."""
    inside = {name: imported for name, imported in graph.items() if name.startswith(f"{package}.")}
    pairs = {
        (name.split(".")[1], other.split(".")[1]) for name, found in inside.items() for other in found & set(inside)
    }
    return {(importer, imported) for importer, imported in pairs if importer != imported}


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    print(len(between_folders(imports_of(["desktops"]), "desktops")))
