"""The messages that the viewer's scripts show. desktops.wording.close_codes explains why a stream ended."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_WORDS: dict[str, Promise] = {
    "connecting": _("Connecting…"),
    "connected": _("Connected"),
    "reconnects": _("Your programs keep running. The picture comes back by itself."),
    "countdown": _("Next try in {seconds} s"),
    "unreachable": _("The portal does not answer at the moment."),
    "offline": _("This device is offline."),
    "pageStale": _("This page is out of date."),
    "pageBroken": _("A part of this page could not be loaded."),
    "reloadHelps": _("Reload it to go on. Your programs keep running."),
    "screen": _("Screen of the desktop"),
    "fullScreen": _("Full screen"),
    "leaveFullScreen": _("Leave full screen"),
    "pasteReceived": _("Copied in the desktop just now."),
    "pasteWaits": _(
        "The desktop has copied something else. It will appear here when your own text is sent or removed."
    ),
    "pasteSent": _("In the desktop's clipboard now: paste it there."),
    "pasteLater": _("Not connected. It will be sent as soon as the desktop is back."),
    "pasteTooLong": _("The desktop's clipboard holds 8 MiB at most. Send it in parts."),
    "pasteCopied": _("Copied to this device."),
    "pasteSelected": _("Selected: copy it with your own keyboard or menu."),
}


def words() -> dict[str, str]:
    """Return the messages in the active language."""
    return {key: str(word) for key, word in _WORDS.items()}
