"""The form on the page of session tokens."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.forms import TextInput
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.token_services import TokenRequest

_HOUR, _DAY = 3600, 24 * 3600
_LIFETIMES = (_HOUR, _DAY, 7 * _DAY, 30 * _DAY)  # seconds
PERMISSIONS = [
    ("vnc", _("Screen: open desktops by VNC")),
    ("ssh", _("Terminal: log in to desktops by SSH")),
]


class NewTokenForm(forms.Form):
    label = forms.CharField(
        label=_("Label"),
        max_length=100,
        widget=TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Give the token a label.")},
        help_text=_("What you use the token for, such as “nightly build”."),
    )
    permissions = forms.MultipleChoiceField(
        label=_("Access"),
        choices=PERMISSIONS,
        initial=[name for name, _words in PERMISSIONS],
        error_messages={"required": _("Select at least one.")},
        widget=forms.CheckboxSelectMultiple,
    )
    lifetime = forms.TypedChoiceField(label=_("Valid for"), coerce=int)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = lifetimes()
        self.fields["lifetime"].choices = [(each, _words(each)) for each in offered]  # type: ignore[attr-defined]
        self.fields["lifetime"].initial = max(
            (each for each in offered if each <= settings.TOKEN_LIFETIME), default=None
        )

    def wanted(self) -> TokenRequest:
        """Return the token that a valid form asks for."""
        asked = self.cleaned_data
        return TokenRequest(asked["label"], tuple(asked["permissions"]), timedelta(seconds=asked["lifetime"]))


def lifetimes() -> list[int]:
    """Return the lifetimes to choose from, in seconds: at least one, and none above the installation's maximum."""
    return [each for each in _LIFETIMES if each <= settings.TOKEN_LIFETIME_MAX] or [settings.TOKEN_LIFETIME_MAX]


def _words(seconds: int) -> str:
    if seconds % _DAY == 0:
        return ngettext("%d day", "%d days", seconds // _DAY) % (seconds // _DAY)
    if seconds % _HOUR == 0:
        return ngettext("%d hour", "%d hours", seconds // _HOUR) % (seconds // _HOUR)
    return ngettext("%d minute", "%d minutes", seconds // 60) % (seconds // 60)
