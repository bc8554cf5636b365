"""ApacheBench, and what it says."""

import csv
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answers:
    requests: int
    failed: int  # cut off, or not answered; not those with another status than 2xx
    other_than_2xx: int
    per_second: float
    milliseconds: dict[int, float]  # by percent: so many were answered within
    said: str  # all of it

    @property
    def table(self) -> str:
        return ", ".join(f"{percent} %: {took:.1f} ms" for percent, took in self.milliseconds.items())


def ab(url: str, *options: str, requests: int, at_once: int) -> Answers:
    """Raises AssertionError with what it said when it gave up."""
    with tempfile.TemporaryDirectory(prefix="podesk-ab-") as folder:
        percentiles = Path(folder) / "percentiles.csv"
        # -l: answers may differ in length. -s: seconds for one answer.
        command = ["ab", "-l", "-s", "60", "-e", str(percentiles), "-n", str(requests), "-c", str(at_once)]
        done = subprocess.run([*command, *options, url], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        rows = list(csv.reader(percentiles.read_text().splitlines()))[1:]
    times = {int(percent): float(took) for percent, took in rows}
    return Answers(
        requests=int(_number(done.stdout, "Complete requests")),
        failed=int(_number(done.stdout, "Failed requests")),
        other_than_2xx=int(_number(done.stdout, "Non-2xx responses")),
        per_second=_number(done.stdout, "Requests per second"),
        milliseconds={percent: times[percent] for percent in (50, 90, 95, 99)},
        said=done.stdout,
    )


def _number(said: str, name: str) -> float:
    """Zero for what it only tells when there is some."""
    found = re.search(rf"^{name}:\s+([\d.]+)", said, re.MULTILINE)
    return float(found[1]) if found else 0
