"""Read the OpenAPI document, and check answers against it."""

from functools import cache
from typing import Any

import jsonschema

from portal.api import docs

Node = dict[str, Any]


@cache
def document() -> Node:
    return docs.document()


def resolved(node: Any) -> Any:
    """Return a node as JSON Schema: resolve references, and replace OpenAPI 3.0's `nullable`."""
    if isinstance(node, list):
        return [resolved(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return resolved(found)
    plain = {name: resolved(each) for name, each in node.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def assert_told(address: str, answer: Any) -> None:
    """Assert that an answer of Django's test client is documented. `address`: such as "GET pods/{pod_name}"."""
    method, _, path = address.partition(" ")
    responses = document()["paths"][f"/api/v1/{path}"][method.lower()]["responses"]
    assert str(answer.status_code) in responses, f"{answer.status_code} is not documented"
    documented = resolved(responses[str(answer.status_code)])
    kind = answer["Content-Type"].partition(";")[0]
    assert kind in documented["content"]
    if kind.endswith("json"):
        formats = jsonschema.FormatChecker()
        jsonschema.validate(answer.json(), documented["content"][kind]["schema"], format_checker=formats)
    missing = {name for name, header in documented["headers"].items() if header.get("required") and name not in answer}
    assert missing == set()
