"""Define strict serializer fields for JSON bodies. They accept only the declared type, without DRF's conversions.

Query parameters are always text, so DRF's own fields are used for them.
"""

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers


class Text(serializers.CharField):
    """A string. Refuses numbers, which DRF's field converts."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Filter(serializers.CharField):
    """A query parameter that is not trimmed, so that every string that the schema allows is accepted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, trim_whitespace=False, **options)


class Moment(serializers.DateTimeField):
    """A time in a query parameter, converted to UTC. Without an offset, it is in the portal's time zone.

    Unlike DRF's field, it refuses times that fall outside the calendar when they are converted.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return super().to_internal_value(value).astimezone(UTC)
        except OverflowError:
            self.fail("overflow")


class Email(serializers.EmailField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """A boolean. Refuses "yes" and 1, which DRF's field converts."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """An integer. Refuses "1" and 1.0, which DRF's field converts."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class Count(Whole):
    """An integer from 0 to the maximum that a PositiveIntegerField has on every database."""

    MOST = 2**31 - 1

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=self.MOST, **options)
