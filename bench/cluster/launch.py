"""Compare a launch on a cluster, from click to first pixels, with `kubectl apply` of the same objects, in one run.

    KUBECONFIG=... python -m bench.cluster.launch [--rounds 10]

Starts all of Podesk as `./podesk run` does, with its desktops in a separate namespace, and writes
bench/results/cluster-launch.md. Each launch is cold: a new volume, a new pod; the image is on the node. Rounds
alternate. Limit: at most 1.15 x kubectl's time + 300 ms, medians.
"""

import secrets
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bench.catalogue import refuse_without_tools
from bench.cluster.baseline import CORES, Baseline
from bench.cluster.pod_watcher import PodWatcher, Times
from bench.cluster.records import Log
from bench.launch.click import Browser
from bench.report import LimitCheck, Report, ms, publish, rounds_asked
from tests.support.cluster.kubectl import Kube
from tests.support.cluster.podesk_outside import Driven, driving

FACTOR, EXTRA = 1.15, 0.300  # of kubectl's time; seconds
CALM = 4.0  # seconds before each measurement, in which the cluster deletes what the previous one left
EGRESS_EXCEPT = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
STEPS = {  # in order; the labels of `kubectl apply` replace those of the portal
    "answered": "answered",
    "accepted by a worker": "",
    "other objects created": "",
    "pod created": "pod created",
    "last call of the start": "",
    "scheduled": "scheduled",
    "first process": "first process",
    "reported running": "reported running",
    "reported ready": "reported ready",
    "row is running": "",
    "page updated": "",
    "first pixels": "first pixels",
}


class Podesk:
    def __init__(self, driven: Driven, watcher: PodWatcher) -> None:
        self._driven, self._watcher = driven, watcher
        self._browser = Browser(driven.portal.url, driven.portal.password)
        self._worker = Log(driven.portal.data / "logs/worker.log")

    def launch(self) -> tuple[str, Times]:
        self._worker.new()
        try:
            desktop, since = self._browser.launch()
        except Exception:
            print(self._evidence(), file=sys.stderr)
            raise
        clicked = self._browser.clicked
        times = {"click": clicked, "answered": clicked + since["answered"], "page updated": clicked + since["running"]}
        times["first pixels"] = clicked + since["first pixels"]
        times |= self._watcher.times(self._driven.name(desktop))
        return desktop, times | self._calls() | self._row()

    def delete(self, desktop: str) -> None:
        self._driven.delete(desktop)

    def _evidence(self) -> str:
        """Return the warnings of the web process, the cluster's messages, and the desktop's log."""
        web = (self._driven.portal.data / "logs/web.log").read_text().splitlines()
        complaints = [line for line in web if '"warning"' in line or '"error"' in line]
        of_ours = ("--selector", f"podesk/installation={self._driven.kube.namespace}", "--timestamps")
        log = self._driven.kube.run("logs", *of_ours, check=False)
        return "\n".join([*complaints, self._driven.evidence(), log.stdout])

    def _calls(self) -> Times:
        """Return the times of the worker's cluster calls, from its log."""
        made = [line for line in self._worker.lines() if line.get("event") == "cluster_call"]
        ended = [(datetime.fromisoformat(line["timestamp"]).timestamp(), line["method"], line["kind"]) for line in made]
        pod = next(index for index, (_, method, kind) in enumerate(ended) if (method, kind) == ("POST", "pods"))
        return {"other objects created": ended[pod - 1][0], "last call of the start": ended[-1][0]}

    def _row(self) -> Times:
        """Return the times in the desktop's timeline."""
        kinds = {"starting": "accepted by a worker", "running": "row is running"}
        found = self._driven.portal.query("SELECT kind, at FROM desktops_desktopevent")
        return {kinds[kind]: _timestamp(at) for kind, at in found if kind in kinds}


def _timestamp(at: str | datetime) -> float:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.replace(tzinfo=UTC).timestamp()


def measure(kube: Kube, rounds: int) -> tuple[list[Times], list[Times]]:
    watcher, baseline = PodWatcher(kube.namespace), Baseline(kube, EGRESS_EXCEPT)
    applied, clicked = [], []
    with driving(kube, LOG_LEVEL="DEBUG", LOG_FORMAT="json") as driven:
        driven.shell(f"from desktops.models import DesktopSize; DesktopSize.objects.update(cpu='{CORES}')")
        podesk = Podesk(driven, watcher)
        for number in range(rounds + 1):  # the first round is a warm-up
            time.sleep(CALM)
            name, text, below = baseline.launch()
            below = _since_click(below | watcher.times(name))
            baseline.delete(text)
            time.sleep(CALM)
            desktop, above = podesk.launch()
            podesk.delete(desktop)
            above = _since_click(above)
            rounded = {step: round(above[step], 2) for step in STEPS}
            print(f"round {number}: kubectl {below['first pixels']:.2f} s, click {rounded}", file=sys.stderr)
            if number:
                applied.append(below)
                clicked.append(above)
    return applied, clicked


def _since_click(times: Times) -> Times:
    return {step: at - times["click"] for step, at in times.items()}


@contextmanager
def namespace() -> Iterator[Kube]:
    kube = Kube(f"test-{secrets.token_hex(4)}")
    kube.make_namespace()
    try:
        yield kube
    finally:
        kube.forget_namespace()


def report(applied: list[Times], clicked: list[Times]) -> Report:
    lines = ["| seconds after the click until | median | 95 % | `kubectl apply` | 95 % |", "|---|---|---|---|---|"]
    for step, same in STEPS.items():
        baseline = _cells([each[same] for each in applied]) if same else "| "
        lines.append(f"| {step} | {_cells([each[step] for each in clicked])} | {baseline} |")
    limit = FACTOR * statistics.median(each["first pixels"] for each in applied) + EXTRA
    took = statistics.median(each["first pixels"] for each in clicked)
    check = LimitCheck(f"first pixels within {limit:.2f} s after the click, but they took {took:.2f} s", took <= limit)
    lines.append(f"| limit: {FACTOR} x `kubectl apply` + {ms(EXTRA)} | {limit:.2f} | {check.verdict} | | |")
    return Report("cluster.launch", [*lines, "", NOTE], [check])


def main() -> int:
    rounds = rounds_asked(__doc__, 10)
    refuse_without_tools("cluster.launch")
    with namespace() as kube:
        applied, clicked = measure(kube, rounds)
    return publish(report(applied, clicked), rounds)


NOTE = (
    "For `kubectl apply`, *answered* is when the command returned, *first pixels* when the RFB banner answered at the "
    "Service's address. *Scheduled* and *reported …* are when a separate watch received the change. *First process* "
    "is the time that the kernel reports."
)


def _cells(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} | {_p95(values):.2f}"


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    sys.exit(main())
