"""Find the image, size and volume that a launch request of the API refers to."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from accounts.audit import Actor, audited
from accounts.models import User
from desktops import quota, selectors, services
from desktops.exceptions import DesktopNotFound, ImageUnavailable
from desktops.models import AT_REST, Desktop, DesktopImage, DesktopSize, Status, Volume
from desktops.services import Launched, LaunchRequest

_NEEDS_SERVICE = (*AT_REST, Status.DELETING)  # the service starts such a desktop or refuses
_COLUMNS = {"cpu": "cpu", "memory": "memory_mib", "storage": "storage_gib"}


def launch(by: Actor, asked: dict[str, Any]) -> Launched:
    """Launch the desktop of that name, or start the existing one. `asked`: the data of a valid PodCreate."""
    name, wanted = asked.get("name") or "desktop", asked.get("image")
    existing = selectors.visible_to(by.user).filter(name=name).first()
    # An unknown image is always refused. The image of an existing desktop is known even if it is disabled.
    image = _image(wanted, of=existing) if wanted else None
    if existing and existing.status not in _NEEDS_SERVICE:  # nothing to do, so no lock is needed
        return Launched(existing)
    if existing:
        launched = services.launch_existing(desktop=existing, by=by, new_files=bool(asked.get("new_files")))
        if launched:
            return launched
    return services.launch(by=by, wanted=_request(by=by, name=name, image=image, asked=asked))


@audited("desktop.launch", target=lambda given: given["name"])
def _request(*, by: Actor, name: str, image: DesktopImage | None, asked: dict[str, Any]) -> LaunchRequest:
    """Return what to launch. Audited here, because refusals happen before the service is called.

    Raises ImageUnavailable.
    """
    image = image or _image(None)
    if image is None:
        raise ImageUnavailable(field="image")
    volume = _volume(by.user, name, asked.get("volume"))
    size = _size(by.user, image, asked.get("resource_quota") or {}, kept=volume)
    return LaunchRequest(image, size, name, volume, get_language() or "", asked.get("time_zone") or "")


def _image(wanted: str | None, *, of: Desktop | None = None) -> DesktopImage | None:
    """Return the image with this name, or else with this ID. Without `wanted`, return the first image or None.

    `of`: a desktop whose image is found even if it is disabled.
    """
    own = Q(desktop=of) if of else Q()
    offered = list(DesktopImage.objects.filter(Q(enabled=True) | own).distinct())
    if not wanted:
        return offered[0] if offered else None
    matches = [image for image in offered if image.name == wanted]
    matches += [image for image in offered if str(image.pk) == wanted]
    if not matches:
        names = ", ".join(image.name for image in offered) or "-"
        raise ValidationError({"image": [_("Unknown image. Available images: %(names)s.") % {"names": names}]})
    return matches[0]


def _volume(owner: User, name: str, wanted: str | None) -> Volume | None:
    if wanted == "new":
        return None
    if not wanted:
        return selectors.volume_to_reuse(owner=owner, name=name)
    try:
        volume = selectors.volume_for(user=owner, volume_id=UUID(wanted))
    except (ValueError, DesktopNotFound):
        volume = None
    if volume is None or Volume.being_deleted().filter(pk=volume.pk).exists():
        raise ValidationError({"volume": [_("This volume does not exist.")]})
    return volume


def _size(owner: User, image: DesktopImage, asked: dict[str, Decimal], *, kept: Volume | None) -> DesktopSize:
    """Return the image's size with these amounts, or an unsaved custom size."""
    usual = quota.usual_size(owner, image, kept=kept)
    if not asked and usual:
        return usual
    amounts = {name: getattr(usual, name) for name in ("cpu", "memory_mib", "storage_gib") if usual}
    amounts |= {_COLUMNS[name]: amount for name, amount in asked.items()}
    if len(amounts) < len(_COLUMNS):
        raise ImageUnavailable(detail="the image has no sizes")
    whole = {name: int(amount) for name, amount in amounts.items() if name != "cpu"}
    made = DesktopSize(cpu=amounts["cpu"], gpu=usual.gpu if usual else 0, **whole)
    return next((size for size in image.sizes.all() if _same(size, made)), made)


def _same(one: DesktopSize, other: DesktopSize) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in ("cpu", "memory_mib", "storage_gib", "gpu"))
