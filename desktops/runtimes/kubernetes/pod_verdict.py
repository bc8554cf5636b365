"""A verdict on a pod, and how to read what it is based on. Pure."""

import re
from typing import Any, NamedTuple

from desktops.runtimes.base import Phase

Body = dict[str, Any]


class Verdict(NamedTuple):
    phase: Phase
    reason: str = ""
    detail: str = ""


def condition(pod_status: Body, kind: str) -> Body:
    """Return the pod's condition of that type, empty when it has none."""
    return next((found for found in pod_status.get("conditions", ()) if found["type"] == kind), {})


def says(message: str, words: str) -> bool:
    """Search for a regular expression, whatever the case of its letters."""
    return re.search(words, message, re.IGNORECASE) is not None
