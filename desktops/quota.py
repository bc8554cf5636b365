"""Quota and use: what a person has, may have, and can still launch. Shown on the page and checked at launch."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.quotas import EffectiveQuota, effective
from core import units
from desktops.exceptions import QuotaExceeded
from desktops.models import ACTIVE, Desktop, DesktopImage, DesktopSize, Resources, Volume

KEYS = ("cpu", "memory_mib", "storage_gib", "gpu", "desktops")
_FIELDS = {"cpu": "cpu", "memory_mib": "memory", "storage_gib": "storage"}  # the API's names


@dataclass(frozen=True)
class QuotaUse:
    """The cores, MiB, GiB and number of desktops that a person uses now."""

    cpu: Decimal = Decimal(0)
    memory_mib: int = 0
    storage_gib: int = 0
    gpu: int = 0
    desktops: int = 0


@dataclass(frozen=True)
class QuotaLine:
    key: str
    label: str
    used: Decimal
    limit: Decimal
    unit: str
    source: str  # where the limit comes from, as text

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.used / self.limit)) if self.limit else 100 if self.used else 0

    @property
    def text(self) -> str:
        return units.use(self.key, self.used, self.limit)


@dataclass(frozen=True)
class SizeOffer:
    size: DesktopSize
    fits: bool
    why_not: str  # also set if it fits only with kept files
    with_kept_only: bool = False


@dataclass(frozen=True)
class ImageOffer:
    image: DesktopImage
    sizes: list[SizeOffer]


@dataclass(frozen=True)
class LaunchOffer:
    images: list[ImageOffer]
    quota: list[QuotaLine]
    volumes: list[Volume]  # kept files that a new desktop may use
    lost_volumes: list[Volume]
    deleting_volumes: list[Volume]  # they use storage until nothing is left of them
    can_launch: bool
    why_not: str
    suggested_name: str


def use_of(user: User) -> QuotaUse:
    """Return what a person uses now.

    CPU, memory and GPU count only while a desktop is active. The desktop itself counts until it is deleted, and its
    files until they are deleted or lost.
    """
    active = Q(status__in=ACTIVE)
    sums: dict[str, Any] = Desktop.objects.filter(owner=user).aggregate(
        cpu=Sum("cpu", filter=active),
        memory_mib=Sum("memory_mib", filter=active),
        gpu=Sum("gpu", filter=active),
        desktops=Count("pk"),
    )
    sums["storage_gib"] = Volume.objects.filter(owner=user, lost_at=None).aggregate(total=Sum("storage_gib"))["total"]
    taken: dict[str, Any] = {key: value or 0 for key, value in sums.items()}
    return QuotaUse(**taken)


def need_of(size: Resources, *, kept: Volume | None, new: bool) -> QuotaUse:
    """Return what a launch adds. Kept files are already included in the use, and their size does not change."""
    storage = 0 if kept else size.storage_gib
    return QuotaUse(size.cpu, size.memory_mib, storage, size.gpu, desktops=1 if new else 0)


def refuse_if_over(owner: User, need: QuotaUse, *, asked_in: str = "") -> None:
    """Raise QuotaExceeded, naming what is short, if `need` exceeds the quota.

    Call this in the transaction that locks the owner's row. `asked_in` is the request field that held the amounts.
    """
    if short := _shortage(effective(owner), use_of(owner), need):
        field = f"{asked_in}.{_FIELDS[short.key]}" if asked_in and short.key in _FIELDS else ""
        raise QuotaExceeded(short.sentence, next_step=_next_step(short.key, new=bool(need.desktops)), field=field)


def is_offered(image: DesktopImage, size: DesktopSize) -> bool:
    """Say whether people may launch this image in this size.

    A size without a key is custom: every image accepts it, and only the quota limits it.
    """
    images = DesktopImage.objects.filter(pk=image.pk, enabled=True)
    return (images.filter(sizes=size) if size.pk else images).exists()


def usual_size(user: User, image: DesktopImage, *, kept: Volume | None) -> DesktopSize | None:
    """Return the size that the launch page preselects: the image's first size that fits, or else its first."""
    quota, use = effective(user), use_of(user)
    sizes = list(image.sizes.all())
    fitting = (size for size in sizes if not _shortage(quota, use, need_of(size, kept=kept, new=True)))
    return next(fitting, sizes[0] if sizes else None)


