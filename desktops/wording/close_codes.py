"""Why a stream ended: for each reason, the WebSocket close code, the sentence on the page, and whether to reconnect."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class CloseCode:
    reason: str  # slug, also the reason of an accounts.disconnects.Disconnect
    code: int  # 4400-4499 are ours; the others are defined by the WebSocket standard
    sentence: Promise
    reconnect: bool  # the viewer reconnects automatically


CLOSE_CODES = (
    CloseCode("restarting", 1012, _("The portal is restarting. Connecting again."), True),
    CloseCode("left", 1000, _("You closed the connection."), False),
    # 1006: the browser received no close frame. 1011: it did not answer pings.
    CloseCode("lost", 1006, _("The connection was lost. Connecting again."), True),
    CloseCode("silent", 1011, _("The connection was lost. Connecting again."), True),
    CloseCode("logged_out", 4401, _("You have signed out. Sign in to return to your desktop."), False),
    CloseCode("revoked", 4402, _("Your access has been withdrawn. Sign in again, or ask your administrator."), False),
    CloseCode("disabled", 4403, _("Your account has been disabled. Ask your administrator."), False),
    CloseCode("password_changed", 4404, _("Your password was changed. Sign in again with the new one."), False),
    CloseCode("token_expired", 4405, _("The session token has expired."), False),
    CloseCode("stopped", 4410, _("This desktop was stopped. Start it again to continue; your files are kept."), False),
    CloseCode("idle", 4411, _("This desktop was stopped because it was idle. Start it again to continue."), False),
    CloseCode(
        "expired", 4412, _("This desktop reached its time limit and was stopped. Start it again to continue."), False
    ),
    CloseCode("restarted", 4413, _("This desktop is restarting. Connecting again when it is ready."), True),
    CloseCode("deleted", 4414, _("This desktop was deleted."), False),
    CloseCode("failed", 4415, _("This desktop has failed. Its page explains why and what you can do."), False),
    CloseCode("desktop_unreachable", 4420, _("This desktop does not answer. Trying again."), True),
    CloseCode("desktop_ended", 4421, _("This desktop closed the connection. Trying again."), True),
    CloseCode("desktop_stuck", 4422, _("This desktop no longer accepts input. Trying again."), True),
    CloseCode("too_slow", 4430, _("Your connection was too slow for the picture. Connecting again."), True),
    CloseCode("replaced", 4431, _("This desktop was opened in too many windows, so the oldest was closed."), False),
    CloseCode("bad_client", 4432, _("The viewer did not speak the VNC protocol. Reload the page."), False),
    CloseCode("fault", 4450, _("An error in the portal closed the connection. Trying again."), True),
)
BY_REASON = {close.reason: close for close in CLOSE_CODES}


def close_code_for(reason: str) -> CloseCode:
    """Return the close code for a reason. An unknown reason is treated as a revocation, which does not reconnect."""
    return BY_REASON.get(reason, BY_REASON["revoked"])


def for_page() -> dict[str, dict[str, str | bool]]:
    """Return reason, sentence in the active language and `reconnect` for each close code, as JSON for the viewer."""
    return {
        str(close.code): {"reason": close.reason, "sentence": str(close.sentence), "reconnect": close.reconnect}
        for close in CLOSE_CODES
    }
