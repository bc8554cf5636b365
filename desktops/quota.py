"""Quota against use: what a person has, may have, and may still launch. Shown before the click, checked again after."""

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
_FIELDS = {"cpu": "cpu", "memory_mib": "memory", "storage_gib": "storage"}  # as scripts name them


@dataclass(frozen=True)
class QuotaUse:
    """Cores, MiB, GiB and counts that a person's desktops and files take now."""

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
    source: str  # where the limit comes from, for people

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
    why_not: str  # also of one that fits with kept files alone
    with_kept_only: bool = False


@dataclass(frozen=True)
class ImageOffer:
    image: DesktopImage
    sizes: list[SizeOffer]


@dataclass(frozen=True)
class LaunchOffer:
    images: list[ImageOffer]
    quota: list[QuotaLine]
    volumes: list[Volume]  # kept files that a desktop may use again
    lost_volumes: list[Volume]
    can_launch: bool
    why_not: str
    suggested_name: str


def use_of(user: User) -> QuotaUse:
    """CPU, memory and GPU count while a desktop is active; its files and its place count until it is
    deleted, or its files are lost."""
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
    """What a launch adds. Kept files are counted already, and keep the size that they have."""
    storage = 0 if kept else size.storage_gib
    return QuotaUse(size.cpu, size.memory_mib, storage, size.gpu, desktops=1 if new else 0)


def refuse_if_over(owner: User, need: QuotaUse, *, asked_in: str = "") -> None:
    """Call inside the transaction that holds the owner's row. Raises QuotaExceeded naming what is short; `asked_in`:
    the field of a request that held the amounts."""
    if short := _shortage(effective(owner), use_of(owner), need):
        field = f"{asked_in}.{_FIELDS[short.key]}" if asked_in and short.key in _FIELDS else ""
        raise QuotaExceeded(short.sentence, next_step=_way_out(short.key, new=bool(need.desktops)), field=field)


def is_offered(image: DesktopImage, size: DesktopSize) -> bool:
    """A size without a key is of somebody's own making: each image may have it, and the quota alone is its bound."""
    images = DesktopImage.objects.filter(pk=image.pk, enabled=True)
    return (images.filter(sizes=size) if size.pk else images).exists()


def usual_size(user: User, image: DesktopImage, *, kept: Volume | None) -> DesktopSize | None:
    """The one that the launch page has chosen already: the image's first that fits, or else its first."""
    quota, use = effective(user), use_of(user)
    sizes = list(image.sizes.all())
    fitting = (size for size in sizes if not _shortage(quota, use, need_of(size, kept=kept, new=True)))
    return next(fitting, sizes[0] if sizes else None)


def quota_lines(user: User) -> list[QuotaLine]:
    return _lines(effective(user), use_of(user))


def has_room(user: User) -> bool:
    """May the number of desktops grow? Whether a size fits as well, the offer tells."""
    return Desktop.objects.filter(owner=user).count() < effective(user).desktops.value


def launch_offer(user: User) -> LaunchOffer:
    quota, use = effective(user), use_of(user)
    kept = list(Volume.objects.filter(owner=user, kept_at__isnull=False).order_by("kept_at"))
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
        can_launch=fits,
        why_not="" if fits else offers[0].why_not if offers else _("No kind of desktop is offered at present."),
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


def _way_out(key: str, *, new: bool) -> str:
    """Return what somebody can do who is short of that. A desktop that is there keeps its size."""
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
    """The first thing that is short; None when all fits."""
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
    """Of the bare numbers, for scripts."""
    return {"cpu": _("cores"), "memory_mib": "MiB", "storage_gib": "GiB"}.get(key, "")
