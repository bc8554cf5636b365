"""List all benchmarks: what each measures, which tools it needs, and which limits it must keep."""

from dataclasses import dataclass

from bench import needs


@dataclass(frozen=True)
class Benchmark:
    name: str  # `python -m bench.<name>`
    measures: str
    limit: str
    tools: tuple[str, ...]


BENCHMARKS = (
    Benchmark(
        "relay",
        "throughput, latency, CPU and memory of the relay, compared with websockify and plain TCP",
        "ratio to websockify for each figure; memory while a browser reads nothing",
        ("redis-server", "websockify"),
    ),
    Benchmark(
        "launch",
        "click on Launch to first pixels, compared with the same session from a shell",
        "at most 1.15 x the shell's time + 150 ms",
        ("redis-server", "Xvnc"),
    ),
    Benchmark(
        "cut",
        "click on Sign out until the last stream is closed",
        "under one second",
        ("redis-server", "Xvnc"),
    ),
    Benchmark(
        "api",
        "GET of a desktop over the API, compared with a bare Django view with the same JSON",
        "at most 1.6 x the bare view's time",
        ("ab", "PostgreSQL", "redis-server"),
    ),
    Benchmark(
        "metrics",
        "CPU of a scrape of each process with 10,000 desktops, compared with a process without metrics of its own",
        "at most 10 ms of CPU for a scrape",
        ("redis-server",),
    ),
    Benchmark(
        "overview",
        "CPU of the overview of the administration with 10,000 desktops, home folders and runs",
        "at most 300 ms of CPU",
        ("redis-server",),
    ),
    Benchmark(
        "usage",
        "CPU of one round of usage samples of 10,000 desktops, compared with the same JSON and one bare UPDATE",
        "at most 250 ms of the controller's CPU, and 2.5 x the bare UPDATE's",
        ("PostgreSQL", "redis-server"),
    ),
    Benchmark(
        "backup",
        "backups of 1 GiB in 10,000 files, and a restore, compared with `tar`",
        "second backup at most 0.25 x the first; restore at most 2 x `tar -x`",
        ("restic",),
    ),
    Benchmark(
        "backup.keystrokes",
        "keystroke to pixel in a running desktop during a backup of 1 GiB, compared with quiet",
        "at most 1.3 x the time in quiet, median and p95",
        ("restic", "Xvnc"),
    ),
    Benchmark(
        "cluster.launch",
        "click to first pixels on a cluster, compared with the same objects by `kubectl apply`",
        "at most 1.15 x kubectl's time + 300 ms",
        ("kubectl", "KUBECONFIG", "redis-server"),
    ),
    Benchmark(
        "cluster.storm",
        "many launches at once, each by another user, with four workers, on a cluster",
        "one pod for each desktop",
        ("kubectl", "KUBECONFIG", "PostgreSQL", "redis-server"),
    ),
)
BY_NAME = {each.name: each for each in BENCHMARKS}


def refuse_without_tools(name: str) -> None:
    """Exit with a message if a tool that the benchmark needs is missing."""
    needs.refuse_without(name, BY_NAME[name].tools)
