"""Serve the viewer's page and the session token that it requests before each connection."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from accounts import login_session, revocation, tokens
from accounts.client import actor
from accounts.decorators import login_required
from accounts.models import User
from desktops import selectors, token_scopes
from desktops.exceptions import DesktopNotFound
from desktops.models import Desktop, Status
from desktops.web import viewer_messages
from desktops.wording import close_codes


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def viewer(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    try:
        desktop = selectors.get_for(user=actor(request).user, desktop_id=desktop_id)
    except DesktopNotFound:
        raise Http404
    context = {
        "desktop": desktop,
        "config": _config(desktop),
        "viewer_messages": viewer_messages.translated(),
        "login_url": _login_url(desktop.pk),
    }
    return render(request, "desktops/viewer.html", context)


@require_POST
@never_cache
def session_token(request: HttpRequest, desktop_id: UUID) -> JsonResponse:
    """Issue the token for one connection, or return a refusal for the viewer to show."""
    if not isinstance(request.user, User):
        return _signed_out(desktop_id)
    try:
        desktop = selectors.get_for(user=request.user, desktop_id=desktop_id)
        answer = _token(request, request.user, desktop)
        return answer if login_session.holds(request) else _ended_meanwhile(request, desktop_id)
    except DesktopNotFound as refusal:
        return _refusal(refusal.status_code, refusal.slug, refusal.message, refusal.next_step)
    except tokens.TokenRefused as refusal:  # the account was just disabled
        return _refusal(403, refusal.reason, close_codes.close_code_for(refusal.reason).sentence)


def _signed_out(desktop_id: UUID) -> JsonResponse:
    sentence = _("You are signed out. Sign in to return to your desktop.")
    return _refusal(401, "signed_out", sentence, login_url=_login_url(desktop_id))


def _ended_meanwhile(request: HttpRequest, desktop_id: UUID) -> JsonResponse:
    """Revoke the session again: the logout may have missed the token that was just issued."""
    revocation.revoke_session(login_session.session_id(request), reason="logged_out")
    return _signed_out(desktop_id)


def _token(request: HttpRequest, user: User, desktop: Desktop) -> JsonResponse:
    if desktop.status != Status.RUNNING:
        state = selectors.state_of(desktop)
        return _refusal(409, desktop.status, state.sentence, state.next_step, retry=state.waiting)
    lifetime = timedelta(seconds=settings.VIEWER_TOKEN_LIFETIME)
    scope = token_scopes.desktop_token_scope(desktop, session_id=login_session.session_id(request))
    token = tokens.issue(user, scope=scope, lifetime=lifetime)
    path = f"/ws/desktops/{desktop.pk}/vnc"
    return JsonResponse({"token": token, "expires_in": settings.VIEWER_TOKEN_LIFETIME, "path": path})


def _refusal(
    status: int, reason: str, message: Any, next_step: Any = "", *, retry: bool = False, **more: str
) -> JsonResponse:
    body = {"reason": reason, "message": str(message), "next_step": str(next_step), "retry": retry} | more
    return JsonResponse(body, status=status)


def _config(desktop: Desktop) -> dict[str, Any]:
    return {
        "name": desktop.name,
        "person": str(desktop.owner_id),
        "tokenUrl": reverse("desktops:session_token", args=[desktop.pk]),
        "csrfCookie": settings.CSRF_COOKIE_NAME,
        "closeCodes": close_codes.for_page(),
    }


def _login_url(desktop_id: UUID) -> str:
    return f"{reverse('accounts:login')}?{urlencode({'next': reverse('desktops:detail', args=[desktop_id])})}"
