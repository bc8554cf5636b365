"""What schemathesis is told when it tries the API out; see test_api_fuzz.py."""

import os
import re
from itertools import count
from typing import Any

import schemathesis

KEY, UNKNOWN = "Idempotency-Key", "x-schemathesis-unknown-property"
REAL = {"pod_name": os.environ.get("FUZZ_POD", ""), "volume_id": "", "user_id": os.environ.get("FUZZ_USER", "")}
_numbers = count()


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Of the names that could be real, every other one is."""
    for name, value in (path_parameters or {}).items():
        if REAL.get(name) and next(_numbers) % 2 and re.fullmatch(r"[a-z0-9-]+", str(value)):
            path_parameters[name] = REAL[name]
    return path_parameters


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """That a header which the schema does not name must be refused, no proxy would agree to."""
    return UNKNOWN not in (case.headers or {})


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A key is for one request; schemathesis takes the same one for many."""
    if re.fullmatch(r"[!-~]{1,180}", str((case.headers or {}).get(KEY, ""))):
        case.headers[KEY] += str(next(_numbers))
