"""One event loop sends all messages of a process to open pages."""

import threading
from concurrent.futures import ThreadPoolExecutor

from desktops import notify

AT_ONCE = 16


def test_threads_that_come_first_at_once_share_one_loop():
    notify._start_loop.cache_clear()
    before = senders()
    gate = threading.Barrier(AT_ONCE)

    def ask(_):
        gate.wait()
        return notify._loop()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert len(set(pool.map(ask, range(AT_ONCE)))) == 1
    assert senders() == before + 1


def senders() -> int:
    return sum(thread.name == "notify" for thread in threading.enumerate())
