"""The OpenAPI description of an operation, declared on its view."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Node = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One method of a view. `name` must not change, since clients are generated from it."""

    name: str
    summary: str
    sent: Node | None = None  # an example of the request body
    answered: Mapping[int, Node] = field(default_factory=dict)  # examples of responses by status
    refused: tuple[
        int, ...
    ] = ()  # statuses in addition to those that portal/api/schema.py derives from method and path


def page_example(*rows: Node, **more: Any) -> Node:
    return more | {"count": len(rows), "next": None, "previous": None, "results": list(rows)}
