"""Define the OpenAPI description of an operation, which its view declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Node = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One method of a view. `name` must not change, since client libraries are generated from it."""

    name: str
    summary: str
    sent: Node | None = None  # an example of the request body
    answered: Mapping[int, Node] = field(default_factory=dict)  # examples of responses by status
    # Statuses of refusals in addition to those that portal/api/schema.py derives from method and path.
    refused: tuple[int, ...] = ()


def page_example(*rows: Node, **more: Any) -> Node:
    """Return an example of a page with these rows. `more`: fields that precede those of a page."""
    return more | {"count": len(rows), "next": None, "previous": None, "results": list(rows)}
