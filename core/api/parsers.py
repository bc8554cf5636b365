"""Parse JSON request bodies. Size, depth and numbers are limited; characters that cannot be stored are refused."""

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

DEEPEST = 20  # levels; no valid request has more than two
_LARGEST = 2**63  # the range of the database's integers


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
    """Parse JSON strictly. Raises ParseError."""
    try:
        value = json.loads(
            text.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_bounded_int,
            object_pairs_hook=_unique_names,
        )
        for string in _strings(value):
            _refuse_unstorable(string)
        return value
    except RecursionError:
        raise ParseError(_("The JSON is nested too deeply."))
    except ValueError as error:  # also UnicodeDecodeError
        raise ParseError(_("The request body is not valid JSON: %(why)s.") % {"why": str(error)[:200]})


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _finite_float(text: str) -> float:
    if not isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _bounded_int(text: str) -> int:
    # Check the length before int(), which is slow on thousands of digits.
    if len(text) > 20 or not -_LARGEST <= (number := int(text)) < _LARGEST:
        raise ValueError("a number is too large")
    return number


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse duplicate names, since parsers disagree about which of the two values applies."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object contains the same name twice")
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


def _refuse_unstorable(string: str) -> None:
    """Refuse NUL, which PostgreSQL cannot store, and unpaired surrogates, which cannot be encoded as UTF-8."""
    if "\0" in string:
        raise ValueError("a string contains NUL")
    string.encode()
