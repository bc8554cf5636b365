"""The OpenAPI document is complete, valid, equal to the one in docs/, and matches the URL configuration."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.validation import validate_schema

from core.api.endpoint import BaseEndpoint
from desktops.api.input_serializers import ResourceQuota
from podesk_cli.folders import CHECKOUT
from portal.api import docs
from portal.api.schema import TAGS
from tests.support import openapi
from tests.support.openapi import resolved
from tests.test_api_matrix import operations

COMMITTED = Path(CHECKOUT / "docs/openapi.yaml")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document()


@pytest.fixture(scope="module")
def described(document) -> dict[str, dict[str, Any]]:
    """Return the operations by names such as "GET pods"."""
    return {
        f"{method.upper()} {path.removeprefix('/api/v1/')}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_is_openapi(document):
    validate_schema(document)


def test_committed_one_is_this_one():
    hint = "docs/openapi.yaml is out of date. Run: .venv/bin/python -m tests.support.write_openapi"
    assert COMMITTED.read_text() == docs.as_yaml(), hint


def test_all_of_the_api_and_nothing_else_is_described(described):
    urls = {each.replace("<", "{").replace(">", "}") for each in operations()}
    assert set(described) == {each.replace(" v1/", " ") for each in urls if " v1/" in each}


def views(of: type[BaseEndpoint] = BaseEndpoint) -> Iterator[type[BaseEndpoint]]:
    """Yield all views of the API."""
    for view in of.__subclasses__():
        yield from views(view)
        yield from [view] if view.__module__.startswith(("accounts.api", "desktops.api")) else []


def test_each_view_names_its_operations(described):
    get_resolver().url_patterns  # noqa: B018 - imports the views
    unnamed = [
        f"{method} {view.__module__}.{view.__name__}"
        for view in views()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if (method.lower() in vars(view)) != (method in view.operations)
    ]
    assert unnamed == [], "views without an entry in `operations`, or entries without a method"


def test_names_are_those_of_the_views_and_stand_once(described):
    names = [operation["operationId"] for operation in described.values()]
    named = [operation.name for view in views() for operation in vars(view).get("operations", {}).values()]
    assert sorted(names) == sorted(named)
    assert len(set(names)) == len(names)


def test_each_is_described(described):
    for address, operation in described.items():
        assert operation["summary"], address
        assert operation["tags"][0] in TAGS, address
        assert operation.get("description"), f"{address}: its method needs a docstring"
        for parameter in resolved(operation.get("parameters", [])):
            assert parameter.get("description"), f"{address} {parameter['name']}: it needs a help_text"
        for status, response in resolved(operation["responses"]).items():
            assert response["description"], f"{address} {status}"


def test_each_method_has_a_docstring_of_its_own(described):
    """Without one, drf-spectacular takes the docstring of the view or of its base class."""
    get_resolver().url_patterns  # noqa: B018 - imports the views
    without = [
        f"{name} {view.__name__}"
        for view in views()
        for name in view.operations
        if not getattr(view, name.lower()).__doc__
    ]
    assert without == []


def test_each_field_is_described(document):
    undescribed = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if not (described.get("description") or resolved(described).get("description"))
    ]
    assert undescribed == [], "fields need a help_text, nested serializers a docstring"


def test_who_needs_a_token(described):
    both = [{"X-User-Token": []}, {"Bearer": []}]
    open_ones = {"POST auth/token", "POST auth/token/verify"}
    for address, operation in described.items():
        assert operation.get("security") == (None if address in open_ones else both), address


def test_refusals_are_told(described):
    for address, operation in described.items():
        statuses = set(operation["responses"])
        assert {"400", "405", "406", "422", "429", "503"} <= statuses, address
        assert ("security" in operation) == ({"401", "403"} <= statuses) or address.startswith("POST auth/token"), (
            address
        )
        assert ("{" in address) <= ("404" in statuses), address
        assert address.startswith(("POST", "PATCH")) <= ({"409", "413", "415"} <= statuses), address


def test_what_may_be_waited_for_may_be_gone(described):
    assert "404" in described["POST pods/create"]["responses"]


def test_body_of_a_delete_is_looked_at_too(described):
    for address, operation in described.items():
        assert not address.startswith("DELETE") or {"413", "415"} <= set(operation["responses"]), address


def test_streams_are_told(described):
    for address in ("GET events", "GET pods/{pod_name}/events"):
        assert set(described[address]["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}


def test_headers_are_told(described):
    for address, operation in described.items():
        for status, response in resolved(operation["responses"]).items():
            headers = response["headers"]
            assert headers["X-Request-ID"]["required"], address
            assert ("Retry-After" in headers) == (status in ("409", "429", "503")), f"{address} {status}"
            can_be_repeated = address.startswith("POST") and "security" in operation and status < "300"
            assert ("Idempotent-Replayed" in headers) == can_be_repeated, f"{address} {status}"


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield from [node] if "properties" in node else []
        yield from (found for each in node.values() for found in objects(each))
    elif isinstance(node, list):
        yield from (found for each in node for found in objects(each))


def test_answers_have_what_is_told_and_nothing_else(described):
    for address, operation in described.items():
        for place, content in contents(operation):
            for schema in objects(resolved(content["schema"])):
                assert schema["additionalProperties"] is False, f"{address} {place}"
                assert place == "request" or set(schema["required"]) == set(schema["properties"]), f"{address} {place}"
                assert {} not in schema["properties"].values(), f"{address} {place}: a field of any kind"


QUANTITIES = {
    "cpu": [0, 0.05, 0.1, 2, 9999.99, 10_000, "2", "1.5", "500m", "1e3", "1Gi", "-1", "2 ", "", "x", True, None, []],
    "memory": [0, 2**27 - 1, 2**27, 2**51, 2**52, "1Gi", "1000M", "1.5e9", "1gi", "1GiB", "m", {}],
    "storage": [0, 2**30 - 1, 2**30, 2**60, 2**62, "10Gi", "1T", "1E", "10 Gi", False],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, row in QUANTITIES.items() for value in row])
def test_quantities_are_those_that_are_taken(document, name, value):
    schema = resolved(document["components"]["schemas"]["ResourceQuotaRequest"])["properties"][name]
    allowed = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert allowed == ResourceQuota(data={name: value}).is_valid()


def test_posts_take_an_idempotency_key(described):
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    for address, operation in described.items():
        assert (key in operation.get("parameters", [])) == (address.startswith("POST") and "security" in operation)


def contents(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [("request", operation.get("requestBody", {}).get("content", {}).get("application/json"))]
    for status, response in operation["responses"].items():
        found.append((status, response.get("content", {}).get("application/json")))
    return [(place, content) for place, content in found if content]


def test_each_has_examples_that_hold(described):
    without = []
    for address, operation in described.items():
        for place, content in contents(operation):
            schema = resolved(content["schema"])
            examples = [each["value"] for each in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            if not examples and schema.get("properties"):
                without.append(f"{address} {place}")
            for example in examples:
                jsonschema.validate(example, schema)
    assert without == [], "give them one in the `operations` of their view"


def test_served_as_yaml_and_as_json(client, db, document):
    default = client.get("/api/schema/")
    assert default["Content-Type"] == "application/vnd.oai.openapi; charset=utf-8"
    assert yaml.safe_load(default.content) == document
    for accept in ("application/json", "application/vnd.oai.openapi+json"):
        response = client.get("/api/schema/", headers={"Accept": accept})
        assert response["Content-Type"].startswith(accept)
        assert json.loads(response.content) == document
    assert client.head("/api/schema/").content == b""
    assert client.get("/api/schema/", headers={"Accept": "text/html"})["Content-Type"].startswith(docs.YAML)


def test_is_the_same_in_all_languages(db, document):
    response = Client(headers={"Accept-Language": "zh-hans", "Accept": "application/json"}).get("/api/schema/")
    assert response.json() == document


def test_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(client, db):
    answer = client.get("/api/docs/")
    page = answer.content.decode()
    assert "https://" not in page
    assert "<script>" not in page
    assert "<style" not in page
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert 'data-schema="/api/schema/"' in page
