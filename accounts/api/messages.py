"""Define the API's messages about tokens. The keys are values of `TokenRefused.reason`."""

from typing import Any

from django.utils.translation import gettext_lazy as _

TOKEN_SENTENCES: dict[str, Any] = {
    "missing": _("A session token is required."),
    "malformed": _("The session token is not valid."),
    "unknown_key": _("The session token is not valid."),
    "expired": _("The session token has expired."),
    "revoked": _("The session token has been revoked."),
    "disabled": _("Your account has been disabled."),
}
TOKEN_NEXT_STEPS: dict[str, Any] = {"disabled": _("Ask an administrator to enable your account.")}
NOT_PERMITTED: Any = _("The session token does not permit this.")
BOUND: Any = _("This session token is only valid for one desktop.")
NOT_ADMINISTRATOR: Any = _("Only administrators can do this.")
