"""The forms for launching and deleting a desktop."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from desktops import selectors
from desktops.models import DesktopImage, DesktopSize, Volume
from desktops.quota import ImageOffer, LaunchOffer, SizeOffer
from desktops.services import LaunchRequest


@dataclass(frozen=True)
class SizeChoice:
    offer: SizeOffer
    checked: bool


@dataclass(frozen=True)
class ImageChoice:
    image: DesktopImage
    checked: bool
    sizes: list[SizeChoice]


class LaunchForm(forms.Form):
    image = forms.ModelChoiceField(
        DesktopImage.objects.filter(enabled=True),
        error_messages={
            "required": _("Choose a kind of desktop."),
            "invalid_choice": _("This kind of desktop is not offered at present. Choose another one."),
        },
    )
    size = forms.ModelChoiceField(
        DesktopSize.objects.all(),
        error_messages={
            "required": _("Choose a size."),
            "invalid_choice": _("This size is not offered. Choose another one."),
        },
    )
    name = forms.CharField(
        max_length=40,
        required=False,
        error_messages={"max_length": _("A desktop's name has 1 to 40 characters and no line breaks.")},
    )
    volume = forms.ModelChoiceField(
        Volume.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("These files no longer exist or are in use. Choose again.")},
    )

    def __init__(self, data: Any = None, *, owner: User, offer: LaunchOffer) -> None:
        super().__init__(data)
        self.offer, self._owner = offer, owner
        volumes = Volume.objects.filter(owner=owner, kept_at__isnull=False, lost_at=None)
        self.fields["volume"].queryset = volumes  # type: ignore[attr-defined]  # it is a ModelChoiceField

    def add_prefix(self, field_name: str) -> str:
        """Give each image its own group of sizes, so that the form works without JavaScript."""
        return f"size-{self.data.get('image', '')}" if field_name == "size" else field_name

    def clean_name(self) -> str:
        """Return the name or a default. The page always sends a name, so a second click launches no second desktop."""
        return str(self.cleaned_data["name"]).strip() or "desktop"

    def wanted(self) -> LaunchRequest:
        """Return the request for a launch. Call is_valid() first."""
        given = self.cleaned_data
        return LaunchRequest(given["image"], given["size"], given["name"], given["volume"], get_language() or "")

    def choices(self) -> list[ImageChoice]:
        """Return the images and sizes, with the user's choice or the first that fits selected."""
        images = self.offer.images
        chosen = self.data.get("image") or str(next((offer.image.pk for offer in images), ""))
        return [ImageChoice(offer.image, str(offer.image.pk) == chosen, self._sizes(offer)) for offer in images]

    def _sizes(self, image: ImageOffer) -> list[SizeChoice]:
        fitting = next((offer.size.pk for offer in image.sizes if offer.fits), "")
        chosen = self.data.get(f"size-{image.image.pk}") or str(fitting)
        return [SizeChoice(offer, offer.fits and str(offer.size.pk) == chosen) for offer in image.sizes]

    def may_name(self) -> bool:
        """Return whether the user can have several desktops, and so needs names for them."""
        return any(line.key == "desktops" and line.limit > 1 for line in self.offer.quota)

    def given_name(self) -> str:
        return str(self.data.get("name", self.offer.suggested_name))

    @cached_property
    def given_volume(self) -> str:
        """Return the chosen files, or else those that the API would use, or else any if only kept files leave room."""
        if self.is_bound:
            return str(self.data.get("volume", ""))
        if usual := selectors.volume_to_reuse(owner=self._owner, name=self.given_name()):
            return str(usual.pk)
        fitting = [size for image in self.offer.images for size in image.sizes if size.fits]
        only_kept = fitting and all(size.with_kept_only for size in fitting)
        return str(self.offer.volumes[0].pk) if only_kept else ""


class DeleteForm(forms.Form):
    home_folder = forms.ChoiceField(
        choices=[
            ("keep", _("Keep my files")),
            ("backup", _("Back up first, then delete my files")),
            ("delete", _("Delete my files")),
        ],
        error_messages={
            "required": _("Choose whether to keep or delete your files."),
            "invalid_choice": _("Choose whether to keep or delete your files."),
        },
    )

    def keep_data(self) -> bool:
        """Return whether the files are kept. Call is_valid() first."""
        return bool(self.cleaned_data["home_folder"] == "keep")

    def backs_up_first(self) -> bool:
        """Return whether the files are backed up before they are deleted. Call is_valid() first."""
        return bool(self.cleaned_data["home_folder"] == "backup")
