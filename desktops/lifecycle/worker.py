"""The RQ worker that does our jobs. `manage.py rqworker desktops` uses it (settings.RQ)."""

from typing import Any

from django.db import close_old_connections
from rq.worker import SimpleWorker

from desktops.lifecycle import heartbeat, jobs  # noqa: F401 - jobs are loaded now, not while somebody waits for a desktop
from desktops.runtimes import get_runtime

TTL = 60  # seconds after which a worker that was killed counts as gone


class Worker(SimpleWorker):
    """Works without forking: our jobs make a few API calls and return, and a fork would take longer than they do.

    A job that kills its process is repeated, like every job, when the controller finds its row waiting.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        get_runtime().warm_up()
        super().__init__(*args, **options | {"worker_ttl": TTL})

    def heartbeat(self, *args: Any, **options: Any) -> None:
        heartbeat.came_round()
        super().heartbeat(*args, **options)

    def perform_job(self, *args: Any, **options: Any) -> Any:
        close_old_connections()  # the database may have been restarted since the job before
        try:
            return super().perform_job(*args, **options)
        finally:
            close_old_connections()
