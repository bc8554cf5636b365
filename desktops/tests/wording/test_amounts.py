"""Numbers as people read them."""

from decimal import Decimal

import pytest

from desktops.runtimes.base import Usage
from desktops.wording import amounts


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.004, "0"),
        (0.25, "0.25"),
        (0.5, "0.5"),
        (1, "1"),
        (1.04, "1"),
        (2.55, "2.5"),
        (20, "20"),
        (100, "100"),
    ],
)
def test_amount(number, text):
    assert amounts.amount(number) == text
    assert amounts.gib(Decimal(str(number)) * 1024) == amounts.amount(Decimal(str(number)))


def test_use_against_the_limit_that_holds(make_desktop, alice):
    desktop = make_desktop(alice)
    cpu, memory = amounts.of_usage(desktop, Usage(0.5, 512, 2, 1024))
    assert (cpu.text, cpu.percent) == ("0.5 of 2 cores", 25)
    assert (memory.text, memory.percent) == ("0.5 of 1 GiB", 50)


def test_use_against_the_size_where_no_limit_holds(make_desktop, alice):
    usage = Usage(3, 4096, None, None)
    cpu, memory = amounts.of_usage(make_desktop(alice), usage)
    assert (cpu.text, cpu.percent) == ("3 of 1 core", 100)
    assert (memory.text, memory.percent) == ("4 of 2 GiB", 100)
    assert amounts.is_unlimited(usage)


def test_nothing_known(make_desktop, alice):
    assert amounts.of_usage(make_desktop(alice), None) == []
    assert not amounts.is_unlimited(None)
