"""Run ApacheBench and parse its output."""

import csv
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answers:
    requests: int
    failed: int  # interrupted or not answered; does not include statuses other than 2xx
    other_than_2xx: int
    per_second: float
    milliseconds: dict[int, float]  # percentile: time in which so many percent were answered
    said: str  # the whole output

    @property
    def table(self) -> str:
        return ", ".join(f"{percent} %: {took:.1f} ms" for percent, took in self.milliseconds.items())


def ab(url: str, *options: str, requests: int, at_once: int) -> Answers:
    """Send requests and return the results. Raises AssertionError with the output if ApacheBench fails."""
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
    """Return the number in this line, or zero: ApacheBench omits some lines that would be zero."""
    found = re.search(rf"^{name}:\s+([\d.]+)", said, re.MULTILINE)
    return float(found[1]) if found else 0
