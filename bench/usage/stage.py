"""A database with many runs in use, a stand-in for the metrics API, and rounds of samples of this process."""

import gc
import json
import random
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import urllib3

from bench.parts import answers, free_port, redis_command, set_environment, wait_until
from podesk_cli.commands import Runner
from podesk_cli.folders import CHECKOUT
from podesk_cli.report import Progress
from podesk_cli.testing import throwaway_postgres

_PODS = "apis/metrics.k8s.io/v1beta1/namespaces/vnc-pods/pods"
_SAMPLES = 480  # of each run before the first round: eight hours
_BARE = """
UPDATE desktops_runusage AS usage SET cpu_max = (item->>1)::float8, memory_max = (item->>2)::float8
FROM jsonb_array_elements(%s::jsonb) AS item WHERE usage.run_id = (item->>0)::int
"""


@dataclass(frozen=True)
class CpuSeconds:
    controller: float
    database: float


class SamplingStage:
    def __init__(self, file: Path, port: int, runs: dict[str, int]) -> None:
        self._file, self._url, self._runs = file, f"http://127.0.0.1:{port}/{_PODS}", runs
        self._http = urllib3.PoolManager()
        self._draw = random.Random(1)

    def publish_use(self) -> None:
        """Make the metrics API return new values."""
        items = [_pod_metrics(name, *_use(self._draw)) for name in self._runs]
        self._file.write_text(json.dumps({"kind": "PodMetricsList", "metadata": {}, "items": items}))

    def sample(self) -> CpuSeconds:
        return _cpu_of(self._sample)

    def floor(self) -> CpuSeconds:
        values = [(pk, self._draw.random(), 1000 * self._draw.random()) for pk in self._runs.values()]
        return _cpu_of(partial(self._least, values))

    def statements(self) -> int:
        """Return the number of statements of one round."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        self.publish_use()
        with CaptureQueriesContext(connection) as found:
            self._sample()
        return len(found)

    def memory(self) -> float:
        """Return the MiB that one round needs at most."""
        self.publish_use()
        tracemalloc.start()
        self._sample()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most / 2**20

    def _sample(self) -> None:
        from core.redis import client, key
        from desktops.lifecycle import usage_samples

        client().delete(key("usage-sampled"))  # the next round is due
        usage_samples.sample()

    def _least(self, values: list[tuple[int, float, float]]) -> None:
        from django.db import connection

        json.loads(self._http.request("GET", self._url).data)
        with connection.cursor() as cursor:
            cursor.execute(_BARE, [json.dumps(values)])


def _cpu_of(work: Callable[[], None]) -> CpuSeconds:
    from django.db import connection

    connection.ensure_connection()
    gc.collect()  # so that neither pays for the objects of the other
    backend = psutil.Process(connection.connection.info.backend_pid)
    theirs, ours = _used(backend), time.process_time()
    work()
    return CpuSeconds(time.process_time() - ours, _used(backend) - theirs)


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def staged(folder: Path, desktops: int) -> Iterator[SamplingStage]:
    port = free_port()
    file = folder / "www" / _PODS
    file.parent.mkdir(parents=True)
    with ExitStack() as stack:
        runner = Runner(CHECKOUT, folder / "postgres-setup.log", Progress(total=1))
        url = stack.enter_context(throwaway_postgres(runner))
        cluster = {"DESKTOP_RUNTIME": "kubernetes", "KUBECONFIG": str(_kubeconfig(folder, port))}
        set_environment(folder, DATABASE_URL=url, LOG_LEVEL="WARNING", **cluster)
        _start(stack, folder / "redis.log", *redis_command(folder))
        server = ["-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder / "www"), str(port)]
        _start(stack, folder / "metrics-api.log", sys.executable, *server)
        wait_until((folder / "redis.sock").exists)
        wait_until(partial(answers, port))
        runs = _make_runs(desktops)
        stack.callback(_close_connections)
        gc.freeze()  # as `manage.py run_controller` does at its start
        yield SamplingStage(file, port, runs)


def _kubeconfig(folder: Path, port: int) -> Path:
    file = folder / "kubeconfig"
    config = {
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "bench", "user": {"token": "bench"}}],
    }
    file.write_text(json.dumps(config))
    return file


def _start(stack: ExitStack, log: Path, *command: str) -> None:
    sink = stack.enter_context(log.open("w"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=CHECKOUT)
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _make_runs(count: int) -> dict[str, int]:
    """Create the rows. Return the id of each run by the name of its pod."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.utils import timezone

    from desktops.models import DesktopRun, RunUsage

    now, draw = timezone.now(), random.Random(0)
    size = {"cpu": 1, "memory_mib": 1024, "storage_gib": 5}
    runs = DesktopRun.objects.bulk_create(
        DesktopRun(desktop_id=uuid4(), object_name=f"vnc-{uuid4()}", run=1, ready_at=now, **size) for _ in range(count)
    )
    kinds = [_histograms(draw) for _ in range(50)]
    RunUsage.objects.bulk_create(
        RunUsage(run=run, sampled_at=now, samples=_SAMPLES, **kinds[n % len(kinds)]) for n, run in enumerate(runs)
    )
    return {run.object_name: run.pk for run in runs}


def _histograms(draw: random.Random) -> dict[str, Any]:
    from desktops.models.usage_histogram import bucket_of

    both = zip(*(map(bucket_of, _use(draw)) for _ in range(_SAMPLES)), strict=True)
    return dict(zip(("cpu_histogram", "memory_histogram"), map(Counter, both), strict=True))


def _use(draw: random.Random) -> tuple[float, float]:
    """Return cores and MiB."""
    return draw.lognormvariate(-3, 1), draw.gauss(600, 100)


def _pod_metrics(name: str, cpu: float, memory_mib: float) -> dict[str, Any]:
    """Return what a metrics server says about a desktop's pod."""
    labels = {"podesk/installation": "podesk", "podesk/desktop": name.removeprefix("vnc-"), "podesk/run": "1"}
    times = {"timestamp": "2026-11-29T09:00:00Z", "window": "15.012s"}
    meta = {"name": name, "namespace": "vnc-pods", "creationTimestamp": "2026-11-29T09:00:00Z", "labels": labels}
    usage = {"cpu": f"{int(cpu * 1e9)}n", "memory": f"{int(memory_mib * 1024)}Ki"}
    return {"metadata": meta, **times, "containers": [{"name": "desktop", "usage": usage}]}


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
    if pool := getattr(connections["default"], "pool", None):
        pool.close()
