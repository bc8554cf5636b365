"""The API on a real cluster: the commands of curl_examples word for word, and many launches at once."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.apache_bench import Answers, ab
from tests.support.cluster.deployed_podesk import Deployed
from tests.support.curl_examples import CREATE, DELETE, LOGS, STATUS
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster

WANTED = {"resource_quota": {"cpu": "1", "memory": "512Mi"}}
UNLIMITED = ("API_RATE_CREATE", "API_RATE_ADDRESS")


class Script:
    """A shell with curl and a token."""

    def __init__(self, deployed: Deployed, home: Path) -> None:
        self._deployed, self._home = deployed, home
        (home / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')  # commands stay as written
        self._http = httpx.Client(base_url=f"{deployed.url}/api/v1", timeout=60)
        login = {"username": "admin", "password": deployed.password}
        self.token = self._http.post("/auth/token", json=login).raise_for_status().json()["token"]
        self._http.headers["X-User-Token"] = self.token

    def __call__(self, command: str, pod: str = "") -> tuple[int, Any]:
        """Run the command and return the status and the JSON of the answer."""
        yours = {
            "http://vnc-api.example.com": self._deployed.url,
            "your-token-here": self.token,
            "vnc-user-12345": pod,
        }
        for theirs, mine in yours.items():
            command = command.replace(theirs, mine)
        environment = {"CURL_HOME": str(self._home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body)

    def has(self, pod: str, status: str) -> bool:
        return self(STATUS, pod)[1].get("status") == status

    def waits_for(self, pod: str, status: str) -> None:
        try:
            wait_for(lambda: self.has(pod, status), 170)
        except AssertionError:
            said = f"{self(STATUS, pod)}\n{self._deployed.evidence('web', 'worker', 'controller')}"
            raise AssertionError(f"not {status}: {said}") from None

    def metrics(self, pod: str) -> dict[str, Any] | None:
        """Return the metrics, or None before the cluster has measured them or while it takes too long to answer."""
        response = self._http.get(f"/pods/{pod}/metrics")
        if response.status_code == 503:
            return None
        answer = response.raise_for_status().json()
        assert answer["pod_name"] == pod
        return answer["metrics"]

    def clear(self) -> None:
        """Delete all desktops with their files."""
        for pod in self._http.get("/pods").raise_for_status().json()["results"]:
            gone = self._http.delete(f"/pods/{pod['pod_name']}", params={"keep_data": "false", "wait": 50})
            assert gone.status_code == 200, gone.text

    def rows(self) -> list[dict[str, Any]]:
        return list(self._http.get("/pods").raise_for_status().json()["results"])


@pytest.fixture(scope="module")
def script(deployed, tmp_path_factory) -> Script:
    return Script(deployed, tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def nothing_left(script) -> Iterator[None]:
    script.clear()
    yield
    script.clear()


def resources(deployed: Deployed, pod: str) -> dict[str, dict[str, str]]:
    (found,) = [each for each in deployed.desktops.list("pods") if each["metadata"]["name"] == pod]
    return dict(found["spec"]["containers"][0]["resources"])


# --- 6.1 ---


def test_four_commands_as_written(script, deployed):
    status, made = script(CREATE)
    assert (status, made["status"]) == (202, "created")
    pod = made["pod_name"]
    assert made["access_info"]["url"].startswith("http")
    script.waits_for(pod, "running")
    assert resources(deployed, pod)["limits"] == {"cpu": "2", "memory": "4Gi"}
    assert resources(deployed, pod)["requests"] == {"cpu": "200m", "memory": "4Gi"}  # the overlay's share
    status, again = script(CREATE)
    assert (status, again["status"]) == (200, "exists")

    status, seen = script(STATUS, pod)
    assert (status, seen["pod_name"], seen["status"]) == (200, pod, "running")
    assert {name: seen["resource_quota"][name] for name in ("cpu", "memory")} == {"cpu": "2", "memory": "4Gi"}

    status, logs = script(LOGS, pod)
    assert status == 200
    assert logs["logs"].strip()
    assert script(LOGS.replace("/logs", "/logs?tail_lines=1"), pod)[1]["logs"].strip().count("\n") == 0

    measured: list[dict[str, Any]] = []
    wait_for(lambda: measured.extend(filter(None, [script.metrics(pod)])) or measured, 120)
    used = measured[0]
    assert (used["cpu_limit"], used["memory_limit_mib"]) == (2, 4096)
    assert 0 <= used["cpu"] <= 2.2
    assert 5 < used["memory_mib"] <= 4096

    claims = deployed.claims()
    assert script(DELETE, pod)[0] == 202
    wait_for(lambda: script(STATUS, pod)[0] == 404, 120)
    assert deployed.desktops.list("pods") == []
    assert deployed.claims() == claims  # files are kept by default


# --- 6.2 ---


def web_pods(deployed: Deployed) -> list[dict[str, Any]]:
    return deployed.system.list("pods", "app.kubernetes.io/component=web")


class Load:
    """The load of `ab -n 1000 -c 50` on create, with one token."""

    def __init__(self, script: Script, deployed: Deployed, body: Path) -> None:
        self._script, self._deployed, self._body = script, deployed, body
        body.write_text(json.dumps(WANTED))

    def run(self) -> tuple[Answers, Counter[int]]:
        """Return the results of ab, and the statuses in the logs of the web pods."""
        began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        token = ("-H", f"X-User-Token: {self._script.token}")
        posted = ("-p", str(self._body), "-T", "application/json")
        answers = ab(f"{self._deployed.url}/api/v1/pods/create", *posted, *token, requests=1000, at_once=50)
        return answers, self._logged(began)

    def _logged(self, since: str) -> Counter[int]:
        names = [pod["metadata"]["name"] for pod in web_pods(self._deployed)]
        lines = [
            line for name in names for line in self._deployed.system("logs", name, f"--since-time={since}").split("\n")
        ]
        records = [json.loads(line) for line in lines if line.startswith("{")]
        asked = [
            line for line in records if line.get("path") == "/api/v1/pods/create" and line.get("event") == "request"
        ]
        return Counter(line["status"] for line in asked)


@pytest.fixture
def load(script, deployed, tmp_path) -> Load:
    return Load(script, deployed, tmp_path / "body.json")


@pytest.fixture
def without_limits(deployed) -> Iterator[None]:
    deployed.system("set", "env", "deployment/podesk-web", *(f"{name}=0" for name in UNLIMITED))
    deployed.rolled_out("web")
    # An old pod may still answer, and its log would be lost with it.
    wait_for(lambda: not any("deletionTimestamp" in pod["metadata"] for pod in web_pods(deployed)), 90)
    yield
    # There is no need to wait for this roll-out, because the number of ready pods does not drop.
    deployed.system("set", "env", "deployment/podesk-web", *(f"{name}-" for name in UNLIMITED))


def tell(capsys: pytest.CaptureFixture[str], what: str, answers: Answers, logged: Counter[int]) -> None:
    with capsys.disabled():
        counts = ", ".join(f"{count} x {status}" for status, count in sorted(logged.items()))
        print(f"\n{what}: {answers.per_second:.0f} requests per second, {answers.table}; {counts}")


def assert_one_desktop(script: Script, deployed: Deployed) -> None:
    (row,) = script.rows()
    script.waits_for(row["pod_name"], "running")
    assert [pod["metadata"]["name"] for pod in deployed.desktops.list("pods")] == [row["pod_name"]]
    assert len(deployed.claims()) == 1


def test_load_with_the_default_limits(load, script, deployed, capsys):
    answers, logged = load.run()
    tell(capsys, "default limits", answers, logged)
    assert (answers.requests, answers.failed) == (1000, 0)
    assert set(logged) <= {200, 202, 429}
    assert logged.total() == 1000
    assert answers.other_than_2xx == logged[429] > 0
    assert 0 < logged[200] + logged[202] <= 120  # 60 a minute, and the load may reach into the next minute
    assert_one_desktop(script, deployed)


def test_load_without_limits(without_limits, load, script, deployed, capsys):
    answers, logged = load.run()
    tell(capsys, "limits raised", answers, logged)
    assert (answers.requests, answers.failed, answers.other_than_2xx) == (1000, 0, 0)
    assert set(logged) <= {200, 202}
    assert logged.total() == 1000
    assert_one_desktop(script, deployed)
