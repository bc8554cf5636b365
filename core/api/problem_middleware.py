"""Convert Django's own error pages below /api/ to problem documents."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _

from core.api.problems import CONTENT_TYPE, Problem

_SENTENCES: dict[int, tuple[str, Any]] = {
    400: ("bad_request", _("The request cannot be read.")),
    403: ("not_permitted", _("You do not have permission to do this.")),
    404: ("no_such_address", _("This URL does not exist.")),
    405: ("method_not_allowed", _("This URL does not allow this method.")),
    500: ("internal_error", _("Something went wrong. The error was logged.")),
}


class ProblemMiddleware:
    """The middleware. It must come after RequestContextMiddleware, whose request ID each problem contains."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code not in _SENTENCES or not request.path.startswith("/api/"):
            return response
        return response if "json" in response.get("Content-Type", "") else _as_problem(request, response)


def _as_problem(request: HttpRequest, page: HttpResponse) -> HttpResponse:
    slug, sentence = _SENTENCES[page.status_code]
    problem = Problem(page.status_code, slug, sentence)
    answer = JsonResponse(problem.body(request), status=page.status_code, content_type=CONTENT_TYPE)
    if "Allow" in page:
        answer["Allow"] = page["Allow"]
    return answer
