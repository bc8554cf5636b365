"""Fields of JSON bodies that take what they say and nothing that merely looks like it. Behind a `?` all is text, and
DRF's own fields serve."""

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers


class Text(serializers.CharField):
    """DRF's takes numbers too."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Filter(serializers.CharField):
    """Behind a `?`: taken as it is. Without its spaces, a text that the schema allows would be none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, trim_whitespace=False, **options)


class Moment(serializers.DateTimeField):
    """Behind a `?`, in UTC; without an offset it is meant in the portal's time zone. DRF lets through what lies beyond
    the calendar only there, and no database finds it."""

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
    """DRF's takes "yes" and 1 too."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """DRF's takes "1" and 1.0 too."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class Count(Whole):
    """What a PositiveIntegerField keeps, on every database."""

    MOST = 2**31 - 1

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=self.MOST, **options)
