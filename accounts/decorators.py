"""View decorators that require a login."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

Rest = ParamSpec("Rest")
View = Callable[Concatenate[HttpRequest, Rest], HttpResponse]


def login_required(view: View[Rest]) -> View[Rest]:
    """Require a login, like Django's decorator, but handle htmx requests.

    When the login has ended, htmx loads the login page as a whole, and `next` is the page instead of its fragment.
    """

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if htmx := HtmxDetails(request):
            page = urlencode({REDIRECT_FIELD_NAME: htmx.current_url_abs_path or "/"})
            return HttpResponseClientRedirect(f"{reverse('accounts:login')}?{page}")
        # A button's URL is not a page, so after the login continue on the home page.
        return redirect_to_login(request.get_full_path() if request.method in ("GET", "HEAD") else "/")

    return guarded


def button(view: View[Rest]) -> View[Rest]:
    """Require POST and a login. A GET, such as from a pasted URL, gets a page that links to the buttons."""
    guarded = login_required(view)

    @wraps(view)
    def posted(request: HttpRequest, /, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
        if request.method == "POST":
            return guarded(request, *args, **kwargs)
        return HttpResponseNotAllowed(["POST"], render_to_string("405.html", request=request))

    return posted
