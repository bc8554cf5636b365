"""Handle `Idempotency-Key`: a POST that is sent again with the same key runs once and gets the same answer.

It follows the IETF draft "The Idempotency-Key HTTP Header Field": 409 while the first request is in progress, 422 if
the key was used for another request. Answers are stored for a day, encrypted, since they may contain a password.
"""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from core import encryption
from core.errors import Refusal

GIVEN_UP = timedelta(seconds=180 + settings.API_WAIT_LIMIT)  # a request older than this must have been aborted
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_HEADERS = ("Location",)


@dataclass(frozen=True)
class Requester:
    """The account and the rights of its token. A token with other rights does not get a stored answer."""

    user_id: str
    rights: list[str]


class Repeated(Exception):
    """Raised for a request that was answered before. `answer` is the stored answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__("repeated")
        self.answer = answer


class UnderWay(Refusal):
    slug = "idempotency_under_way"
    message = _("The first request with this Idempotency-Key is still in progress.")
    next_step = _("Try again in a moment.")


class KeyUsed(Refusal):
    slug, status_code = "idempotency_key_used", 422
    message = _("This Idempotency-Key was used for another request or with another token.")
    next_step = _("Use a new key for each new request.")


def begin(request: Request, by: Requester, records: type[Any]) -> None:
    """Register the request. `records`: the model that stores requests and answers.

    Raises Repeated, UnderWay, KeyUsed, ValidationError.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None or request.method != "POST":
        return
    if not _KEY.fullmatch(key):
        raise ValidationError({"Idempotency-Key": [_("Expected 1 to 200 visible ASCII characters.")]})
    row = records(user_id=by.user_id, key=key, asked=_digest(request, by.rights))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        row = _earlier(row, records)
    request._request.idempotent = row  # type: ignore[attr-defined]


def _earlier(row: Any, records: type[Any]) -> Any:
    first = records.objects.filter(user_id=row.user_id, key=row.key).first()
    if first is None:
        raise UnderWay  # the first request failed just now, and its row was deleted
    if first.asked != row.asked:
        raise KeyUsed
    if first.status:
        raise Repeated(_answer(first))
    now = timezone.now()
    stale = records.objects.filter(pk=first.pk, status=0, at__lt=now - GIVEN_UP)
    if not stale.update(at=now):
        raise UnderWay
    return first


def finish(request: Request, response: Any) -> None:
    """Store the answer. Errors are not stored: nothing was done, so the key can be used again."""
    row = getattr(request, "idempotent", None)
    if row is None:
        return
    if response.status_code >= 400 or response.streaming:
        row.delete()
        return
    row.status = response.status_code
    kept = {"data": response.data, "headers": {name: response[name] for name in _HEADERS if name in response}}
    row.answer_sealed = encryption.encrypt(json.dumps(kept, cls=JSONEncoder))
    row.save(update_fields=["status", "answer_sealed"])


def _answer(row: Any) -> Response:
    try:
        kept = json.loads(encryption.decrypt(row.answer_sealed))
    except InvalidToken:  # SECRETS_KEYS has changed in the meantime
        raise KeyUsed(detail="none of SECRETS_KEYS decrypts the answer")
    headers = kept["headers"] | {"Idempotent-Replayed": "true"}
    return Response(kept["data"], status=row.status, headers=headers)


def _digest(request: Request, rights: list[str]) -> str:
    """Return a digest of the request and the rights of its token.

    The answer may contain a token or a password, so a token with other rights must not get it. A refreshed token has
    the same rights. The digest is keyed, since the body may contain a password that could be guessed from a plain hash.
    """
    asked = f"{json.dumps(rights)} {request.method} {request.get_full_path()}\n".encode() + request._request.body
    return salted_hmac("podesk.idempotency", asked, algorithm="sha256").hexdigest()
