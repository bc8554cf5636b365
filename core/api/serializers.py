"""Define the base serializers of the API. They refuse unknown fields, so that a misspelt field is not ignored."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api import pagination


class StrictSerializer(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := [str(name) for name in data if name not in self.fields]):
            message = _("Unknown field. Known fields: %(known)s.") % {"known": ", ".join(self.fields) or "-"}
            raise serializers.ValidationError({name[:100]: [message] for name in unknown[:20]}, code="unknown_field")
        return super().to_internal_value(data)


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
