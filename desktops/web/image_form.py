"""The administrators' form for images. It rejects what a cluster would reject, with an explanation."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from desktops.models import DesktopImage
from desktops.web.icons import ICONS

_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"  # of labels: up to 63 characters
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
        fields = "__all__"  # noqa: DJ007 - for administrators, who may set them all
        widgets = dict.fromkeys(("node_selector", "tolerations"), forms.Textarea(attrs={"rows": 3, "cols": 72}))
        error_messages = {
            "node_selector": {"invalid": _('This is no JSON. Write pairs in braces: {"disk": "ssd"}')},
            "tolerations": {
                "invalid": _('This is no JSON. Write a list in brackets: [{"key": "gpu", "operator": "Exists"}]')
            },
        }

    def clean_node_selector(self) -> dict[str, str]:
        found = self.cleaned_data["node_selector"] or {}
        if not isinstance(found, Mapping):
            raise ValidationError(_('Write pairs in braces: {"disk": "ssd"}'))
        for key, value in found.items():
            _refuse_key(key)
            _refuse_value(value)
        return dict(found)

    def clean_tolerations(self) -> list[dict[str, Any]]:
        found = self.cleaned_data["tolerations"] or []
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise ValidationError(_('Write a list in brackets: [{"key": "gpu", "operator": "Exists"}]'))
        for one in found:
            _refuse_toleration(one)
        return found

    def clean_priority_class(self) -> str:
        return _name(self.cleaned_data["priority_class"])

    def clean_pull_secret(self) -> str:
        return _name(self.cleaned_data["pull_secret"])

    def clean_gpu_resource(self) -> str:
        given = self.cleaned_data["gpu_resource"] or "nvidia.com/gpu"
        if not _RESOURCE.fullmatch(given):
            raise ValidationError(_("A resource is called like nvidia.com/gpu: a domain, a slash and a name."))
        return str(given)


def _name(given: str) -> str:
    if given and not _NAME.fullmatch(given):
        raise ValidationError(_("Such a name has small letters, digits, hyphens and dots only."))
    return given


def _refuse_key(key: object) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValidationError(_("“%(key)s” cannot be a label's name."), params={"key": key})


def _refuse_value(value: object) -> None:
    if not isinstance(value, str):
        raise ValidationError(_("“%(value)s” must be text, in quotation marks."), params={"value": value})
    if not _VALUE.fullmatch(value):
        raise ValidationError(_("“%(value)s” cannot be a label's value."), params={"value": value})


def _refuse_toleration(one: dict[str, Any]) -> None:
    if unknown := sorted(set(one) - set(_TOLERATION)):
        raise ValidationError(
            _("“%(name)s” is not part of a toleration. Known are: %(known)s."),
            params={"name": unknown[0], "known": ", ".join(_TOLERATION)},
        )
    _refuse_other("operator", one.get("operator", "Equal"), _OPERATORS)
    if "effect" in one:
        _refuse_other("effect", one["effect"], _EFFECTS)
    if "key" in one:
        _refuse_key(one["key"])
    elif one.get("operator") != "Exists":
        raise ValidationError(_("A toleration without a key tolerates everything, and then its operator is Exists."))
    if "value" in one:
        _refuse_value(one["value"])
        if one.get("operator") == "Exists":
            raise ValidationError(_("With the operator Exists there is no value."))
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
        raise ValidationError(_("tolerationSeconds goes with the effect NoExecute only."))
