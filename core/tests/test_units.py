"""CPU, memory and storage in units for people."""

from decimal import Decimal

import pytest
from django.utils import translation

from core import units

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.004, "0"), (0.25, "0.25"), (Decimal("0.50"), "0.5"), (1.04, "1.04"), (20, "20"), (100, "100")],
)
def test_numbers_have_two_decimals_at_most(number, text):
    assert units.plain(number) == text


@pytest.mark.parametrize(
    ("key", "number", "text"),
    [
        ("cpu", 0, "0 cores"),
        ("cpu", Decimal("0.50"), "0.5 cores"),
        ("cpu", Decimal("1.00"), "1 core"),
        ("cpu", 1.25, "1.25 cores"),
        ("memory_mib", 0, "0 GiB"),
        ("memory_mib", 512, "512 MiB"),
        ("memory_mib", 1023, "1023 MiB"),
        ("memory_mib", 1024, "1 GiB"),
        ("memory_mib", 1536, "1.5 GiB"),
        ("memory_mib", 2000, "1.95 GiB"),
        ("storage_gib", 5, "5 GiB"),
        ("gpu", 1, "1"),
        ("desktops", 3, "3"),
    ],
)
def test_an_amount_has_its_unit(key, number, text):
    assert units.amount(key, number) == text


@pytest.mark.parametrize(
    ("key", "used", "limit", "text", "chinese"),
    [
        ("cpu", 0, 1, "0 of 1 core", "0 / 1 核"),
        ("cpu", 1, 2, "1 of 2 cores", "1 / 2 核"),
        ("memory_mib", 0, 2048, "0 of 2 GiB", "0 / 2 GiB"),
        ("memory_mib", 0, 512, "0 of 512 MiB", "0 / 512 MiB"),
        ("memory_mib", 1536, 2048, "1.5 of 2 GiB", "1.5 / 2 GiB"),
        ("memory_mib", 512, 2048, "512 MiB of 2 GiB", "512 MiB / 2 GiB"),
        ("memory_mib", 2048, 512, "2 GiB of 512 MiB", "2 GiB / 512 MiB"),
        ("memory_mib", 0, 0, "0 of 0 GiB", "0 / 0 GiB"),
        ("storage_gib", 5, 20, "5 of 20 GiB", "5 / 20 GiB"),
        ("desktops", 1, 1, "1 of 1", "1 / 1"),
    ],
)
def test_use_of_a_limit(key, used, limit, text, chinese):
    assert units.use(key, used, limit) == text
    with translation.override("zh-hans"):
        assert units.use(key, used, limit) == chinese


@pytest.mark.parametrize(
    ("key", "needed", "used", "limit", "text"),
    [
        ("cpu", 1, 0, Decimal("0.50"), "CPU: this needs 1 core, and you use 0 of 0.5 cores."),
        ("memory_mib", 2048, 512, 1024, "Memory: this needs 2 GiB, and you use 512 MiB of 1 GiB."),
        ("memory_mib", 2048, 0, 2047, "Memory: this needs 2 GiB, and you use 0 of 1.99 GiB."),
        ("memory_mib", 1025, 0, 1024, "Memory: this needs 1.01 GiB, and you use 0 of 1 GiB."),
        ("storage_gib", 5, 0, 4, "Storage: this needs 5 GiB, and you use 0 of 4 GiB."),
        ("desktops", 1, 1, 1, "Desktops: this needs 1, and you use 1 of 1."),
    ],
)
def test_a_shortage_shows_in_its_numbers(key, needed, used, limit, text):
    assert units.shortage(key, needed=needed, used=used, limit=limit) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (3 * 2**30, "3 GiB"), (2**52, "4096 TiB")],
)
def test_data_size(count, text):
    assert units.data_size(count) == text
