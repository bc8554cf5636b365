"""Read what the portal's processes logged: cluster calls and jobs in their logs, statements in PostgreSQL's."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

_STATEMENT = re.compile(rb"^(\w+)\|LOG:  (?:statement|execute [^:]*): (SELECT|INSERT|UPDATE|DELETE)", re.MULTILINE)
_JOB = re.compile(r"desktops: (?:desktops\.lifecycle\.jobs\.(\w+)\(|(Job OK) )")


@dataclass
class Job:
    work: str
    began: float  # time.time()
    ended: float = 0.0
    calls: float = 0.0  # seconds of it spent in the cluster's API
    count: int = 0

    @property
    def seconds(self) -> float:
        """Return the seconds for which the job occupied a worker."""
        return self.ended - self.began


@dataclass
class LogRecords:
    """The records of one or several processes."""

    calls: Counter[str] = field(default_factory=Counter)  # by method and kind
    milliseconds: list[float] = field(default_factory=list)  # for each completed call
    repeated: int = 0  # calls that the API postponed or did not answer
    jobs: list[Job] = field(default_factory=list)

    def add(self, lines: list[dict[str, Any]]) -> None:
        job = None
        for line in lines:
            event = str(line.get("event", ""))
            if event == "cluster_call":
                self._called(line, job)
            elif event == "cluster_call_repeated":
                self.repeated += 1
            elif found := _JOB.search(event):
                at = datetime.fromisoformat(line["timestamp"]).timestamp()
                if found[1]:
                    job = Job(found[1], at)
                elif job:
                    job.ended = at
                    self.jobs.append(job)
                    job = None

    def _called(self, line: dict[str, Any], job: Job | None) -> None:
        self.calls[f"{line['method']} {line['kind']}"] += 1
        self.milliseconds.append(line["milliseconds"])
        if job:
            job.calls += line["milliseconds"] / 1000
            job.count += 1


class Log:
    """A growing file, read from where the last read ended."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0

    def new(self) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._seen)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._seen += len(whole)
        return whole

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.new().splitlines() if line.startswith(b"{")]


def statements(text: bytes) -> Counter[str]:
    """Count reads and writes by connection name, without BEGIN, COMMIT and SAVEPOINT."""
    return Counter(who.decode() for who, _ in _STATEMENT.findall(text))
