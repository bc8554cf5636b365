"""What the OpenAPI document says of an operation, kept on the view that answers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Node = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One method of a view. `name` stays for good, since clients are generated from it."""

    name: str
    summary: str
    sent: Node | None = None  # an example of the body
    answered: Mapping[int, Node] = field(default_factory=dict)  # an example of the answer, by status
    refused: tuple[int, ...] = ()  # statuses beside those that portal/api/schema.py derives from method and address


def page_example(*rows: Node, **more: Any) -> Node:
    return more | {"count": len(rows), "next": None, "previous": None, "results": list(rows)}
