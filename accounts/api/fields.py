"""Define serializer fields for accounts and quotas."""

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from core.api.fields import Text

_DECIMAL = re.compile(r"[0-9]{1,4}(\.[0-9]{1,2})?")


class Username(Text):
    """A normalized username. Its length is checked after normalization, which may turn one letter into eighteen."""

    def to_internal_value(self, data: Any) -> str:
        return User.normalize_username(super().to_internal_value(data))


@extend_schema_field(
    {
        "oneOf": [
            {"type": "number", "minimum": 0, "maximum": 9999.99, "multipleOf": 0.01},
            {"type": "string", "pattern": r"^[0-9]{1,4}(\.[0-9]{1,2})?$"},
        ]
    }
)
class QuotaCores(serializers.DecimalField):
    """A number of cores within the range of Quota.cpu."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=6, decimal_places=2, min_value=0, **options)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Refuse an empty string, which DRF's field treats as null."""
        return (False, data) if isinstance(data, str) else super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or (isinstance(data, str) and not _DECIMAL.fullmatch(data)):
            self.fail("invalid")
        return super().to_internal_value(data)
