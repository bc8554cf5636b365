"""Base classes of the admin: for rows that only services change, and for rows that are edited directly and audited."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from accounts import audit
from accounts.client import actor


class AuditedAdmin(admin.ModelAdmin[Any]):
    """Records each change in the transaction that makes it."""

    audit_subject = ""  # first part of the audit event's name, such as "image"

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Model, form: ModelForm[Any], change: bool) -> None:
        super().save_model(request, obj, form, change)
        done = "change" if change else "add"
        audit.record(f"{self.audit_subject}.{done}", by=actor(request), target=obj, fields=form.changed_data)

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        audit.record(f"{self.audit_subject}.delete", by=actor(request), target=obj)
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Shows rows that only services change. Subclasses may add actions."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