def quota_lines(user: User) -> list[QuotaLine]:
    return _lines(effective(user), use_of(user))


def has_room(user: User) -> bool:
    """Say whether the person may have one more desktop. Whether a size fits is not checked here."""
    return Desktop.objects.filter(owner=user).count() < effective(user).desktops.value


def launch_offer(user: User) -> LaunchOffer:
    quota, use = effective(user), use_of(user)
    without_desktop = list(Volume.objects.filter(owner=user, desktop=None).order_by("kept_at", "pk"))
    kept = [volume for volume in without_desktop if volume.kept_at]
    volumes = [volume for volume in kept if not volume.lost_at]
    images = [
        ImageOffer(image, [_size_offer(size, quota, use, volumes) for size in image.sizes.all()])
        for image in DesktopImage.objects.filter(enabled=True).prefetch_related("sizes")
    ]
    names = set(Desktop.objects.filter(owner=user).values_list("name", flat=True))
    offers = [size for image in images for size in image.sizes]
    fits = any(offer.fits for offer in offers)
    return LaunchOffer(
        images=images,
        quota=_lines(quota, use),
        volumes=volumes,
        lost_volumes=[volume for volume in kept if volume.lost_at],
        deleting_volumes=[volume for volume in without_desktop if not volume.kept_at],
        can_launch=fits,
        why_not="" if fits else offers[0].why_not if offers else _("No desktop images are available at present."),
        suggested_name=next(name for name in _names() if name not in names),
    )


def _names() -> Any:
    first = _("desktop")
    yield first
    number = 2
    while True:
        yield f"{first}-{number}"
        number += 1


def _size_offer(size: DesktopSize, quota: EffectiveQuota, use: QuotaUse, volumes: list[Volume]) -> SizeOffer:
    short = _shortage(quota, use, need_of(size, kept=None, new=True))
    if not short:
        return SizeOffer(size, fits=True, why_not="")
    if volumes and not _shortage(quota, use, need_of(size, kept=volumes[0], new=True)):
        why = _("Only with files that you kept. %(shortage)s") % {"shortage": short.sentence}
        return SizeOffer(size, fits=True, why_not=why, with_kept_only=True)
    return SizeOffer(size, fits=False, why_not=short.sentence)


def _next_step(key: str, *, new: bool) -> str:
    """Return the advice for a person who is short of `key`. An existing desktop keeps its size."""
    if key == "desktops":
        return _("Delete a desktop that you no longer need, or ask an administrator for more.")
    if key == "storage_gib":
        if new:
            return _(
                "Choose a smaller size, use kept files again, delete some files, or ask an administrator for more."
            )
        return _("Delete kept files or another desktop with its files, or ask an administrator for more.")
    if new:
        return _("Choose a smaller size, stop another desktop, or ask an administrator for more.")
    return _("Stop another desktop, or ask an administrator for more.")


@dataclass(frozen=True)
class _Short:
    key: str
    sentence: str


def _shortage(quota: EffectiveQuota, use: QuotaUse, need: QuotaUse) -> _Short | None:
    """Return the first amount that is short, or None if everything fits."""
    for line in _lines(quota, use):
        more = Decimal(getattr(need, line.key))
        if more and line.used + more > line.limit:
            sentence = units.shortage(line.key, needed=more, used=line.used, limit=line.limit)
            return _Short(line.key, sentence)
    return None


def _lines(quota: EffectiveQuota, use: QuotaUse) -> list[QuotaLine]:
    lines = []
    for key, label in units.LABELS.items():
        limit, used = getattr(quota, key), Decimal(getattr(use, key))
        lines.append(QuotaLine(key, str(label), used, Decimal(limit.value), _unit(key), str(limit.source)))
    return [line for line in lines if line.key != "gpu" or line.limit or line.used]


def _unit(key: str) -> str:
    """Return the unit of the plain numbers, for scripts."""
    return {"cpu": _("cores"), "memory_mib": "MiB", "storage_gib": "GiB"}.get(key, "")
