"""The metrics of a whole Podesk that people use: all are documented, and none contains a person or a desktop."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import Metric
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support import metrics
from tests.support.page_client import Visitor
from tests.support.running_podesk import Portal, free_port, podesk, running, wait_for

pytestmark = pytest.mark.once

PERSON, PASSWORD = "quentin.quill", "a long enough password 7"
PARTS = ("web", "worker", "controller")
# Labels of few values that are known in advance. `le` is the upper limit of a histogram's bucket.
LABELS = {
    *("version", "python", "implementation", "major", "minor", "patchlevel", "generation", "le"),
    *(
        "route",
        "method",
        "code",
        "limit",
        "result",
        "reason",
        "state",
        "phase",
        "function",
        "kind",
        "direction",
        "status",
    ),
    *("image", "range", "resource", "type", "dependency", "percent"),
}
TARGET_LABELS = {"job", "instance", "namespace", "pod", "container", "component"}  # Prometheus would rename ours


def three_free_ports() -> int:
    """Return the first of three ports that are probably free."""
    return min(free_port(), 65533)  # the kernel gives random ones, so the next two are usually free


class Driven:
    """A portal that a person has used, and the metrics of its processes."""

    def __init__(self, portal: Portal, first_port: int) -> None:
        self.portal, self.ports = portal, {name: first_port + number for number, name in enumerate(PARTS)}
        self.secrets = [PERSON, *self._use()]
        wait_for(self._worker_is_seen)
        self.texts = {name: metrics.text(port) for name, port in self.ports.items()}
        self.found = {name: metrics.parse(text) for name, text in self.texts.items()}

    def _use(self) -> list[str]:
        """Sign in and act as a person, and return what identifies them."""
        create = f"from accounts.models import User; User.objects.create_user('{PERSON}', password='{PASSWORD}')"
        assert self.portal.manage("shell", "-c", create).returncode == 0
        visitor = Visitor(self.portal.url)
        visitor.http.get("/accounts/login/")
        visitor.post("/accounts/login/", username=PERSON, password="wrong")
        visitor.sign_in(PERSON, PASSWORD)
        visitor.http.get(f"/desktops/{PERSON}/")
        visitor.http.get("/api/v1/pods", headers={"X-User-Token": "nonsense"})
        desktop = visitor.launch()
        wait_for(self._is_running)
        self._open_screen(visitor, desktop)
        ((pod, user_id),) = self.portal.query("SELECT object_name, owner_id FROM desktops_desktop")
        visitor.http.get(f"/api/v1/pods/{pod}", headers={"X-User-Token": "nonsense"})
        visitor.act(desktop, "stop")
        wait_for(lambda: not self._is_running())
        return [pod, str(UUID(str(user_id))), str(UUID(desktop)), UUID(desktop).hex]

    def _open_screen(self, visitor: Visitor, desktop: str) -> None:
        """Open the screen, sign out elsewhere, and wait until the proxy has closed it."""
        granted = visitor.post(f"/desktops/{desktop}/session-token/").json()
        address = self.portal.url.replace("http", "ws") + granted["path"]
        with connect(address, subprotocols=["binary", f"podesk.token.{granted['token']}"], compression=None) as screen:
            for answer in (b"RFB 003.008\n", b"\1", b"\0"):  # until ServerInit: then the proxy hears of sign-outs
                screen.recv(timeout=10)
                screen.send(answer)
            screen.recv(timeout=10)
            visitor.post("/accounts/logout/")
            with pytest.raises(ConnectionClosed):
                while True:
                    screen.recv(timeout=10)
        visitor.http.get("/accounts/login/")
        visitor.sign_in(PERSON, PASSWORD)

    def _is_running(self) -> bool:
        return bool(self.portal.query("SELECT 1 FROM desktops_desktop WHERE status = 'running'"))

    def _worker_is_seen(self) -> bool:
        """Return whether the controller has computed the installation's numbers since the worker started."""
        found = metrics.ours(metrics.scrape(self.ports["controller"]))
        return [each.value for each in found["podesk_workers"].samples] == [1.0]

    def exposed(self) -> dict[str, list[Metric]]:
        """Return Podesk's own metrics of all processes by name."""
        names: dict[str, list[Metric]] = {}
        for found in self.found.values():
            for name, metric in metrics.ours(found).items():
                names.setdefault(name, []).append(metric)
        return names


