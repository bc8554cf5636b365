"""The page of a person's session tokens, and the actions on it."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import client, token_services
from accounts.decorators import button, login_required
from accounts.token_forms import NewTokenForm
from accounts.token_services import Issued, LoginEnded

_MOST_SHOWN = 100  # the API lists all of them


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """List tokens and issue one. A new token appears only in the response to the form, so there is no redirect."""
    by, form = client.actor(request), NewTokenForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _page(request, form, status=422 if form.errors else 200)
    try:
        issued = token_services.issue_for_login(by=by, wanted=form.wanted())
    except LoginEnded:
        return redirect("accounts:tokens")  # which leads to the login
    return _page(request, NewTokenForm(), issued)


@button
def revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    by = client.actor(request)
    token_services.revoke(by=by, token=get_object_or_404(token_services.kept_by(by.user.pk), pk=token_id))
    messages.success(request, _("The token was revoked, and its connections were closed."))
    return redirect("accounts:tokens")


@button
def revoke_all(request: HttpRequest) -> HttpResponse:
    count = token_services.revoke_all(by=client.actor(request))
    message = ngettext("%d token was revoked.", "%d tokens were revoked.", count) % count
    messages.success(request, message)
    return redirect("accounts:tokens")


def _page(request: HttpRequest, form: NewTokenForm, issued: Issued | None = None, status: int = 200) -> HttpResponse:
    mine = token_services.live(token_services.kept_by(client.actor(request).user.pk)).order_by("-created_at", "-id")
    shown = list(mine[: _MOST_SHOWN + 1])
    context = {
        "form": form,
        "issued": issued,
        "tokens": shown[:_MOST_SHOWN],
        "more": len(shown) > _MOST_SHOWN,
        "to_revoke": request.GET.get("revoke", ""),
        "public_url": settings.PUBLIC_URL,
    }
    return render(request, "accounts/tokens.html", context, status=status)
