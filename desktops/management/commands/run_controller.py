"""`manage.py run_controller`: run the controller until SIGTERM or SIGINT."""

import gc
import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand

from core import metrics_server
from desktops.lifecycle.controller import Controller


class Command(BaseCommand):
    help = "Watches the runtime and updates the desktops' rows. You may run two: one of them leads."

    def handle(self, *args: Any, **options: Any) -> None:
        stopped = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        metrics_server.start()
        gc.freeze()  # a round over many desktops starts full collections, which would examine all modules each time
        Controller(stopped.is_set).run()
