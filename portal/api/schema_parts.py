"""Parts of the OpenAPI document that many operations share."""

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
            "description": "Its name; names of nested fields contain dots, such as resource_quota.cpu.",
        },
        "message": {"type": "string", "description": "What is wrong with the field, in your language."},
    },
    "required": ["field", "message"],
    "additionalProperties": False,
}
PROBLEM: Node = {
    "type": "object",
    "description": "Why a request was refused, as in RFC 9457.",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "urn:podesk:problem: followed by the slug."},
        "title": {"type": "string", "description": "The name of the HTTP status."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, as a sentence in your language."},
        "instance": {"type": "string", "description": "The path of the request."},
        "slug": {
            "type": "string",
            "description": "The problem's name for programs; it does not change with language or version.",
        },
        "next_step": {"type": "string", "description": "What you can do about it, in your language."},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        "request_id": {"type": "string", "description": "The id in the logs and in the header X-Request-ID."},
    },
    "required": ["type", "title", "status", "detail", "instance", "slug", "next_step", "errors", "request_id"],
    "additionalProperties": False,
}
HEADERS: Node = {
    "RateLimit": {
        "description": "The remaining requests of each limit (r), and the seconds until it is reset (t).",
        "schema": _TEXT,
        "example": '"read";r=599;t=41, "address";r=2999;t=41',
    },
    "RateLimitPolicy": {
        "description": "The limits that apply here: requests (q) per number of seconds (w).",
        "schema": _TEXT,
        "example": '"read";q=600;w=60, "address";q=3000;w=60',
    },
    "RetryAfter": {
        "description": "Seconds to wait before you retry.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "MayRetryAfter": {
        "description": "Seconds to wait before you retry; missing if unknown.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RequestID": {
        "description": "The request's id in the logs: yours if you sent a valid one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
        "example": "5d0cf2b1d3e14b7f8e2b5a0f6c7d8e9f",
    },
    "IdempotentReplayed": {
        "description": "The answer is that of the first request with this Idempotency-Key; nothing was done now.",
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
        "description": "Any text of your own, new for each new request. If you repeat a request with its key within a "
        "day, you get the same answer, and the request is executed only once.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        "example": "5f1c3c1e-launch",
    }
}
_PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("parse_error", "The body is not JSON, or the URL is malformed.", "This is not JSON."),
    401: ("not_authenticated", "The token is missing or not valid.", "The session token has expired."),
    403: ("not_permitted", "The token or its owner lacks permission.", "The session token does not permit this."),
    404: ("not_found", "The object does not exist, or belongs to another user.", "There is no such desktop."),
    405: ("method_not_allowed", "This URL does not allow this method.", 'Method "PUT" not allowed.'),
    406: ("not_acceptable", "No format that you accept is available.", "Could not satisfy the request Accept header."),
    409: ("wrong_status", "This is not possible at the moment.", "The desktop is busy with something else."),
    413: ("too_large", "The body is too large.", "The request is too large."),
    415: ("unsupported_media_type", "The body is not sent as JSON.", 'Unsupported media type "text/plain" in request.'),
    422: ("invalid", "Fields are invalid or unknown.", "limit: A valid integer is required."),
    429: ("too_many_requests", "You send requests too often.", "Too many requests."),
    503: (
        "runtime_away",
        "A required component is unavailable.",
        "The machines that run desktops do not answer at present.",
    ),
}


def responses() -> Node:
    return {f"Problem{status}": _response(status, *told) for status, told in _PROBLEMS.items()}


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
    link: Node = {"type": "string", "format": "uri", "nullable": True}
    properties: Node = {"pod_name": _TEXT} if of_pod else {}
    properties |= {"count": {"type": "integer", "minimum": 0}, "next": link, "previous": link, "results": rows}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
