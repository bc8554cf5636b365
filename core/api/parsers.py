"""JSON bodies, and nothing else: bounded in size, depth and numbers, and of characters that can be kept."""

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

DEEPEST = 20  # levels; the deepest honest request has two
_LARGEST = 2**63  # beyond it no database counts


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = _("The request is too large.")


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        text = stream.read(settings.API_BODY_LIMIT + 1)
        if len(text) > settings.API_BODY_LIMIT:
            raise TooLarge
        return read(text) if text else {}


def read(text: bytes) -> Any:
    """Raises ParseError."""
    try:
        value = json.loads(
            text.decode("utf-8-sig"),
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_countable,
            object_pairs_hook=_each_once,
        )
        for string in _strings(value):
            _keepable(string)
        return value
    except RecursionError:
        raise ParseError(_("The JSON is nested too deeply."))
    except ValueError as error:  # also UnicodeDecodeError
        raise ParseError(_("This is not JSON that can be read: %(why)s.") % {"why": str(error)[:200]})


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")


def _finite(text: str) -> float:
    if not isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _countable(text: str) -> int:
    # Before int(): reading thousands of digits takes long.
    if len(text) > 20 or not -_LARGEST <= (number := int(text)) < _LARGEST:
        raise ValueError("a number is too large")
    return number


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one name, readers disagree which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _strings(value: Any) -> Iterator[str]:
    level = [value]
    for _depth in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        yield from (each for each in level if isinstance(each, str))
    if level:
        raise RecursionError


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _keepable(string: str) -> None:
    """PostgreSQL keeps no NUL, and half a surrogate pair cannot be sent to anybody."""
    if "\0" in string:
        raise ValueError("a text holds NUL")
    string.encode()
