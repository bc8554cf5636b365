"""Render a refusal as a page with its message, next step and status code."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from desktops.exceptions import DesktopNotFound, DesktopRefusal

log = structlog.get_logger("podesk.pages")
View = Callable[..., HttpResponse]
Page = Callable[[HttpRequest, DesktopRefusal], HttpResponse]


def refusals_shown(on: Page) -> Callable[[View], View]:
    """Decorate a view to show refusals. `on` renders a whole page with the refusal, for requests without htmx."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except DesktopRefusal as refusal:
                log.info("refused", slug=refusal.slug, detail=refusal.detail)
                return _shown(request, refusal, on)

        return guarded

    return decorate


def _shown(request: HttpRequest, refusal: DesktopRefusal, on: Page) -> HttpResponse:
    htmx = HtmxDetails(request)
    if isinstance(refusal, DesktopNotFound):
        if not htmx:
            raise Http404
        return _gone(request, refusal)
    response = alert(request, refusal) if htmx else on(request, refusal)
    response.status_code = refusal.status_code
    return response


def _gone(request: HttpRequest, refusal: DesktopNotFound) -> HttpResponse:
    """Lead home: the desktop was deleted while its page was open. For an update of the page, this is no failure."""
    response = HttpResponseClientRedirect(reverse("desktops:home"))
    if request.method == "POST":
        response.status_code = refusal.status_code
    return response


def alert(request: HttpRequest, refusal: DesktopRefusal) -> HttpResponse:
    """Render only the alert, which htmx shows above the panel."""
    response = render(request, "desktops/_refusal.html", {"refusal": refusal})
    response["HX-Retarget"], response["HX-Reswap"] = "#alerts", "innerHTML"
    return response
