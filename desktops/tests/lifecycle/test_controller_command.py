"""`manage.py run_controller` in this process, until SIGTERM."""

import gc
import os
import signal
from threading import Thread

import pytest
from django.core.management import call_command

from core.redis import client, key


@pytest.fixture
def until_it_leads(scripted_runtime, transactional_db, first_rows, wait_for):
    """Run the controller until it has become the leader."""

    def end() -> None:
        try:
            wait_for(lambda: client().exists(key("controller", "lease")))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    thread = Thread(target=end)
    thread.start()
    call_command("run_controller")
    yield
    thread.join()
    gc.unfreeze()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_collections_do_not_examine_what_the_start_has_loaded(until_it_leads):
    assert gc.get_freeze_count() > 10_000
