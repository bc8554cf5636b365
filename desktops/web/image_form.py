"""The administrators' form for images. It rejects values that a cluster would reject."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from desktops.models import DesktopImage
from desktops.web.icons import ICONS

_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"  # of a label, up to 63 characters
_PART = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_PART}(?:\.{_PART})*"
_KEY = re.compile(rf"(?:{_DOMAIN}/)?{_WORD}")
_VALUE = re.compile(rf"(?:{_WORD})?")
_NAME = re.compile(_DOMAIN)
_RESOURCE = re.compile(rf"{_DOMAIN}/{_WORD}")

_TOLERATION = ("key", "operator", "value", "effect", "tolerationSeconds")
_OPERATORS = ("Exists", "Equal")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class DesktopImageForm(forms.ModelForm[DesktopImage]):
    icon = forms.ChoiceField(label=capfirst(_("icon")), choices=ICONS.items())
    gpu_resource = forms.CharField(
        label=_("GPU resource"), max_length=100, required=False, help_text=_("Empty: nvidia.com/gpu")
    )

    class Meta:
        model = DesktopImage
        fields = "__all__"  # noqa: DJ007 - administrators may set all fields
        widgets = dict.fromkeys(("node_selector", "tolerations"), forms.Textarea(attrs={"rows": 3, "cols": 72}))
        error_messages = {
            "node_selector": {"invalid": _('This is not valid JSON. Write pairs in braces: {"disk": "ssd"}')},
            "tolerations": {
                "invalid": _('This is not valid JSON. Write a list in brackets: [{"key": "gpu", "operator": "Exists"}]')
            },
        }

    def clean_node_selector(self) -> dict[str, str]:
        given = self.cleaned_data["node_selector"] or {}
        if not isinstance(given, Mapping):
            raise ValidationError(_('Write pairs in braces: {"disk": "ssd"}'))
        for key, value in given.items():
            _refuse_key(key)
            _refuse_value(value)
        return dict(given)

    def clean_tolerations(self) -> list[dict[str, Any]]:
        given = self.cleaned_data["tolerations"] or []
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise ValidationError(_('Write a list in brackets: [{"key": "gpu", "operator": "Exists"}]'))
        for one in given:
            _refuse_toleration(one)
        return given

    def clean_priority_class(self) -> str:
        return _name(self.cleaned_data["priority_class"])

    def clean_pull_secret(self) -> str:
        return _name(self.cleaned_data["pull_secret"])

    def clean_gpu_resource(self) -> str:
        given = self.cleaned_data["gpu_resource"] or "nvidia.com/gpu"
        if not _RESOURCE.fullmatch(given):
            raise ValidationError(_("A GPU resource is a domain, a slash and a name, such as nvidia.com/gpu."))
        return str(given)


def _name(given: str) -> str:
    if given and not _NAME.fullmatch(given):
        raise ValidationError(_("Use only lowercase letters, digits, hyphens and dots."))
    return given


def _refuse_key(key: object) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValidationError(_("“%(key)s” is not a valid label key."), params={"key": key})


def _refuse_value(value: object) -> None:
    if not isinstance(value, str):
        raise ValidationError(_("“%(value)s” must be text in quotation marks."), params={"value": value})
    if not _VALUE.fullmatch(value):
        raise ValidationError(_("“%(value)s” is not a valid label value."), params={"value": value})


def _refuse_toleration(one: dict[str, Any]) -> None:
    if unknown := sorted(set(one) - set(_TOLERATION)):
        raise ValidationError(
            _("“%(name)s” is not a field of a toleration. Known fields: %(known)s."),
            params={"name": unknown[0], "known": ", ".join(_TOLERATION)},
        )
    _refuse_other("operator", one.get("operator", "Equal"), _OPERATORS)
    if "effect" in one:
        _refuse_other("effect", one["effect"], _EFFECTS)
    if "key" in one:
        _refuse_key(one["key"])
    elif one.get("operator") != "Exists":
        raise ValidationError(_("A toleration without a key must have the operator Exists."))
    if "value" in one:
        _refuse_value(one["value"])
        if one.get("operator") == "Exists":
            raise ValidationError(_("A toleration with the operator Exists cannot have a value."))
    _refuse_seconds(one)


def _refuse_other(name: str, given: object, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValidationError(
            _("The %(name)s must be one of: %(known)s."), params={"name": name, "known": ", ".join(known)}
        )


def _refuse_seconds(one: dict[str, Any]) -> None:
    if "tolerationSeconds" not in one:
        return
    if type(one["tolerationSeconds"]) is not int:
        raise ValidationError(_("tolerationSeconds must be a whole number."))
    if one.get("effect") != "NoExecute":
        raise ValidationError(_("tolerationSeconds is allowed only with the effect NoExecute."))
