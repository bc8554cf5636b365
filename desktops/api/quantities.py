"""Convert quantities in Kubernetes notation ("2", "500m", "4Gi") to cores, MiB and GiB, rounded up."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Any, ClassVar, NoReturn

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_FORM = re.compile(r"(?P<number>[0-9]{1,20}(\.[0-9]{1,20})?)((?P<unit>[A-Za-z]{0,2})|(?P<power>[eE][+-]?[0-9]{1,2}))")
_BYTES = {"": 1} | {f"{letter}i": 1024**n for n, letter in enumerate("KMGTP", 1)}
_BYTES |= {letter: 1000**n for n, letter in enumerate("kMGTP", 1)}


class Quantity(serializers.Field[Decimal, Any, str, Any]):
    """A string with an optional unit, or a number of cores or bytes."""

    units: ClassVar[dict[str, Decimal | int]]
    one: ClassVar[int] = 1  # size of the result's unit, in cores or bytes
    step = Decimal(1)
    least: ClassVar[Decimal]
    most: ClassVar[Decimal]
    written: ClassVar[dict[str, str]]  # bounds and examples for messages
    default_error_messages = {
        "form": _("Expected a quantity such as %(examples)s."),
        "small": _("This is too small. The minimum is %(least)s."),
        "large": _("This is too large. The maximum is %(most)s."),
    }

    def to_internal_value(self, data: Any) -> Decimal:
        found = _FORM.fullmatch(str(data)) if isinstance(data, str | int | float) else None
        if isinstance(data, bool) or not found or (found["unit"] or "") not in self.units:
            self._refuse("form")
        unit = self.units[found["unit"] or ""]
        counted = Decimal(found["number"] + (found["power"] or "")) * unit / self.one
        if counted < self.least:
            self._refuse("small")
        if counted > self.most:
            self._refuse("large")
        return (counted / self.step).to_integral_value(ROUND_CEILING) * self.step

    def to_representation(self, value: Any) -> str:
        return str(value)

    def _refuse(self, code: str) -> NoReturn:
        raise serializers.ValidationError(self.error_messages[code] % self.written, code=code)


def _schema(units: str, least: float, most: float, **more: str) -> dict[str, Any]:
    """Return the schema of a quantity. It limits only numbers, since a schema cannot limit the value of a string."""
    pattern = rf"^[0-9]{{1,20}}(\.[0-9]{{1,20}})?({units}|[eE][+-]?[0-9]{{1,2}})?$"
    text = {"type": "string", "maxLength": 50, "pattern": pattern}
    return {"oneOf": [text, {"type": "number", "minimum": least, "maximum": most}], **more}


_UNITS = "[KMGTP]i|[kMGTP]"


@extend_schema_field(_schema("m", 0.1, 9999.99, description="CPU cores.", example="2"))
class Cores(Quantity):
    units = {"": 1, "m": Decimal("0.001")}
    step = Decimal("0.01")
    least, most = Decimal("0.1"), Decimal("9999.99")
    written = {"examples": "2, 1.5, 500m", "least": "100m", "most": "9999.99"}


@extend_schema_field(
    _schema(_UNITS, 2**27, (2**31 - 1) * 2**20, description="Memory, in bytes if you send no unit.", example="4Gi")
)
class MiB(Quantity):
    units = _BYTES
    one = 2**20
    least, most = Decimal(128), Decimal(2**31 - 1)
    written = {"examples": "4Gi, 512Mi, 2G", "least": "128Mi", "most": "2147483647Mi"}


@extend_schema_field(
    _schema(
        _UNITS,
        2**30,
        (2**31 - 1) * 2**30,
        description="Size of the home folder, in bytes if you send no unit.",
        example="10Gi",
    )
)
class GiB(Quantity):
    units = _BYTES
    one = 2**30
    least, most = Decimal(1), Decimal(2**31 - 1)
    written = {"examples": "10Gi, 1Ti, 20G", "least": "1Gi", "most": "2147483647Gi"}
