"""Columns in the admin that show amounts with their units."""

from typing import Any

from django.contrib import admin

from core import units


class AmountColumns:
    """Mixin for admins of rows with cpu, memory_mib or storage_gib, each of which may be empty."""

    @admin.display(description=units.LABELS["cpu"], ordering="cpu")
    def cpu_amount(self, row: Any) -> str | None:
        return _amount("cpu", row)

    @admin.display(description=units.LABELS["memory_mib"], ordering="memory_mib")
    def memory_amount(self, row: Any) -> str | None:
        return _amount("memory_mib", row)

    @admin.display(description=units.LABELS["storage_gib"], ordering="storage_gib")
    def storage_amount(self, row: Any) -> str | None:
        return _amount("storage_gib", row)


def _amount(key: str, row: Any) -> str | None:
    number = getattr(row, key)
    return None if number is None else units.amount(key, number)
