"""Admin pages for users, groups, quotas, session tokens, SSH keys and the audit trail."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import label_for_field, unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts import (
    audit_export,
    client,
    lockout,
    quota_services,
    quotas,
    services,
    ssh_keys,
    token_services,
    user_services,
)
from accounts.admin_bases import UNUSABLE, AuditedAdmin, ForgivingAdmin, ReadOnlyAdmin
from accounts.amount_columns import AmountColumns
from accounts.models import AuditEvent, BackupPolicy, Quota, SessionToken, SSHKey, User
from accounts.quota_services import LIMITS as _LIMITS
from core import units

_ACTIVE_HELP = _(
    "Clear this to disable the account instead of deleting it. The user is signed out everywhere, their tokens are"
    " revoked, and their desktops stop within a minute. Files and settings are kept."
)
_SUPERUSERS_SAY = ("is_staff", "is_superuser", "groups", "user_permissions")


class QuotaInline(admin.StackedInline[Quota, User]):
    model = Quota
    fields = _LIMITS
    verbose_name = _("user's own quota (empty fields are inherited)")


@admin.register(User)
class UserAdmin(ForgivingAdmin, DjangoUserAdmin[User]):
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    inlines = [QuotaInline]
    actions = ["enable", "disable", "unlock"]
    readonly_fields = ("last_login", "date_joined", "effective_quota", "keys")
    fieldsets = (
        *(DjangoUserAdmin.fieldsets or ()),
        (_("Effective quota"), {"fields": ("effective_quota",)}),
        (SSHKey._meta.verbose_name_plural, {"fields": ("keys",)}),
    )

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change=change, help_texts={"is_active": _ACTIVE_HELP}, **kwargs)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[Any]:
        return self.inlines if obj else []  # the page for a new user has name and password only

    @admin.display(description=_("effective quota"))
    def effective_quota(self, user: User) -> SafeString:
        effective = quotas.effective(user)
        limits = [(name, getattr(effective, name)) for name in _LIMITS]
        lines = [(_label(name), _amount(name, limit.value), limit.source) for name, limit in limits]
        return render_to_string("accounts/effective_quota.html", {"lines": lines})

    @admin.display(description=SSHKey._meta.verbose_name_plural)
    def keys(self, user: User) -> str:
        """Read-only, since administrators must not add keys to other people's desktops."""
        line_break = mark_safe("<br>")  # nosec B308
        return format_html_join(line_break, "{}", ((key,) for key in user.ssh_keys.all())) or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """People cannot give themselves rights, and cannot lock themselves out."""
        by = client.actor(request).user
        fixed = [] if by.is_superuser else list(_SUPERUSERS_SAY)
        return [*self.readonly_fields, *fixed, *(["is_active"] if obj and obj.pk == by.pk else [])]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._manages(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._manages(request, obj) and obj != request.user

    def _manages(self, request: HttpRequest, obj: User | None) -> bool:
        return obj is None or user_services.manages(client.actor(request).user, obj)

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:
        super().save_model(request, obj, form, change)
        user_services.was_saved(user=obj, fields=form.changed_data, by=client.actor(request), added=not change)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Audit Django's own page if it has saved a password.

        For their own password, people use the page that asks for the current one.
        """
        with transaction.atomic():
            before = self.get_object(request, unquote(id))
            if before and before.pk == client.actor(request).user.pk:
                return redirect("accounts:password_change")
            response = super().user_change_password(request, id, form_url)
            if before and User.objects.get(pk=before.pk).password != before.password:
                services.password_was_changed(user=before, by=client.actor(request))
        return response

    def save_formset(self, request: HttpRequest, form: ModelForm[User], formset: Any, change: bool) -> None:
        """Save the user's own quota with the same services as QuotaAdmin."""
        by = client.actor(request)
        formset.save(commit=False)
        for quota in formset.deleted_objects:
            quota_services.delete_quota(quota=quota, by=by)
        for quota, fields in formset.changed_objects:
            quota_services.change_quota(quota=quota, fields=fields, by=by)
        for added in formset.extra_forms:
            if added.instance in formset.new_objects:
                quota_services.add_quota(quota=added.instance, fields=added.changed_data, by=by)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Allow deleting tokens and keys together with their user, although they cannot be deleted separately."""
        names, counts, forbidden, protected = super().get_deleted_objects(objs, request)
        go_along = {str(model._meta.verbose_name) for model in (SessionToken, SSHKey)}
        return names, counts, forbidden - go_along, protected

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        user_services.delete_user(user=obj, by=client.actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        with transaction.atomic():
            for user in queryset:
                user_services.delete_user(user=user, by=client.actor(request))

    @admin.action(description=_("Enable selected users"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, active=True)

    @admin.action(
        description=_("Disable selected users, close their connections, stop their desktops"), permissions=["change"]
    )
    def disable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        # People cannot lock themselves out.
        self._set_active(request, queryset.exclude(pk=client.actor(request).user.pk), active=False)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[User], *, active: bool) -> None:
        by = client.actor(request).user
        changed = [user for user in queryset.exclude(is_active=active) if user_services.manages(by, user)]
        for user in changed:
            services.set_active(user=user, active=active, by=client.actor(request))
        message = ngettext("%d user changed.", "%d users changed.", len(changed)) % len(changed)
        if not active:
            message += " " + gettext("Their desktops stop within a minute. Files are kept.")
        self.message_user(request, message, messages.SUCCESS)

    @admin.action(description=_("Unlock sign-in for selected users"), permissions=["change"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            lockout.unlock(user=user, by=client.actor(request))
        self.message_user(request, _("The selected users can sign in again."), messages.SUCCESS)


def _label(limit: str) -> str:
    """Remove the unit from the label, since it appears with the amount."""
    return str(units.LABELS.get(limit) or label_for_field(limit, Quota))


def _amount(limit: str, value: Any) -> str:
    return str(BackupPolicy(value).label) if limit == "backups" else units.amount(limit, value)


@admin.register(Quota)
class QuotaAdmin(AmountColumns, ForgivingAdmin):
    list_display = ("__str__", "cpu_amount", "memory_amount", "storage_amount", *_LIMITS[3:])
    list_select_related = ("user", "group")
    search_fields = ("user__username", "group__name")
    autocomplete_fields = ("user", "group")
    fields = ("user", "group", *_LIMITS)

    def save_model(self, request: HttpRequest, obj: Quota, form: ModelForm[Quota], change: bool) -> None:
        save = quota_services.change_quota if change else quota_services.add_quota
        save(quota=obj, fields=form.changed_data, by=client.actor(request))

    def delete_model(self, request: HttpRequest, obj: Quota) -> None:
        quota_services.delete_quota(quota=obj, by=client.actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Quota]) -> None:
        for quota in queryset:
            self.delete_model(request, quota)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedAdmin, DjangoGroupAdmin):
    """Members of a group have its permissions and its quota."""

    audit_subject = "group"


@admin.register(SessionToken)
class SessionTokenAdmin(ReadOnlyAdmin):
    list_display = ("id", "user", "pod_name", "label", "created_at", "expires_at", "revoked_at", "revoked_reason")
    list_filter = ("revoked_reason", "created_at")
    list_select_related = ("user",)
    search_fields = ("user__username", "pod_name", "label")
    ordering = ("-created_at",)
    actions = ["revoke"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_sessiontoken")

    @admin.action(description=_("Revoke selected tokens and close their connections"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[SessionToken]) -> None:
        for token in queryset:
            token_services.revoke(token=token, by=client.actor(request))
        self.message_user(request, _("The tokens were revoked."), messages.SUCCESS)


@admin.register(SSHKey)
class SSHKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "owner", "kind", "fingerprint", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "fingerprint", "owner__username")
    ordering = ("-created_at",)
    actions = ["remove"]

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_sshkey")

    @admin.action(description=_("Remove selected keys from all desktops of their owners"), permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[SSHKey]) -> None:
        for key in queryset:
            ssh_keys.delete_key(by=client.actor(request), key=key)
        self.message_user(request, _("The keys were removed. Running desktops stop accepting them within two minutes."))

    @admin.display(description=_("type"))
    def kind(self, key: SSHKey) -> str:
        return key.kind


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """A read-only page with search and an export as JSON lines."""

    list_display = ("at", "actor_name", "action", "result", "target", "pod_name", "address")
    list_filter = ("action", "result", "at")
    search_fields = ("actor_name", "action", "target", "pod_name", "details__name", "address", "result")
    date_hierarchy = "at"
    show_full_result_count = False  # counting all events is slow
    change_list_template = "admin/accounts/auditevent/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export)
        return [path("export/", export, name="accounts_auditevent_export"), *super().get_urls()]

    @method_decorator(require_safe)
    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Export all pages of the list, with the same filters."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            with transaction.atomic():  # see ForgivingAdmin
                shown = self.get_changelist_instance(request)
        except UNUSABLE:
            return redirect("admin:accounts_auditevent_changelist")
        return audit_export.download(shown.queryset, by=client.actor(request), filters=request.GET.dict())
