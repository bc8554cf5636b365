"""The RQ worker that does our jobs. `manage.py rqworker desktops` uses it (settings.RQ)."""

import time
from typing import Any

import redis
import structlog
from django.db import close_old_connections
from rq import worker_registration
from rq.worker import SimpleWorker

from desktops.lifecycle import heartbeat, jobs  # noqa: F401 - jobs are loaded now, not while somebody waits for a desktop
from desktops.runtimes import get_runtime

log = structlog.get_logger("podesk.worker")
_PAUSE = 1.0  # seconds after a failure, which may have another cause than Redis's health
TTL = 60  # seconds after which a worker that was killed counts as gone


class Worker(SimpleWorker):
    """Works without forking: our jobs make a few API calls and return, and a fork would take longer than they do.

    A job that kills its process is repeated, like every job, when the controller finds its row waiting.

    RQ's own worker waits for a Redis that is gone, and ends with a traceback when Redis refuses a write. This one
    waits for both. Work that is lost meanwhile is ordered again like any other.
    """

    max_connection_wait_time = 2.0  # seconds between RQ's own attempts: a person waits for a desktop

    def __init__(self, *args: Any, **options: Any) -> None:
        get_runtime().warm_up()
        heartbeat.wait_for_redis()
        super().__init__(*args, **options | {"worker_ttl": TTL})

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Waits for Redis, and registers again: a Redis that came back empty does not know this worker."""
        heartbeat.touch_alive_file()
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
            return
        while not self._stop_requested:
            try:
                worker_registration.register(self)
                super().heartbeat(timeout)
            except redis.RedisError:
                self._wait()
            else:
                break

    def dequeue_job_and_maintain_ttl(self, *args: Any, **options: Any) -> Any:
        while not self._stop_requested:
            try:
                return super().dequeue_job_and_maintain_ttl(*args, **options)
            except redis.RedisError:
                self._wait()
        return None

    def check_for_suspension(self, *args: Any, **options: Any) -> None:
        """RQ asks this before each job, and takes no answer for a reason to end."""
        self._unless_redis_fails(super().check_for_suspension, *args, **options)

    def run_maintenance_tasks(self) -> None:
        self._unless_redis_fails(super().run_maintenance_tasks)

    def execute_job(self, *args: Any, **options: Any) -> None:
        self._unless_redis_fails(super().execute_job, *args, **options)

    def perform_job(self, *args: Any, **options: Any) -> Any:
        close_old_connections()  # the database may have been restarted since the job before
        try:
            return super().perform_job(*args, **options)
        finally:
            close_old_connections()

    def teardown(self) -> None:
        self._unless_redis_fails(super().teardown)

    def _wait(self) -> None:
        time.sleep(_PAUSE)
        heartbeat.wait_for_redis(stopped=lambda: self._stop_requested)

    def _unless_redis_fails(self, work: Any, *args: Any, **options: Any) -> None:
        try:
            work(*args, **options)
        except redis.RedisError as error:
            log.warning("redis_failed", during=work.__name__, error=str(error))
