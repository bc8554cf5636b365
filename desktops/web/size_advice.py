"""The administration's page of desktops that reserve too much, with a button that makes each one smaller."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.client import actor
from core import units
from desktops.exceptions import DesktopNotFound, DesktopRefusal
from desktops.lifecycle.desktop_size import ComputeSize, resize_desktop
from desktops.models import AT_REST, Desktop
from desktops.selectors import size_advice as advice

_NEEDED = ("desktops.view_desktop", "desktops.view_desktoprun")
_CHANGES = "desktops.change_desktop"


class ResizeForm(forms.Form):
    desktop = forms.UUIDField()
    cpu = forms.DecimalField(min_value=0.1, max_digits=6, decimal_places=2)
    memory_mib = forms.IntegerField(min_value=128, max_value=2**31 - 1)


@never_cache
@require_safe
def _page(request: HttpRequest) -> HttpResponse:
    if not actor(request).user.has_perms(_NEEDED):
        raise Http404
    changes = [each for each in advice.size_changes() if each.size != each.before]
    shown: dict[str, Any] = {
        "title": _("Desktops that reserve too much"),
        "advice": advice.size_advice(),
        "changes": changes,
        "may_change": actor(request).user.has_perm(_CHANGES),
        "days": advice.DAYS,
        "hours": advice.LEAST_HOURS,
        "percent": round(100 * advice.SHARE),
    }
    return render(request, "admin/size_advice.html", admin.site.each_context(request) | shown)


@require_POST
def _resize(request: HttpRequest) -> HttpResponse:
    form = ResizeForm(request.POST)
    if not actor(request).user.has_perms((*_NEEDED, _CHANGES)) or not form.is_valid():
        raise Http404
    size = ComputeSize(form.cleaned_data["cpu"], form.cleaned_data["memory_mib"])
    try:
        desktop = _found(form)
        resize_desktop(desktop=desktop, size=size, by=actor(request))
    except DesktopRefusal as refusal:
        messages.error(request, f"{refusal.message} {refusal.next_step}")
    else:
        messages.success(request, _done(desktop, size))
    return redirect("size_advice")


page, resize = admin.site.admin_view(_page), admin.site.admin_view(_resize)


def _found(form: ResizeForm) -> Desktop:
    desktop = Desktop.objects.filter(pk=form.cleaned_data["desktop"]).first()
    if not desktop:
        raise DesktopNotFound
    return desktop


def _done(desktop: Desktop, size: ComputeSize) -> str:
    amounts = {"name": desktop.name, "cpu": units.cores(size.cpu), "memory": units.memory(size.memory_mib)}
    if desktop.status in AT_REST:
        return _("“%(name)s” now reserves %(cpu)s and %(memory)s.") % amounts
    return _("“%(name)s” will reserve %(cpu)s and %(memory)s from its next start.") % amounts
