"""Usernames that differ only by case or Unicode form are one name: `Ann`, `ann`, and `ann` in full-width letters.

Invisible letters do not make another name. Letters that only look alike, such as Latin and Cyrillic `a`, do.
"""

from hashlib import sha256
from typing import Any
from unicodedata import normalize

from django.db import models

# Hangul fillers: the only letters of a username that are invisible.
_INVISIBLE = dict.fromkeys([0x115F, 0x1160, 0x3164, 0xFFA0])
_LONGEST = 255  # characters; case folding can lengthen a name of 150


def username_key(name: str) -> str:
    """Return a key that all spellings of a name share, at most 255 characters."""
    folded = normalize("NFKC", normalize("NFKC", name.translate(_INVISIBLE)).casefold())
    digest = sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()
    return folded if len(folded) <= _LONGEST else folded[: _LONGEST - len(digest)] + digest


class UsernameKeyField(models.CharField[Any, Any]):
    """A field that every save and bulk_create fills in from `username`.

    It is null in older rows that clash with another one until `manage.py resolve_username_clashes` renames them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": _LONGEST, "unique": True, "null": True, "editable": False} | options)

    def pre_save(self, model_instance: Any, add: bool) -> str | None:
        if add or model_instance.is_renamed() or model_instance.username_key is not None:
            model_instance.username_key = username_key(model_instance.username)
        key: str | None = model_instance.username_key
        return key
