"""Authorize browsers that reach a desktop through the ingress controller, without the portal's proxy.

The portal is not in the path of such a connection. A logout or revocation stops the next request, but does not close
an open connection. Stopping the desktop does.
"""

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import login_session, revocation, token_services, tokens
from accounts.client import actor
from accounts.decorators import button
from accounts.token_services import TokenRequest
from core import client_address, origins
from core.request_token import token_from
from desktops import connection_info, selectors, token_scopes
from desktops.exceptions import DesktopNotFound
from desktops.models import Desktop, Status

log = structlog.get_logger("podesk.ingress_auth")
COOKIE = "podesk_direct"


@button
@never_cache
def open_directly(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    """Redirect to the noVNC page of the desktop. The token is in a cookie that is limited to the desktop's path."""
    desktop = _desktop(request, desktop_id)
    if not connection_info.is_in_browser(desktop):
        return _see_other(reverse("desktops:detail", args=[desktop.pk]))  # the page shows why
    answer = _see_other(_address(desktop))
    try:
        _give_token(request, desktop, answer)
    except tokens.TokenRefused:  # the account was just disabled
        return _see_other(settings.LOGIN_URL)
    if login_session.holds(request):
        return answer
    # The login ended in the meantime. The logout may have missed the token that was just issued.
    revocation.revoke_session(login_session.session_id(request), reason="logged_out")
    return _see_other(settings.LOGIN_URL)


def _desktop(request: HttpRequest, desktop_id: UUID) -> Desktop:
    try:
        desktop = selectors.get_for(user=actor(request).user, desktop_id=desktop_id)
    except DesktopNotFound:
        raise Http404
    if settings.DESKTOP_EXPOSURE != "ingress":
        raise Http404
    return desktop


def _see_other(to: str) -> HttpResponse:
    answer = redirect(to)
    answer.status_code = 303
    return answer


def _address(desktop: Desktop) -> str:
    path = f"direct/{desktop.pk}"
    return f"/{path}/vnc.html?path={path}/websockify&autoconnect=1&resize=remote"


def _give_token(request: HttpRequest, desktop: Desktop, answer: HttpResponse) -> None:
    seconds = min(settings.TOKEN_LIFETIME, request.session.get_expiry_age())
    wanted = TokenRequest(
        label="opened directly",
        permissions=("vnc",),
        lifetime=timedelta(seconds=seconds),
        pod_name=desktop.object_name,
        resource_quota=token_scopes.quantities(desktop),
    )
    session_id = login_session.session_id(request)
    issued = token_services.issue_for_browser(by=actor(request), wanted=wanted, session_id=session_id)
    answer.set_cookie(
        COOKIE,
        issued.text,
        max_age=seconds,
        path=f"/direct/{desktop.pk}/",
        secure=settings.HTTPS,
        httponly=True,
        samesite="Strict",
    )


@require_safe
@never_cache
def authorize(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    """Answer 204 if the request may pass, 401 without a valid token, and 403 if the token does not open the desktop."""
    try:
        text = token_from(request.headers, cookie=request.COOKIES.get(COOKIE, ""))
        claims = tokens.verify(text, used_from=client_address.address(request))
    except tokens.TokenRefused as refused:
        log.info("direct_access_denied", desktop=str(desktop_id), reason=refused.reason)
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    may_pass = _is_from_our_pages(request) and _opens(claims, desktop_id)
    return HttpResponse(status=204 if may_pass else 403)


def _is_from_our_pages(request: HttpRequest) -> bool:
    """Check the origin, because a page of another site could open a WebSocket with the user's cookie."""
    return origins.is_allowed([(name.lower(), value) for name, value in request.headers.items()], request.scheme or "")


def _opens(claims: tokens.Claims, desktop_id: UUID) -> bool:
    desktop = selectors.for_stream(claims)
    if desktop is None or desktop.pk != desktop_id:
        return False
    return "vnc" in claims.permissions and desktop.status == Status.RUNNING
