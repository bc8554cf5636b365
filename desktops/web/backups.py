"""Serve the backups of home folders: the list, the contents of one backup, restores, and the download of a file."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from accounts import login_session
from accounts.client import actor
from accounts.decorators import button, login_required
from core.attachments import attachment
from desktops import selectors
from desktops.exceptions import DesktopRefusal, NothingChosen
from desktops.lifecycle.backups import downloads, requests
from desktops.models import Backup
from desktops.selectors import backups as backup_selectors
from desktops.selectors.backups import BackupsOfHome
from desktops.web.error_pages import refusals_shown
from desktops.web.views import SeeOther
from desktops.wording.backup_paths import readable_name

FILES_ON_PAGE = 500  # one page with the 5,000 files that a folder may list would have three megabytes
View = Callable[..., HttpResponse]


# --- Decorators of the views --------------------------------------------------------------------------------------
def _offered(view: View) -> View:
    """Hide the pages of an installation without backups."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not requests.available():
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def _refused_page(request: HttpRequest, refusal: DesktopRefusal) -> HttpResponse:
    """Show the page whose button was refused. A folder that cannot be read is shown without its contents."""
    user, given = actor(request).user, request.resolver_match.kwargs if request.resolver_match else {}
    if backup_id := given.get("backup_id"):
        backup = backup_selectors.backup_for(user=user, backup_id=backup_id)
        return _backup_page(request, backup, refusal=refusal)
    if volume_id := given.get("volume_id"):
        volume = selectors.volume_for(user=user, volume_id=volume_id)
        return _list_page(request, backup_selectors.backups_of_volume(volume), refusal)
    repository = backup_selectors.repository_for(user=user, repository_id=given["repository_id"])
    return _list_page(request, backup_selectors.backups_of_repository(repository), refusal)


def _page(view: View) -> View:
    return require_safe(never_cache(login_required(_offered(refusals_shown(_refused_page)(view)))))


def _button(view: View) -> View:
    return button(_offered(refusals_shown(_refused_page)(view)))


# --- The backups of one home folder -------------------------------------------------------------------------------
@_page
def of_volume(request: HttpRequest, volume_id: UUID) -> HttpResponse:
    volume = selectors.volume_for(user=actor(request).user, volume_id=volume_id)
    return _list_page(request, backup_selectors.backups_of_volume(volume))


@_page
def of_repository(request: HttpRequest, repository_id: UUID) -> HttpResponse:
    """Show the backups of a home folder that may have been deleted."""
    repository = backup_selectors.repository_for(user=actor(request).user, repository_id=repository_id)
    return _list_page(request, backup_selectors.backups_of_repository(repository))


@_button
def create(request: HttpRequest, volume_id: UUID) -> HttpResponse:
    by = actor(request)
    requests.back_up_now(volume=selectors.volume_for(user=by.user, volume_id=volume_id), by=by)
    return SeeOther(reverse("desktops:backups", args=[volume_id]))


@_button
def delete_all(request: HttpRequest, repository_id: UUID) -> HttpResponse:
    """Delete all backups of a home folder."""
    by = actor(request)
    repository = backup_selectors.repository_for(user=by.user, repository_id=repository_id)
    requests.delete_repository(repository=repository, by=by)
    messages.success(request, _("The backups are being deleted."))
    return SeeOther(f"{reverse('desktops:home')}?new")


# --- One backup ---------------------------------------------------------------------------------------------------
@_page
def contents(request: HttpRequest, backup_id: UUID) -> HttpResponse:
    """Show a backup and one of its folders: `?path=`, percent-encoded once more than addresses need."""
    return _backup_page(request, _backup(request, backup_id))


@_button
def restore(request: HttpRequest, backup_id: UUID) -> HttpResponse:
    backup = _backup(request, backup_id)
    requests.restore(backup=backup, by=actor(request))
    return SeeOther(_list_address(backup))


@_button
def restore_as_new(request: HttpRequest, backup_id: UUID) -> HttpResponse:
    backup = _backup(request, backup_id)
    requests.restore_as_new(backup=backup, name=request.POST.get("name", ""), by=actor(request))
    message = _("The backup is being restored as kept files. You can use them for a new desktop when it is complete.")
    messages.success(request, message)
    return SeeOther(_list_address(backup))


@_button
def restore_files(request: HttpRequest, backup_id: UUID) -> HttpResponse:
    backup, chosen = _backup(request, backup_id), request.POST.getlist("path")
    if not backup_selectors.are_paths(chosen):
        raise NothingChosen
    requests.restore_paths(backup=backup, paths=chosen, by=actor(request))
    return SeeOther(_list_address(backup))


@_button
def delete(request: HttpRequest, backup_id: UUID) -> HttpResponse:
    backup = _backup(request, backup_id)
    requests.delete_backup(backup=backup, by=actor(request))
    messages.success(request, _("The backup is being deleted."))
    return SeeOther(_list_address(backup))


@require_GET
@never_cache
@login_required
@_offered
@refusals_shown(_refused_page)
def file(request: HttpRequest, backup_id: UUID) -> Any:  # refusals_shown expects no streaming response
    """Send one file of a backup, until its end or that of the login."""
    by, path = actor(request), request.GET.get("path", "")
    opened = downloads.open_file(backup=_backup(request, backup_id), path=path, by=by)
    session_id = login_session.session_id(request)
    reader = downloads.Reader(str(by.user.pk), session_id, holds=lambda: login_session.holds(request))
    chunks = downloads.stream(opened, reader)
    return attachment(chunks, name=readable_name(path), size=opened.size)


# --- Rendering ----------------------------------------------------------------------------------------------------
def _backup(request: HttpRequest, backup_id: UUID) -> Backup:
    return backup_selectors.backup_for(user=actor(request).user, backup_id=backup_id)


def _list_address(backup: Backup) -> str:
    repository = backup.repository
    if repository.volume_id:
        return reverse("desktops:backups", args=[repository.volume_id])
    return reverse("desktops:backups_of_repository", args=[repository.pk])


def _list_page(request: HttpRequest, home: BackupsOfHome, refusal: DesktopRefusal | None = None) -> HttpResponse:
    context = {"home": home, "refusal": refusal, "confirm": request.GET.get("confirm", "")}
    return render(request, "desktops/backups.html", context)


def _backup_page(request: HttpRequest, backup: Backup, refusal: DesktopRefusal | None = None) -> HttpResponse:
    listing = None
    if request.method in ("GET", "HEAD") and not refusal:
        listing = backup_selectors.contents_of(backup, request.GET.get("path", ""))
    context = {
        "backup": backup,
        "home": backup_selectors.backups_of_repository(backup.repository),
        "listing": listing,
        "files": Paginator(listing.entries, FILES_ON_PAGE).get_page(request.GET.get("page")) if listing else None,
        "list_address": _list_address(backup),
        "refusal": refusal,
        "confirm": request.GET.get("confirm", ""),
    }
    return render(request, "desktops/backup.html", context)
