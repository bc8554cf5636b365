"""JSON bodies, and nothing else: bounded in size and depth, without NaN."""

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser


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
        try:
            return json.loads(text.decode("utf-8-sig"), parse_constant=_refuse)
        except RecursionError:
            raise ParseError(_("The JSON is nested too deeply."))
        except ValueError as error:  # also UnicodeDecodeError
            raise ParseError(_("This is not JSON: %(why)s.") % {"why": str(error)[:200]})


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")