@pytest.fixture(scope="module")
def driven() -> Iterator[Driven]:
    with tempfile.TemporaryDirectory(prefix="podesk-metrics-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        port = three_free_ports()
        with running(Path(made) / "data", METRICS_PORT=str(port)) as portal:
            yield Driven(portal, port)


def test_each_metric_is_documented_and_each_documented_one_exists(driven):
    assert set(driven.exposed()) == set(metrics.documented())


def test_kinds_and_labels_are_those_of_the_page(driven):
    for name, found in driven.exposed().items():
        row = metrics.documented()[name]
        for metric in found:
            assert metric.type == row.kind, name
            assert metrics.labels_of(metric) <= {row.labels}, name


def test_labels_are_on_the_list(driven):
    labels = {
        label for found in driven.found.values() for metric in found for each in metric.samples for label in each.labels
    }
    assert labels <= LABELS
    assert not labels & TARGET_LABELS


def test_no_value_identifies_a_person_or_a_desktop(driven):
    assert [(name, word) for name, text in driven.texts.items() for word in driven.secrets if word in text] == []


def test_names_follow_the_rules(driven):
    """Units in the name, and only counters end with `_total`; the strict parser has checked the rest."""
    for name, (metric, *_) in driven.exposed().items():
        assert name.endswith("_total") is (metric.type == "counter"), name
        assert "seconds" in name or metric.type != "histogram", name
        assert metric.documentation.endswith("."), name


def test_use_is_seen(driven):
    web = metrics.ours(driven.found["web"])
    routes = {each.labels.get("route") for each in web["podesk_http_requests_total"].samples}
    assert {"accounts:login", "desktops:home"} <= routes
    failed = {each.labels["result"]: each.value for each in web["podesk_failed_logins_total"].samples}
    refused = {each.labels["reason"]: each.value for each in web["podesk_tokens_refused_total"].samples}
    assert (failed, refused) == ({"wrong_password": 1.0, "locked": 0.0}, {"malformed": 2.0})


def test_launch_is_seen_where_it_happens(driven):
    worker, controller = (metrics.ours(driven.found[name]) for name in ("worker", "controller"))
    jobs = {each.labels["function"] for each in worker["podesk_job_seconds"].samples if each.name.endswith("_count")}
    assert {"start_desktop", "stop_desktop"} <= jobs
    (launch,) = [each for each in controller["podesk_launches_total"].samples if each.value]
    assert (launch.labels, launch.value) == ({"result": "ready", "reason": ""}, 1.0)
    phases = {each.labels["phase"] for each in controller["podesk_launch_phase_seconds"].samples}
    assert {"starting", "created", "started", "ready", "running"} >= phases >= {"created", "ready"}
    assert [each.value for each in controller["podesk_controller_leader"].samples] == [1.0]
    answers = {each.labels["dependency"]: each.value for each in controller["podesk_dependency_up"].samples}
    assert answers == {"redis": 1.0, "database": 1.0, "runtime": 1.0}


def test_screen_is_seen(driven):
    web = metrics.ours(driven.found["web"])
    ends = [(each.labels, each.value) for each in web["podesk_stream_ends_total"].samples]
    assert ends == [({"kind": "vnc", "reason": "logged_out"}, 1.0)]
    counted = {each.name: each.value for each in web["podesk_stream_disconnect_seconds"].samples if not each.labels}
    assert counted["podesk_stream_disconnect_seconds_count"] == 1
    assert 0 < counted["podesk_stream_disconnect_seconds_sum"] < 5


def test_terminal_says_where_they_are(driven):
    addresses = [f"http://127.0.0.1:{port} ({name})" for name, port in driven.ports.items()]
    assert f"Metrics: {', '.join(addresses)}\n" in driven.portal.printed


@pytest.mark.parametrize("port", ["65534", "-1", "many"])
def test_port_without_room_for_three_is_one_sentence(tmp_path, port):
    said = podesk("run", "--data", str(tmp_path / "data"), METRICS_PORT=port)
    assert said.returncode == 1
    assert said.stderr == f"podesk: METRICS_PORT is '{port}'; expected 0, or the first of 3 free ports.\n"
