"""The messages that the viewer's scripts show. desktops.wording.close_codes has those for the end of a stream."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_MESSAGES: dict[str, Promise] = {
    "connecting": _("Connecting…"),
    "connected": _("Connected"),
    "programsRun": _("Your programs keep running. The picture comes back automatically."),
    "countdown": _("Next try in {seconds} s"),
    "unreachable": _("The portal does not answer at present."),
    "offline": _("This device is offline."),
    "pageStale": _("This page is out of date."),
    "pageBroken": _("A part of this page could not be loaded."),
    "reloadHelps": _("Reload it to continue. Your programs keep running."),
    "screen": _("Screen of the desktop"),
    "fullScreen": _("Full screen"),
    "leaveFullScreen": _("Exit full screen"),
    "pasteReceived": _("Copied in the desktop just now."),
    "pasteHeldBack": _(
        "Something else was copied in the desktop. It appears here after you send or clear your own text."
    ),
    "pasteSent": _("The text is in the desktop's clipboard now. Paste it there."),
    "pasteLater": _("Not connected. The text is sent when the connection is back."),
    "pasteTooLong": _("The desktop's clipboard holds 8 MiB at most. Send it in parts."),
    "pasteCopied": _("Copied to this device."),
    "pasteSelected": _("The text is selected. Copy it with your keyboard or menu."),
}


def translated() -> dict[str, str]:
    """Return the messages in the active language."""
    return {key: str(message) for key, message in _MESSAGES.items()}
