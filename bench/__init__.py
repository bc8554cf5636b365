"""Benchmarks. `python -m bench` lists them, with the tools that each needs and the limits that it must keep."""

import sys
from importlib.util import find_spec

# Importable names of packages from requirements-dev.txt.
_ABSENT = [name for name in ("cryptography", "django", "httpx", "psutil", "psycopg", "redis") if not find_spec(name)]
if _ABSENT:
    sys.exit(
        f"bench: Python packages are missing: {', '.join(_ABSENT)}. Use the virtualenv's Python, .venv/bin/python, "
        "after `./podesk test`, or: pip install -r requirements-dev.txt"
    )
