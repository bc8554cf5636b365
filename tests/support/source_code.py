"""Read the sources of the product for tests of their structure."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from podesk_cli.folders import CHECKOUT

PACKAGES = ("portal", "desktops", "accounts", "core", "podesk_cli")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    path: Path
    lines: int
    tree: ast.Module

    @property
    def is_product(self) -> bool:
        return self.path.parts[0] in PACKAGES and "tests" not in self.path.parts

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def classes(self) -> list[str]:
        return [node.name for node in self.tree.body if isinstance(node, ast.ClassDef)]


@cache
def modules() -> tuple[Module, ...]:
    """Return all Python files of the repository except migrations, which Django writes."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    paths = [Path(name) for name in listed.stdout.split()]
    return tuple(_read(path) for path in paths if "migrations" not in path.parts)


def _read(path: Path) -> Module:
    text = (CHECKOUT / path).read_text()
    return Module(path, len(text.splitlines()), ast.parse(text))


def length(function: Function) -> int:
    """Return the lines of a function without its decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: Function) -> int:
    """Return how many parameters a caller can pass by name or position."""
    arguments = function.args
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))
