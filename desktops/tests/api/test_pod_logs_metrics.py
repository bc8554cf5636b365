"""Tests of `GET pods/<pod_name>/logs` and `…/metrics` with a real desktop of the local runtime."""

import pytest

from desktops import runtimes
from desktops.lifecycle.jobs import start_desktop
from desktops.models import Status
from desktops.tests.support.api_client import fields, script_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desktop(alice, make_desktop, runtime, wait_for):
    row = make_desktop(alice, status=Status.PENDING)
    start_desktop(str(row.pk))
    wait_for(lambda: (seen := runtime.observe(row.object_name)) and seen.phase == "ready", 30)
    type(row).objects.update(status=Status.RUNNING)
    return row


def test_of_one_that_runs(alice, desktop):
    script = script_of(alice)
    body = script.get(f"pods/{desktop.object_name}/logs").json()
    assert body["pod_name"] == desktop.object_name
    assert body["logs"].strip()
    last = script.get(f"pods/{desktop.object_name}/logs?tail_lines=1").json()["logs"]
    assert "\n" not in last.strip()
    metrics = script.get(f"pods/{desktop.object_name}/metrics").json()["metrics"]
    assert set(metrics) == {"cpu", "memory_mib", "cpu_limit", "memory_limit_mib"}
    assert metrics["memory_mib"] > 1


def test_of_one_that_does_not_run(alice, make_desktop):
    name = make_desktop(alice).object_name
    assert script_of(alice).get(f"pods/{name}/logs").json() == {"pod_name": name, "logs": ""}
    assert script_of(alice).get(f"pods/{name}/metrics").json() == {"pod_name": name, "metrics": None}


@pytest.mark.parametrize("lines", ["0", "-1", "5001", "many", "1e3", ""])
def test_nonsense_names_the_field(alice, make_desktop, lines):
    answer = script_of(alice).get(f"pods/{make_desktop(alice).object_name}/logs?tail_lines={lines}")
    assert (answer.status_code, fields(answer)) == (422, ["tail_lines"])


@pytest.mark.parametrize("part", ["logs", "metrics"])
def test_the_cluster_does_not_answer(alice, make_desktop, settings, part, monkeypatch, tmp_path):
    """Use a real client and an address at which nothing answers."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    settings.DESKTOP_RUNTIME = "kubernetes"
    runtimes.get_runtime.cache_clear()
    try:
        name = make_desktop(alice, status=Status.RUNNING).object_name
        answer = script_of(alice).get(f"pods/{name}/{part}")
    finally:
        settings.DESKTOP_RUNTIME = "local"
        runtimes.get_runtime.cache_clear()
    assert (answer.status_code, answer.json()["slug"]) == (503, "runtime_away")
    assert int(answer["Retry-After"]) > 0


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nobody
contexts: [{name: nobody, context: {cluster: nobody, user: nobody}}]
clusters: [{name: nobody, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: nobody, user: {token: none}}]
"""


@pytest.mark.parametrize("part", ["logs", "metrics"])
def test_who_may_not(alice, bob, admin, make_desktop, part):
    address = f"pods/{make_desktop(alice).object_name}/{part}"
    assert [script_of(user).get(address).status_code for user in (bob, admin, None)] == [404, 404, 401]
    assert script_of(alice).post(address).status_code == 405
