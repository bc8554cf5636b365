"""Complete the OpenAPI document with what all views share: security, problems, headers, pages and descriptions."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from portal.api import schema_parts

Node = dict[str, Any]
_BODY_METHODS = {"post", "put", "patch", "delete"}  # a DELETE must have an empty body

TAGS = {
    "Desktops": "Create, watch, connect to, stop and delete your desktops. In paths and fields, a desktop is a pod.",
    "Files and quota": "Your quota, and the home folders that are kept when you delete a desktop.",
    "Backups": "Backups of home folders: make, restore, look inside, download. Administrators see their ages only.",
    "Tokens": "Session tokens, which identify you in all other requests.",
    "Administration": "Users, quotas, desktops and the audit trail of the portal, for administrators.",
}


class SessionTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.api.authentication.SessionTokenAuthentication"
    name = ["X-User-Token", "Bearer"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{name: []} for name in self.name]  # one of them is enough

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-User-Token", "description": "Session token."},
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "Session token. Ignored if X-User-Token is sent.",
            },
        ]


def complete(result: Node, **_generator: Any) -> Node:
    """Complete the document. drf-spectacular calls this as a postprocessing hook."""
    components = result["components"]
    components["schemas"]["Problem"] = schema_parts.PROBLEM
    components["schemas"]["FieldError"] = schema_parts.FIELD_ERROR
    components["headers"] = schema_parts.HEADERS
    components["parameters"] = schema_parts.PARAMETERS
    components["responses"] = schema_parts.responses()
    sent = _used(result["paths"], components["schemas"], "requestBody")
    returned = _used(result["paths"], components["schemas"], "responses")
    for name in sent | returned:  # requests allow no other fields either: core.api.serializers
        _close(components["schemas"][name], whole=name not in sent)
    result["tags"] = [{"name": name, "description": description} for name, description in TAGS.items()]
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            _complete(operation, method, path)
    return result


def _complete(operation: Node, method: str, path: str) -> None:
    _page(operation, path)
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter["description"] = schema_parts.PATH_PARAMETERS[parameter["name"]]
    if method == "post" and operation.get("security"):
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
    for status in _problems(operation, method, path):
        operation["responses"].setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
    replayed = schema_parts.REPLAYED if method == "post" and operation.get("security") else {}
    for status, response in operation["responses"].items():
        if "$ref" not in response:
            response["description"] = schema_parts.SUCCESS[int(status)]
            response.setdefault("headers", {}).update(schema_parts.ALWAYS | replayed)
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _close(schema: Node, *, whole: bool) -> None:
    """Allow only the named properties. `whole`: require all of them, since responses always contain all."""
    if "properties" in schema:
        schema["additionalProperties"] = False
        if whole:
            schema["required"] = list(schema["properties"])


def _used(paths: Node, schemas: Node, place: str) -> set[str]:
    """Return the names of the schemas that operations use at `place`, including nested ones."""
    found: set[str] = set()
    new = _referred([each.get(place, {}) for methods in paths.values() for each in methods.values()])
    while new - found:
        found |= new
        new = _referred([schemas[name] for name in found])
    return found


def _referred(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for each in node for name in _referred(each)}
    if not isinstance(node, dict):
        return set()
    prefix, _, name = node.get("$ref", "").rpartition("/")
    own = {name} if prefix == "#/components/schemas" else set()
    return own | _referred(list(node.values()))


def _problems(operation: Node, method: str, path: str) -> list[int]:
    """Return the statuses of possible refusals, in addition to those that the view declares."""
    found = [400, 405, 406, 422, 429, 503]  # 503: the database is unavailable
    if operation.get("security"):
        found += [401, 403]
    if "{" in path or _takes(operation, "wait"):  # the object may be deleted during the wait
        found.append(404)
    if method in _BODY_METHODS:
        found += [409, 413, 415]
    return found


def _page(operation: Node, path: str) -> None:
    """Describe the array as a page of results if the operation accepts `limit` and `offset`."""
    content = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    if _takes(operation, "limit") and content.get("schema", {}).get("type") == "array":
        content["schema"] = schema_parts.page_of(content["schema"], of_pod="{pod_name}" in path)


def _takes(operation: Node, name: str) -> bool:
    return any(parameter.get("name") == name for parameter in operation.get("parameters", []))
