"""The page on which people choose the time zone of their desktops."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import client, time_zones
from accounts.decorators import login_required
from accounts.forms import TimeZoneForm


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def page(request: HttpRequest) -> HttpResponse:
    by = client.actor(request)
    form = TimeZoneForm(request.POST if request.method == "POST" else None, initial={"time_zone": by.user.time_zone})
    if form.is_valid():
        time_zones.choose_zone(by=by, zone=form.cleaned_data["time_zone"])
        messages.success(request, _("Your time zone was saved. It takes effect the next time a desktop starts."))
        return redirect("accounts:time_zone")
    context = {"form": form, "zone": time_zones.zone_of(by.user)}
    return render(request, "accounts/time_zone.html", context, status=422 if form.errors else 200)
