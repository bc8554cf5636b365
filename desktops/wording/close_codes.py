"""Why a stream ended: each reason with its WebSocket close code, the sentence on the page, and whether to come back."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Close:
    reason: str  # slug, also the reason of an accounts.disconnects.Disconnect
    code: int  # 4400-4499 are ours; the others are defined by the WebSocket standard
    sentence: Promise
    reconnect: bool  # does the viewer try again by itself?


CLOSES = (
    Close("restarting", 1012, _("The portal is restarting. Connecting again."), True),
    Close("left", 1000, _("You closed the connection."), False),
    # 1006: the browser saw no close at all; 1011: it answered no ping.
    Close("lost", 1006, _("The connection was lost. Connecting again."), True),
    Close("silent", 1011, _("The connection was lost. Connecting again."), True),
    Close("logged_out", 4401, _("You have signed out. Sign in to return to your desktop."), False),
    Close("revoked", 4402, _("Your access has been withdrawn. Sign in again, or ask your administrator."), False),
    Close("disabled", 4403, _("Your account has been disabled. Ask your administrator."), False),
    Close("password_changed", 4404, _("Your password was changed. Sign in again with the new one."), False),
    Close("token_expired", 4405, _("The session token has expired."), False),
    Close("stopped", 4410, _("This desktop was stopped. Start it again to go on; your files are kept."), False),
    Close("idle", 4411, _("This desktop was stopped because nobody used it. Start it again to go on."), False),
    Close("expired", 4412, _("This desktop reached its time limit and was stopped. Start it again to go on."), False),
    Close("restarted", 4413, _("This desktop is restarting. Connecting again when it is ready."), True),
    Close("deleted", 4414, _("This desktop was deleted."), False),
    Close("failed", 4415, _("This desktop has failed. Its page says why and what to do."), False),
    Close("desktop_unreachable", 4420, _("This desktop does not answer. Trying again."), True),
    Close("desktop_ended", 4421, _("This desktop closed the connection. Trying again."), True),
    Close("desktop_stuck", 4422, _("This desktop takes no input any more. Trying again."), True),
    Close("too_slow", 4430, _("Your connection was too slow for the picture. Connecting again."), True),
    Close("replaced", 4431, _("This desktop was opened in too many windows, so the oldest was closed."), False),
    Close("bad_client", 4432, _("The viewer did not speak the VNC protocol. Reload the page."), False),
    Close("fault", 4450, _("The portal made a mistake and closed the connection. Trying again."), True),
)
BY_REASON = {close.reason: close for close in CLOSES}


def of(reason: str) -> Close:
    """An unknown reason is a revocation: the cautious reading, which does not reconnect by itself."""
    return BY_REASON.get(reason, BY_REASON["revoked"])


def for_page() -> dict[str, dict[str, str | bool]]:
    """Close code -> reason, sentence in the active language, reconnect. For the viewer, as JSON."""
    return {
        str(close.code): {"reason": close.reason, "sentence": str(close.sentence), "reconnect": close.reconnect}
        for close in CLOSES
    }
