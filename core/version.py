"""Podesk's version, written once: in pyproject.toml, which lies beside the code in a checkout and in the image."""

import tomllib
from pathlib import Path


def _read() -> str:
    """Return `[project] version` of pyproject.toml."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


VERSION = _read()
