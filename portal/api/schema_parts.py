"""Define the parts of the OpenAPI document that many operations share."""

from http import HTTPStatus
from typing import Any

from core.api.problems import CONTENT_TYPE

Node = dict[str, Any]
_TEXT: Node = {"type": "string"}

FIELD_ERROR: Node = {
    "type": "object",
    "description": "An invalid field of the request.",
    "properties": {
        "field": {
            "type": "string",
            "description": "Name of the field. Names of nested fields contain dots, such as resource_quota.cpu.",
        },
        "message": {"type": "string", "description": "Description of the error, in your language."},
    },
    "required": ["field", "message"],
    "additionalProperties": False,
}
PROBLEM: Node = {
    "type": "object",
    "description": "A problem document (RFC 9457) that explains why a request was refused.",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "The prefix urn:podesk:problem: and the slug."},
        "title": {"type": "string", "description": "Name of the HTTP status."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "HTTP status."},
        "detail": {"type": "string", "description": "Description of the problem, in your language."},
        "instance": {"type": "string", "description": "Path of the request."},
        "slug": {
            "type": "string",
            "description": "Name of the problem, for programs. It does not depend on language or version.",
        },
        "next_step": {"type": "string", "description": "What you can do, in your language. May be empty."},
        "errors": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/FieldError"},
            "description": "Invalid fields. Empty if the problem is not about a field.",
        },
        "request_id": {
            "type": "string",
            "description": "ID of the request in the logs and in X-Request-ID.",
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "slug", "next_step", "errors", "request_id"],
    "additionalProperties": False,
}
HEADERS: Node = {
    "RateLimit": {
        "description": "Remaining requests of each limit (r), and the seconds until it is reset (t).",
        "schema": _TEXT,
        "example": '"read";r=599;t=41, "address";r=2999;t=41',
    },
    "RateLimitPolicy": {
        "description": "Limits that apply to this request: number of requests (q) per number of seconds (w).",
        "schema": _TEXT,
        "example": '"read";q=600;w=60, "address";q=3000;w=60',
    },
    "RetryAfter": {
        "description": "Seconds to wait before you retry the request.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "MayRetryAfter": {
        "description": "Seconds to wait before you retry the request. Missing if unknown.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RequestID": {
        "description": "ID of the request in the logs. It is yours if you sent a valid one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
        "example": "5d0cf2b1d3e14b7f8e2b5a0f6c7d8e9f",
    },
    "IdempotentReplayed": {
        "description": "Present if this is the stored response to an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
ALWAYS: Node = {
    "X-Request-ID": {"$ref": "#/components/headers/RequestID"},
    "RateLimit": {"$ref": "#/components/headers/RateLimit"},
    "RateLimit-Policy": {"$ref": "#/components/headers/RateLimitPolicy"},
}
REPLAYED: Node = {"Idempotent-Replayed": {"$ref": "#/components/headers/IdempotentReplayed"}}
PARAMETERS: Node = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Any text, unique for each request. If you repeat a request with the same key within a day, it "
        "runs only once and you get the same response.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        "example": "5f1c3c1e-launch",
    }
}
PATH_PARAMETERS = {
    "backup_id": "ID of the backup.",
    "repository_id": "ID that all backups of a home folder share.",
    "task_id": "ID of the task.",
    "pod_name": "Technical name of the desktop.",
    "quota_id": "ID of the quota.",
    "token_id": "ID of the token.",  # nosec B105 - a description
    "user_id": "ID of the user.",
    "volume_id": "ID of the volume.",
}
SUCCESS = {
    200: "The request succeeded.",
    201: "The object was created.",
    202: "The request was accepted and is in progress.",
}
_PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("parse_error", "The body is not valid JSON, or the URL is malformed.", "The JSON is nested too deeply."),
    401: ("expired", "The token is missing or invalid, or its account is disabled.", "The session token has expired."),
    403: ("not_permitted", "The token or its user lacks a permission.", "The session token does not permit this."),
    404: ("not_found", "The object does not exist, or belongs to another user.", "There is no such desktop."),
    405: ("method_not_allowed", "This URL does not allow this method.", 'Method "PUT" not allowed.'),
    406: (
        "not_acceptable",
        "Accept contains no available format.",
        "Could not satisfy the request Accept header.",
    ),
    409: (
        "wrong_status",
        "This is not possible in the current state.",
        "The desktop is busy with another operation.",
    ),
    413: ("too_large", "The body is too large.", "The request is too large."),
    415: (
        "unsupported_media_type",
        "The Content-Type is not JSON.",
        'Unsupported media type "text/plain" in request.',
    ),
    422: ("invalid", "Fields or query parameters are invalid or unknown.", "limit: A valid integer is required."),
    429: ("too_many_requests", "You have sent too many requests.", "Too many requests."),
    503: (
        "runtime_away",
        "A required component is unavailable.",
        "The machines that run desktops do not answer at present.",
    ),
}


def responses() -> Node:
    """Return the components `Problem400` and so on."""
    return {f"Problem{status}": _response(status, *problem) for status, problem in _PROBLEMS.items()}


def _response(status: int, slug: str, description: str, detail: str) -> Node:
    headers = dict(ALWAYS)
    if retry := {409: "MayRetryAfter", 429: "RetryAfter", 503: "RetryAfter"}.get(status):
        headers["Retry-After"] = {"$ref": f"#/components/headers/{retry}"}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _example(status, slug, detail)}
    return {"description": description, "headers": headers, "content": {CONTENT_TYPE: content}}


def _example(status: int, slug: str, detail: str) -> Node:
    field, _, message = detail.partition(": ")
    return {
        "type": f"urn:podesk:problem:{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": "/api/v1/pods",
        "slug": slug,
        "next_step": "",
        "errors": [{"field": field, "message": message}] if status == 422 else [],
        "request_id": "5d0cf2b1d3e14b7f8e2b5a0f6c7d8e9f",
    }


def page_of(rows: Node, *, of_pod: bool) -> Node:
    """Return the schema of a page. `rows`: the schema of the results. `of_pod`: whether it also has `pod_name`."""
    link: Node = {"type": "string", "format": "uri", "nullable": True}
    properties: Node = {"pod_name": _TEXT | {"description": PATH_PARAMETERS["pod_name"]}} if of_pod else {}
    properties |= {
        "count": {"type": "integer", "minimum": 0, "description": "Number of results on all pages."},
        "next": link | {"description": "URL of the next page. Null on the last page."},
        "previous": link | {"description": "URL of the previous page. Null on the first page."},
        "results": rows | {"description": "Results on this page."},
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
