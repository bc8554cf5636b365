"""Parts of the OpenAPI document that many operations share."""

from http import HTTPStatus
from typing import Any

from core.api.problems import CONTENT_TYPE

Node = dict[str, Any]
_TEXT: Node = {"type": "string"}

FIELD_ERROR: Node = {
    "type": "object",
    "description": "One field of the request that is wrong.",
    "properties": {
        "field": {
            "type": "string",
            "description": "Its name; in nested objects with dots, such as resource_quota.cpu.",
        },
        "message": {"type": "string", "description": "What is wrong with it, in your language."},
    },
    "required": ["field", "message"],
    "additionalProperties": False,
}
PROBLEM: Node = {
    "type": "object",
    "description": "Why a request was refused, after RFC 9457.",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "urn:podesk:problem: and the slug."},
        "title": {"type": "string", "description": "The name of the HTTP status."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, as a sentence in your language."},
        "instance": {"type": "string", "description": "The path that was asked."},
        "slug": {
            "type": "string",
            "description": "The same for programs: it does not change with language or version.",
        },
        "next_step": {"type": "string", "description": "What you can do about it, in your language."},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        "request_id": {"type": "string", "description": "Stands in the logs too, and in the header X-Request-ID."},
    },
    "required": ["type", "title", "status", "detail", "instance", "slug", "next_step", "errors", "request_id"],
    "additionalProperties": False,
}
HEADERS: Node = {
    "RateLimit": {
        "description": "What is left of each limit (r), and seconds until it is full again (t).",
        "schema": _TEXT,
        "example": '"read";r=599;t=41, "address";r=2999;t=41',
    },
    "RateLimitPolicy": {
        "description": "The limits that count here: how many requests (q) in how many seconds (w).",
        "schema": _TEXT,
        "example": '"read";q=600;w=60, "address";q=3000;w=60',
    },
    "RetryAfter": {
        "description": "Seconds after which to ask again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "MayRetryAfter": {
        "description": "Seconds after which to ask again; missing where nobody knows.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RequestID": {
        "description": "Stands in the logs too. Yours, if you sent a good one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
        "example": "5d0cf2b1d3e14b7f8e2b5a0f6c7d8e9f",
    },
    "IdempotentReplayed": {
        "description": "The answer that the first request with this Idempotency-Key got; nothing was done now.",
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
        "description": "Any text of your own, new for each new request. Sent again with the same one within a day, "
        "the request is answered again and done once.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        "example": "5f1c3c1e-launch",
    }
}
_PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("parse_error", "The body is not JSON, or the address cannot be read.", "This is not JSON."),
    401: ("not_authenticated", "There is no token, or it is not valid.", "The session token has expired."),
    403: ("not_permitted", "The token, or its owner, may not do this.", "The session token does not permit this."),
    404: ("not_found", "There is nothing of that name, or it is somebody else's.", "There is no such desktop."),
    405: ("method_not_allowed", "This URL does not allow this method.", 'Method "PUT" not allowed.'),
    406: ("not_acceptable", "Nothing of what you accept can be given.", "Could not satisfy the request Accept header."),
    409: ("wrong_status", "That cannot be done now.", "The desktop is busy with something else."),
    413: ("too_large", "The body is too large.", "The request is too large."),
    415: ("unsupported_media_type", "The body is not sent as JSON.", 'Unsupported media type "text/plain" in request.'),
    422: ("invalid", "Fields are wrong, or nobody knows them.", "limit: A valid integer is required."),
    429: ("too_many_requests", "You ask too often.", "Too many requests."),
    503: (
        "runtime_away",
        "A part that this needs is away.",
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
