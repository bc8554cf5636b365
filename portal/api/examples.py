"""Examples for the OpenAPI document: what is sent, and what is answered. A test holds them against the schemas."""

from typing import Any

Node = dict[str, Any]
SENT: dict[str, Any] = {}
ANSWERED: dict[str, dict[str, Any]] = {}  # by operation and status


def add(operation: Node) -> None:
    name = operation["operationId"]
    if name in SENT and "requestBody" in operation:
        operation["requestBody"]["content"]["application/json"]["example"] = SENT[name]
    for status, example in ANSWERED.get(name, {}).items():
        if content := operation["responses"].get(status, {}).get("content", {}).get("application/json"):
            content["example"] = example
