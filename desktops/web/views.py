"""Serve the list of desktops, the launch form, the page of one desktop, and the actions of their buttons."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts import time_zones
from accounts.client import actor
from accounts.decorators import button, login_required
from accounts.models import User
from desktops import connection_info, selectors, services
from desktops.exceptions import DesktopRefusal
from desktops.lifecycle import kept_files
from desktops.lifecycle.backups import requests as backup_requests
from desktops.models import MOVING, Desktop
from desktops.quota import has_room, launch_offer
from desktops.selectors import backups as backup_selectors
from desktops.web.error_pages import refusals_shown
from desktops.web.forms import DeleteForm, LaunchForm
from desktops.wording import timeline, usage_meters

View = Callable[..., HttpResponse]


class SeeOther(HttpResponseRedirect):
    status_code = 303


def _go(request: HttpRequest, address: str) -> HttpResponse:
    """Redirect to a whole page, even if htmx requested a fragment."""
    return HttpResponseClientRedirect(address) if HtmxDetails(request) else SeeOther(address)


# --- Decorators of the views --------------------------------------------------------------------------------------
def _refused_page(request: HttpRequest, refusal: DesktopRefusal) -> HttpResponse:
    desktop_id = request.resolver_match and request.resolver_match.kwargs.get("desktop_id")
    if desktop_id:
        desktop = selectors.get_for(user=actor(request).user, desktop_id=desktop_id)
        return _detail_page(request, desktop, refusal=refusal)
    return _launch_page(request, refusal=refusal)


def _page(view: View) -> View:
    return require_safe(never_cache(login_required(refusals_shown(_refused_page)(view))))


def _button(view: View) -> View:
    return button(refusals_shown(_refused_page)(view))


# --- My Desktop ---------------------------------------------------------------------------------------------------
@_page
def home(request: HttpRequest) -> HttpResponse:
    """Show the list of desktops. Without desktops or with `?new`, show the launch form; redirect to an only desktop."""
    desktops = list(selectors.visible_to(actor(request).user))
    if not desktops or "new" in request.GET:
        return _launch_page(request)
    if len(desktops) == 1:
        return _go(request, _address(desktops[0]))
    moving = any(desktop.status in MOVING for desktop in desktops)
    user = actor(request).user
    context = {"desktops": desktops, "moving": moving, "offer": launch_offer(user)}
    return render(request, "desktops/home.html", context | _ending(user))


@_button
def launch(request: HttpRequest) -> HttpResponse:
    by = actor(request)
    # Lazy, because a valid form does not need the offer, and computing it would delay the launch.
    offer: Any = SimpleLazyObject(lambda: launch_offer(by.user))
    form = LaunchForm(request.POST, owner=by.user, offer=offer)
    if not form.is_valid():
        return _launch_page(request, form=form)
    _note_time_zone(request)
    return SeeOther(_address(services.launch_desktop(by=by, wanted=form.wanted())))


@_button
def delete_volume(request: HttpRequest, volume_id: UUID) -> HttpResponse:
    by = actor(request)
    volume = selectors.volume_for(user=by.user, volume_id=volume_id)
    if "backup" in request.POST:
        backup_requests.delete_files_after_backup(volume=volume, by=by)
        messages.success(request, _("The files are being backed up. When that has succeeded, they are deleted."))
    else:
        services.delete_volume(volume=volume, by=by)
        messages.success(request, _("The files are being deleted."))
    return SeeOther(f"{reverse('desktops:home')}?new")


@_button
def postpone_volume(request: HttpRequest, volume_id: UUID) -> HttpResponse:
    """Keep files longer that would be deleted."""
    by = actor(request)
    volume = kept_files.postpone(volume=selectors.volume_for(user=by.user, volume_id=volume_id), by=by)
    day = date_format(timezone.localtime(volume.expires_at), "DATE_FORMAT")
    messages.success(request, _("The files are kept until %(day)s.") % {"day": day})
    return SeeOther(f"{reverse('desktops:home')}?new")


# --- One desktop --------------------------------------------------------------------------------------------------
@_page
def detail(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    return _detail_page(request, _desktop(request, desktop_id))


@_page
def panel(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    return _panel(request, _desktop(request, desktop_id))


@_page
def usage(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    desktop = _desktop(request, desktop_id)
    measured = selectors.usage_of(desktop)
    context = {
        "meters": [*usage_meters.of_usage(desktop, measured), *usage_meters.of_home_folder(desktop.volume)],
        "measured": measured,
        "unlimited": usage_meters.is_unlimited(measured),
        "volume": desktop.volume,
    }
    return render(request, "desktops/_usage.html", context)


@_page
def log(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    desktop = _desktop(request, desktop_id)
    template = "desktops/_log.html" if HtmxDetails(request) else "desktops/log.html"
    return render(request, template, {"desktop": desktop, "log": selectors.log_of(desktop)})


@_button
def start(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    desktop = _desktop(request, desktop_id)
    _note_time_zone(request)
    services.start_desktop(desktop=desktop, by=actor(request))
    return _done(request, desktop)


@_button
def start_with_new_files(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    """Start a desktop with an empty home folder after its files were lost."""
    desktop = _desktop(request, desktop_id)
    services.start_desktop(desktop=desktop, by=actor(request), new_files=True)
    return _done(request, desktop)


@_button
def stop(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    desktop = _desktop(request, desktop_id)
    services.stop_desktop(desktop=desktop, by=actor(request))
    return _done(request, desktop)


@_button
def restart(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    desktop = _desktop(request, desktop_id)
    _note_time_zone(request)
    services.restart_desktop(desktop=desktop, by=actor(request))
    return _done(request, desktop)


@_button
def delete(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    desktop, form = _desktop(request, desktop_id), DeleteForm(request.POST)
    if not form.is_valid():
        return _detail_page(request, desktop, form=form)
    if form.backs_up_first():
        backup_requests.delete_after_backup(desktop=desktop, by=actor(request))
    else:
        services.delete_desktop(desktop=desktop, by=actor(request), keep_data=form.keep_data())
    return _done(request, desktop)


@_button
@never_cache
def password(request: HttpRequest, desktop_id: UUID) -> HttpResponse:
    """Show the VNC password when the user requests it. No page contains it before."""
    desktop = _desktop(request, desktop_id)
    shown = services.show_password(desktop=desktop, by=actor(request))
    if HtmxDetails(request):
        return render(request, "desktops/_password.html", {"desktop": desktop, "password": shown})
    return _detail_page(request, desktop, password=shown)


# --- Rendering ----------------------------------------------------------------------------------------------------
def _desktop(request: HttpRequest, desktop_id: UUID) -> Desktop:
    return selectors.get_for(user=actor(request).user, desktop_id=desktop_id)


def _note_time_zone(request: HttpRequest) -> None:
    """Store the time zone of the browser. Browsers without JavaScript do not report one."""
    time_zones.note_browser_zone(user=actor(request).user, zone=request.POST.get("browser_time_zone", ""))


def _address(desktop: Desktop) -> str:
    return reverse("desktops:detail", args=[desktop.pk])


def _done(request: HttpRequest, desktop: Desktop) -> HttpResponse:
    if not HtmxDetails(request):
        return SeeOther(_address(desktop))
    return _panel(request, _desktop(request, desktop.pk))


def _panel(request: HttpRequest, desktop: Desktop) -> HttpResponse:
    return render(request, "desktops/_panel.html", _shown(desktop))


def _shown(desktop: Desktop) -> dict[str, Any]:
    return {
        "desktop": desktop,
        "state": selectors.state_of(desktop),
        "moving": desktop.status in MOVING,
        "events": timeline.lines(selectors.timeline_of(desktop)),
        "connection": connection_info.connection_info_for(desktop),
        "backup_note": backup_selectors.note_of(desktop) if backup_requests.available() else None,
    }


def _detail_page(
    request: HttpRequest,
    desktop: Desktop,
    *,
    form: DeleteForm | None = None,
    refusal: DesktopRefusal | None = None,
    password: str = "",
) -> HttpResponse:
    user = actor(request).user
    context = (
        _shown(desktop)
        | {
            "password": password,
            "form": form or DeleteForm(),
            "confirm_delete": bool(form) or request.GET.get("confirm") == "delete",
            "refusal": refusal,
            "has_room": has_room(user),
            "repository": backup_selectors.repository_of(desktop.volume) if backup_requests.available() else None,
            "has_backups": backup_requests.available(),
            "others": selectors.visible_to(user).exclude(pk=desktop.pk).exists(),
        }
        | _ending(user)
    )
    return render(request, "desktops/detail.html", context, status=422 if form else 200)


def _ending(user: User) -> dict[str, Any]:
    """Return the context of _kept_files_notice.html."""
    return {"ending": selectors.kept_files_ending_soon(user), "kept_files_days": settings.KEPT_FILES_DAYS}


def _launch_page(
    request: HttpRequest, *, form: LaunchForm | None = None, refusal: DesktopRefusal | None = None
) -> HttpResponse:
    user = actor(request).user
    if form is None:
        kept = request.POST if "image" in request.POST else None  # keep what the user filled in
        form = LaunchForm(kept, owner=user, offer=launch_offer(user))
    context = {"form": form, "offer": form.offer, "refusal": refusal, "volume_to_delete": request.GET.get("delete", "")}
    context["has_backups"] = backup_requests.available()
    context["kept"] = backup_selectors.kept_files(form.offer.volumes)
    if context["has_backups"]:
        context["repositories"] = backup_selectors.repositories_without_files(user)
    context |= _ending(user)
    context["has_desktops"] = selectors.visible_to(user).exists()
    return render(request, "desktops/launch.html", context, status=422 if form.is_bound and not refusal else 200)
