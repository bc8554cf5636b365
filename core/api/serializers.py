"""Define the base serializers of the API. They refuse unknown fields, so that a misspelt field is not ignored."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from core.api import pagination


class StrictSerializer(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown_fields(data)
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:  # report all errors at once
            found = error.detail
            raise serializers.ValidationError({**found, **unknown} if isinstance(found, dict) else found) from None
        if unknown:
            raise serializers.ValidationError(unknown)
        return value

    def _unknown_fields(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            return {}
        message = _("Unknown field. Known fields: %(known)s.") % {"known": ", ".join(self.fields) or "-"}
        unknown = [str(name) for name in data if name not in self.fields]
        return {name[:100]: [ErrorDetail(message, code="unknown_field")] for name in unknown[:20]}


class EmptySerializer(StrictSerializer):
    """A request without fields."""


class PageQuery(StrictSerializer):
    """The query parameters of a list. Subclasses add filters."""

    limit = serializers.IntegerField(
        min_value=1, max_value=pagination.LONGEST, default=pagination.LIMIT, help_text="Number of results per page."
    )
    offset = serializers.IntegerField(
        min_value=0, max_value=pagination.FARTHEST, default=0, help_text="Number of results to skip."
    )
