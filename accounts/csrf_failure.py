"""Redirect people whose form was opened before they signed in or out in another tab, which invalidates its token."""

from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_CSRF_TOKEN_MISSING, REASON_NO_CSRF_COOKIE
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django_htmx.http import HttpResponseClientRefresh
from django_htmx.middleware import HtmxDetails

from accounts import views
from accounts.next_page import is_other_address

_FOREIGN = ("Origin checking failed", "Referer checking failed")  # how Django's reasons begin
_INCOMPLETE = (REASON_CSRF_TOKEN_MISSING, REASON_NO_CSRF_COOKIE)  # all our forms send both


@sensitive_post_parameters()
@never_cache
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that failed the CSRF check. Nothing was changed, and no part of the form is trusted."""
    if reason.startswith(_FOREIGN):
        return _refuse(request, foreign=True)
    if request.path == reverse("accounts:login"):
        return views.login_again(request)
    if reason in _INCOMPLETE or not request.accepts("text/html"):
        return _refuse(request, back=_page_of_form(request))
    if HtmxDetails(request):  # the page has the old token until it is reloaded
        messages.info(request, _say_stale())
        return HttpResponseClientRefresh()
    return _redirect_back(request)


def _redirect_back(request: HttpRequest) -> HttpResponse:
    if request.path == reverse("set_language"):
        return views.set_language(
            request
        )  # changes no data, and people may not be able to read a message in another language
    if request.path == reverse("accounts:logout") and not request.user.is_authenticated:
        return redirect(settings.LOGOUT_REDIRECT_URL)  # the other tab has signed out already
    messages.info(request, _say_stale())
    return redirect(_page_of_form(request))


def _say_stale() -> str:
    return _("You signed in or out after you opened this page, so nothing was changed. Please try again.")


def _refuse(request: HttpRequest, *, foreign: bool = False, back: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", {"foreign": foreign, "back": back or reverse("desktops:home")}, status=403)


def _page_of_form(request: HttpRequest) -> str:
    """Return the path of the page that contains the form, from the Referer; "/" if that is no page of this site."""
    came_from = request.headers.get("Referer", "")
    parts = urlsplit(came_from) if _is_ours(came_from, request) else urlsplit("")
    path = urlunsplit(("", "", parts.path, parts.query, ""))
    return path if path.startswith("/") and _is_ours(path, request) and not is_other_address(path) else "/"


def _is_ours(address: str, request: HttpRequest) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
