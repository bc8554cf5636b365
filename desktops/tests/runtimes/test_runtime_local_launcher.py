"""The prepared holder is used once, replaced, started again if it was killed, and ends with its owner."""

import os
import signal

from desktops.runtimes.base import Phase
from desktops.runtimes.local import launcher
from desktops.tests.support.runtime_specs import soon, until


def waiting(house) -> launcher.Waiting:
    ready = house.runtime._launcher._ready
    assert ready
    return ready


def start(house) -> str:
    spec = house.spec()
    house.runtime.start(spec, deadline=soon())
    house.wait(spec.name, Phase.READY)
    return spec.name


def test_the_one_that_waits_becomes_the_holder_and_another_waits(house, monkeypatch):
    monkeypatch.setattr(launcher, "REFILL_AFTER", 0.1)
    house.runtime.warm_up()
    first = waiting(house)
    start(house)
    assert first.process.returncode == 0  # it forked as requested
    until(lambda: house.runtime._launcher._ready, what="the next one")
    assert waiting(house) is not first
    waiting(house).end()


def test_a_killed_one_is_not_missed(house):
    house.runtime.warm_up()
    os.kill(waiting(house).process.pid, signal.SIGKILL)
    waiting(house).process.wait()
    assert house.runtime.observe(start(house)).phase is Phase.READY


def test_it_leaves_when_its_owner_does(house):
    house.runtime.warm_up()
    ready = waiting(house)
    ready._order.close()  # as the kernel does when the owner is killed
    assert ready.process.wait(5) == 0
