"""Give programs such as pg_dump the database's address in a file, because others can see a program's arguments."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "podesk"  # of the service: PGSERVICE
_PARAMETERS = {"HOST": "host", "PORT": "port", "NAME": "dbname", "USER": "user", "PASSWORD": "password"}  # nosec B105
_TEXT = (str, int)  # other options, such as the pool, are for Django only


def write(path: Path, database: Mapping[str, Any]) -> None:
    """Write a connection service file of libpq for an entry of DATABASES. Only we and our group can read it."""
    values = {name: database.get(key) for key, name in _PARAMETERS.items()}
    values |= {name: value for name, value in database.get("OPTIONS", {}).items() if isinstance(value, _TEXT)}
    lines = [f"[{NAME}]", *(f"{name}={value}" for name, value in values.items() if value not in (None, ""))]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as file:
        file.write("\n".join([*lines, ""]))
