"""Build problem documents, and flatten DRF's nested validation errors into a list of fields."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy

CONTENT_TYPE = "application/problem+json"
READ_THE_SCHEMA = gettext_lazy("Compare the URL with /api/docs/.")
SLOW_DOWN = gettext_lazy("Wait for the number of seconds in Retry-After, then send requests less often.")
REPORT_IT = gettext_lazy("Try again. If this keeps happening, contact an administrator and quote the request ID.")
NEXT_STEPS: dict[int, Any] = {
    400: gettext_lazy("Send a JSON object as described in /api/docs/."),
    401: gettext_lazy("Get a token from POST /api/v1/auth/token and send it as X-User-Token."),
    403: gettext_lazy("Use a token that has this permission."),
    404: READ_THE_SCHEMA,
    405: gettext_lazy("Check in /api/docs/ which methods this URL allows."),
    406: gettext_lazy("Send the header Accept: application/json."),
    413: gettext_lazy("Send a smaller request."),
    415: gettext_lazy("Send JSON, with the header Content-Type: application/json."),
    429: SLOW_DOWN,
    500: REPORT_IT,
}


@dataclass(frozen=True)
class Problem:
    status: int
    slug: str
    detail: Any  # a sentence, which may be a lazy translation
    next_step: Any = ""
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    log_detail: str = ""

    def body(self, request: HttpRequest) -> dict[str, Any]:
        return {
            "type": f"urn:podesk:problem:{self.slug}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self.detail),
            "instance": request.path,
            "slug": self.slug,
            "next_step": str(self.next_step or NEXT_STEPS.get(self.status, "")),
            "errors": self.errors,
            "request_id": structlog.contextvars.get_contextvars().get("request_id", ""),
        }


def of_fields(detail: Any) -> Problem:
    """Return a 422 problem that lists the invalid fields. Names of nested fields contain dots."""
    errors = [{"field": name, "message": message} for name, message in _flat(detail, "")]
    first = errors[0] if errors else {"field": "", "message": ""}
    sentence = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    return Problem(422, "invalid", sentence, gettext("Correct the fields listed in errors."), errors)


def _flat(detail: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            inner = "" if key == "non_field_errors" else str(key)
            yield from _flat(value, ".".join(part for part in (name, inner) if part))
    elif isinstance(detail, list):
        for place, value in enumerate(detail):
            yield from _flat(value, f"{name}.{place}" if isinstance(value, dict) else name)
    elif detail:
        yield name, str(detail)
