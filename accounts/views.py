"""Login, logout and password views, and the public keys of session tokens."""

from math import ceil
from typing import Any

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, redirect_to_login
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import i18n
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import client, keys, lockout, revocation, services
from accounts.decorators import login_required
from accounts.forms import LoginForm
from accounts.login_session import session_id
from accounts.next_page import is_other_address, is_page
from accounts.usernames import username_key
from core import rate_limits


class Login(LoginView):
    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def get_redirect_url(self) -> str:  # type: ignore[override]  # the stubs are those of Django 6
        """Return `next` if it is a page of this site, and not a button such as *Sign out*; else an empty string."""
        wanted = super().get_redirect_url()
        return wanted if is_page(wanted) else ""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if lockout.may_try(request):
            return super().post(request, *args, **kwargs)
        return _wait(request, rate_limits.seconds_until_reset())

    @transaction.atomic
    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        lockout.record_success(self.request)
        session_id(self.request)  # created now, so that two concurrent first pages do not create two
        services.record_login(by=client.actor(self.request))
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        lockout.record_failure(self.request, form.data.get("username", ""), locked=False)
        return super().form_invalid(form)


login = sensitive_post_parameters()(Login.as_view())


def login_again(request: HttpRequest) -> HttpResponse:
    """Answer a login form whose CSRF token was invalidated, as by a login in another tab. Reads no password."""
    view, typed = Login(), request.POST.get("username", "")
    view.setup(request)
    if not request.user.is_authenticated:
        context = view.get_context_data(form=LoginForm.filled(typed), expired=True)
        return view.render_to_response(context, status=403)
    name = request.user.get_username()
    if username_key(typed) != username_key(name):
        message = _("You are signed in as %(name)s. To use another account, sign out first.")
        messages.info(request, message % {"name": name})
    return redirect(view.get_success_url())


def locked_out(request: HttpRequest, *rest: Any) -> HttpResponse:
    """Answer in place of the login page while axes locks this name. Axes calls it."""
    # `rest` is (response, credentials), but under ASGI axes 8.3 puts the credentials in the wrong place.
    username = request.axes_credentials.get("username") or ""  # type: ignore[attr-defined]
    lockout.record_failure(request, username, locked=True)
    return _wait(request, lockout.seconds_left(username, lockout.counted_address(request)), locked=True)


def _wait(request: HttpRequest, seconds: float, *, locked: bool = False) -> HttpResponse:
    context = {"minutes": ceil(seconds / 60), "locked": locked}
    answer = render(request, "accounts/locked_out.html", context, status=429)
    answer["Retry-After"] = str(ceil(seconds))
    return answer


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        ended = session_id(request)
        with transaction.atomic():
            services.record_logout(by=client.actor(request))
            auth.logout(request)
        # After the commit: a concurrent issue of a token checks afterwards whether the login is still valid.
        revocation.revoke_session(ended, reason="logged_out")
    return redirect(settings.LOGOUT_REDIRECT_URL)


@require_POST
@login_required
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    by = client.actor(request)
    services.sign_out_everywhere(user=by.user, by=by)
    auth.logout(request)
    messages.success(request, _("You are signed out in all browsers, and all connections to your desktops are closed."))
    return redirect(settings.LOGOUT_REDIRECT_URL)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def change_password(request: HttpRequest) -> HttpResponse:
    by = client.actor(request)
    form = PasswordChangeForm(by.user, request.POST or None)
    if not form.is_valid():
        return render(request, "accounts/password_change.html", {"form": form})
    services.change_password(
        user=by.user, password=form.cleaned_data["new_password1"], by=by, session_id=session_id(request)
    )
    auth.update_session_auth_hash(request, by.user)
    messages.success(request, _("Your password was changed. You are signed out in all other browsers."))
    return redirect(settings.LOGIN_REDIRECT_URL)


def admin_login(request: HttpRequest) -> HttpResponse:
    """Redirect to the portal's login page, so that there is one lockout. People who are signed in get a 404."""
    if request.user.is_authenticated:
        raise Http404
    return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index"))


def set_language(request: HttpRequest) -> HttpResponse:
    """Change the language and redirect to `next`. The form may be on an answer to a button, which is no page."""
    answer = i18n.set_language(request)
    if is_other_address(answer.headers.get("Location", "")):
        answer["Location"] = reverse("desktops:home")
    return answer


@require_GET
@cache_control(public=True, max_age=300)
def jwks(request: HttpRequest) -> JsonResponse:
    return JsonResponse(keys.jwks())
