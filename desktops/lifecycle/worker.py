"""The RQ worker for our jobs, used by `manage.py rqworker desktops` (settings.RQ)."""

import time
from typing import Any

import redis
import structlog
from django.db import close_old_connections
from rq import worker_registration
from rq.worker import SimpleWorker

from core import metrics_server
from desktops.lifecycle import heartbeat, jobs, metrics, processes  # noqa: F401 - loads the jobs before the first one is due
from desktops.lifecycle.backups import jobs as backup_jobs  # noqa: F401 - the same
from desktops.runtimes import get_runtime

log = structlog.get_logger("podesk.worker")
_PAUSE = 1.0  # seconds after a failure that Redis's health does not explain
TTL = 60  # seconds after which a killed worker is no longer counted


class Worker(SimpleWorker):
    """A worker that does not fork. Our jobs make a few API calls, and a fork would take longer than the job.

    If a job kills the process, the controller finds its row waiting and queues it again.

    RQ's own worker ends with a traceback when Redis is gone or refuses a write. This one waits for Redis instead.
    """

    max_connection_wait_time = 2.0  # seconds between RQ's attempts to connect

    def __init__(self, *args: Any, **options: Any) -> None:
        get_runtime().warm_up()
        heartbeat.wait_for_redis()
        super().__init__(*args, **options | {"worker_ttl": TTL})

    def work(self, *args: Any, **options: Any) -> bool:
        metrics_server.start()
        return bool(super().work(*args, **options))

    def subscribe(self) -> None:
        """Do not listen for RQ's commands. We send none, and the listening thread fails when Redis restarts."""

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Send a heartbeat, waiting for Redis if needed.

        Registers again, because an emptied Redis does not know this worker.
        """
        heartbeat.touch_alive_file()
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
            return
        while not self._stop_requested:
            try:
                worker_registration.register(self)
                processes.record("worker", lasts=2 * TTL)
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
        """RQ calls this before each job. A Redis failure here must not end the worker."""
        self._unless_redis_fails(super().check_for_suspension, *args, **options)

    def run_maintenance_tasks(self) -> None:
        self._unless_redis_fails(super().run_maintenance_tasks)

    def execute_job(self, *args: Any, **options: Any) -> None:
        self._unless_redis_fails(super().execute_job, *args, **options)

    def perform_job(self, job: Any, *args: Any, **options: Any) -> bool:
        close_old_connections()  # the database may have restarted since the previous job
        began = time.monotonic()
        try:
            well = bool(super().perform_job(job, *args, **options))
        finally:
            close_old_connections()
        metrics.count_job(job.func_name, well=well, seconds=time.monotonic() - began)
        return well

    def teardown(self) -> None:
        self._unless_redis_fails(processes.forget, "worker")
        self._unless_redis_fails(super().teardown)

    def _wait(self) -> None:
        time.sleep(_PAUSE)
        heartbeat.wait_for_redis(stopped=lambda: self._stop_requested)

    def _unless_redis_fails(self, work: Any, *args: Any, **options: Any) -> None:
        try:
            work(*args, **options)
        except redis.RedisError as error:
            log.warning("redis_failed", during=work.__name__, error=str(error))
