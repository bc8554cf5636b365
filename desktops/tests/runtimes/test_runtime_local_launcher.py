"""The prepared holder is used once, replaced, started again if it was killed, and ends with its owner."""

import os
import signal

from desktops.runtimes.base import Phase
from desktops.runtimes.local import launcher
from desktops.tests.support.runtime_specs import soon, until


def waiting(harness) -> launcher.PreloadedHolder:
    ready = harness.runtime._launcher._ready
    assert ready
    return ready


def start(harness) -> str:
    spec = harness.spec()
    harness.runtime.start(spec, deadline=soon())
    harness.wait(spec.name, Phase.READY)
    return spec.name


def test_the_one_that_waits_becomes_the_holder_and_another_waits(harness, monkeypatch):
    monkeypatch.setattr(launcher, "PRELOAD_AFTER", 0.1)
    harness.runtime.warm_up()
    first = waiting(harness)
    start(harness)
    assert first.process.returncode == 0  # it forked as requested
    until(lambda: harness.runtime._launcher._ready, what="the next one")
    assert waiting(harness) is not first
    waiting(harness).end()


def test_a_killed_one_is_not_missed(harness):
    harness.runtime.warm_up()
    os.kill(waiting(harness).process.pid, signal.SIGKILL)
    waiting(harness).process.wait()
    assert harness.runtime.observe(start(harness)).phase is Phase.READY


def test_it_leaves_when_its_owner_does(harness):
    harness.runtime.warm_up()
    ready = waiting(harness)
    ready._order.close()  # as the kernel does when the owner is killed
    assert ready.process.wait(5) == 0
