"""Return every API error as application/problem+json (RFC 9457), with a slug and a next step."""

from http import HTTPStatus
from math import ceil
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from core.api import problems
from core.api.database_faults import DATABASE_FAULTS, DATABASE_UNAVAILABLE
from core.api.problems import CONTENT_TYPE, Problem
from core.errors import Refusal

log = structlog.get_logger("podesk.api")


def handler(error: Exception, context: dict[str, Any]) -> Response:
    set_rollback()
    problem = _problem(error)
    request: HttpRequest = context["request"]._request
    response = Response(problem.body(request), status=problem.status, content_type=CONTENT_TYPE)
    for name, value in problem.headers.items():
        response[name] = value
    log.info("refused", slug=problem.slug, status=problem.status, detail=problem.log_detail)
    return response


@csrf_exempt  # otherwise a POST would fail with a message about a cookie that the API does not use
def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Return a 404 problem for a URL below /api/ that does not exist."""
    problem = Problem(404, "no_such_address", _("This URL does not exist."))
    return JsonResponse(problem.body(request), status=404, content_type=CONTENT_TYPE)


def _problem(error: Exception) -> Problem:
    match error:
        case Refusal():
            return _of_refusal(error)
        case exceptions.ValidationError():
            return problems.of_fields(error.detail)
        case exceptions.APIException():
            return _of_rest_framework(error)
    if isinstance(error, DATABASE_FAULTS):
        log.error("database_away", exc_info=error)
        return DATABASE_UNAVAILABLE
    for kind, problem in _OF_DJANGO.items():
        if isinstance(error, kind):
            return problem
    log.exception("api_failed", exc_info=error)
    return Problem(500, "internal_error", _("Something went wrong. The error was logged."))


_OF_DJANGO: dict[type[Exception], Problem] = {
    Http404: Problem(404, "not_found", _("This object does not exist.")),
    PermissionDenied: Problem(403, "not_permitted", _("You do not have permission to do this.")),
    # RequestDataTooBig comes before SuspiciousOperation, its base class.
    RequestDataTooBig: Problem(413, "too_large", _("The request is too large.")),
    SuspiciousOperation: Problem(400, "bad_request", _("The request cannot be read.")),
}


def _of_refusal(refusal: Refusal) -> Problem:
    errors = [{"field": refusal.field, "message": str(refusal.message)}] if refusal.field else []
    wait = refusal.retry_after or (5 if refusal.status_code in (429, 503) else 0)
    headers = {"Retry-After": str(wait)} if wait else {}
    if refusal.status_code == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return Problem(
        refusal.status_code, refusal.slug, refusal.message, refusal.next_step, errors, headers, refusal.detail
    )


def _of_rest_framework(error: exceptions.APIException) -> Problem:
    codes = error.get_codes()
    slug = codes if isinstance(codes, str) else error.default_code
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(ceil(getattr(error, "wait", None) or 1))
        return Problem(429, "too_many_requests", _("Too many requests."), headers=headers)
    text: Any = str(error.detail) or HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, slug, text, getattr(error, "next_step", ""), headers=headers)
