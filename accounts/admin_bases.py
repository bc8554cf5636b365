"""Base classes of the admin: for rows that only services change, and for rows that are edited directly and audited."""

from contextlib import nullcontext
from typing import Any

import structlog
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ValidationError
from django.db import DataError, transaction
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts import audit
from accounts.client import actor

log = structlog.get_logger("podesk.admin")
# Raised by Django's lists for values in a URL or a selection that no column takes.
UNUSABLE = (IncorrectLookupParameters, ValidationError, ValueError, OverflowError, DataError)


class ForgivingAdmin(admin.ModelAdmin[Any]):
    """Answers unusable filters and selections with the whole list, as Django answers unknown filters."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        try:
            # PostgreSQL refuses further queries of a transaction after a DataError. Actions manage their own.
            with transaction.atomic() if request.method == "GET" else nullcontext():
                return super().changelist_view(request, extra_context)
        except UNUSABLE as error:
            if ERROR_FLAG in request.GET:  # the list itself fails
                raise
            log.warning("list_refused", path=request.path, kind=type(error).__name__)
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")


class AuditedAdmin(ForgivingAdmin):
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


class ReadOnlyAdmin(ForgivingAdmin):
    """Shows rows that only services change. Subclasses may add actions."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
