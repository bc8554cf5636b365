"""The page of a person's SSH keys, and the buttons on it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import client, ssh_keys
from accounts.decorators import button, login_required
from accounts.forms import SSHKeyForm
from accounts.models import SSHKey


@sensitive_post_parameters("public_key")  # people paste private keys
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def page(request: HttpRequest) -> HttpResponse:
    by, form = client.actor(request), SSHKeyForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and form.add(by=by):
        messages.success(request, _("The key was added. Running desktops accept it within two minutes."))
        return redirect("accounts:ssh_keys")
    keys = SSHKey.objects.filter(owner=by.user)
    context = {"form": form, "keys": keys, "most": ssh_keys.MOST, "to_delete": request.GET.get("delete", "")}
    return render(request, "accounts/ssh_keys.html", context, status=422 if form.errors else 200)


@button
def delete(request: HttpRequest, key_id: int) -> HttpResponse:
    by = client.actor(request)
    ssh_keys.delete_key(by=by, key=get_object_or_404(SSHKey, owner=by.user, pk=key_id))
    messages.success(request, _("The key was removed. Running desktops stop accepting it within two minutes."))
    return redirect("accounts:ssh_keys")
