"""The meters of a running desktop's CPU and memory."""

import pytest

from desktops.runtimes.base import Usage
from desktops.wording import usage_meters


@pytest.mark.parametrize(
    ("cpu", "memory", "texts"),
    [
        (0.004, 0.4, ["0 of 1 core", "0 of 2 GiB"]),
        (0.254, 300.4, ["0.25 of 1 core", "300 MiB of 2 GiB"]),
        (1.04, 1588, ["1 of 1 core", "1.6 of 2 GiB"]),
    ],
)
def test_what_is_measured_is_rounded(make_desktop, alice, cpu, memory, texts):
    assert [meter.text for meter in usage_meters.of_usage(make_desktop(alice), Usage(cpu, memory, None, None))] == texts


def test_use_against_the_limit_that_holds(make_desktop, alice):
    desktop = make_desktop(alice)
    cpu, memory = usage_meters.of_usage(desktop, Usage(0.5, 512, 2, 1024))
    assert (cpu.text, cpu.percent) == ("0.5 of 2 cores", 25)
    assert (memory.text, memory.percent) == ("512 MiB of 1 GiB", 50)


def test_use_against_the_size_where_no_limit_holds(make_desktop, alice):
    usage = Usage(3, 4096, None, None)
    cpu, memory = usage_meters.of_usage(make_desktop(alice), usage)
    assert (cpu.text, cpu.percent) == ("3 of 1 core", 100)
    assert (memory.text, memory.percent) == ("4 of 2 GiB", 100)
    assert usage_meters.is_unlimited(usage)


def test_nothing_known(make_desktop, alice):
    assert usage_meters.of_usage(make_desktop(alice), None) == []
    assert not usage_meters.is_unlimited(None)
