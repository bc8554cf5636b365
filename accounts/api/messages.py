"""Sentences of the API about tokens; each slug is a `TokenRefused.reason` or a code of a permission."""

from typing import Any

from django.utils.translation import gettext_lazy as _

TOKEN_SENTENCES: dict[str, Any] = {
    "missing": _("A session token is needed."),
    "malformed": _("The session token is not valid."),
    "unknown_key": _("The session token is not valid."),
    "expired": _("The session token has expired."),
    "revoked": _("The session token has been revoked."),
}
NOT_PERMITTED: Any = _("The session token does not permit this.")
BOUND: Any = _("This session token is for one desktop only.")
NOT_ADMINISTRATOR: Any = _("Only administrators may do this.")
