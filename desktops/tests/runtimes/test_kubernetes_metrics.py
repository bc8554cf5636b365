"""Calls to a cluster are counted by verb, kind and code, and broken watches by kind."""

import pytest
from prometheus_client import Counter, Histogram

from desktops.runtimes.base import Deadline, RuntimeUnknown
from desktops.runtimes.kubernetes import informer, metrics
from desktops.runtimes.kubernetes.client import ApiClient, ApiRefused, ApiRequest
from desktops.runtimes.kubernetes.informer import Informer
from desktops.runtimes.kubernetes.operations import path
from desktops.tests.support.faulty_api_server import refuses, resets, says, serving
from desktops.tests.support.runtime_specs import until
from tests.support.metrics import documented, value


@pytest.fixture
def server(monkeypatch, tmp_path):
    with serving(says(200, {"items": [], "metadata": {"resourceVersion": "1"}})) as made:
        monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig(tmp_path)))
        yield made


def count(verb: str, kind: str, code: str) -> float:
    return value("podesk_cluster_calls_total", verb=verb, kind=kind, code=code)


@pytest.mark.parametrize(
    ("request_", "verb", "kind"),
    [
        (ApiRequest("GET", path("Pod", "here")), "list", "pods"),
        (ApiRequest("GET", path("Pod", "here"), {"watch": "1"}), "watch", "pods"),
        (ApiRequest("GET", path("Secret", "here", "vnc-alice")), "get", "secrets"),
        (ApiRequest("GET", path("Pod", "here", "vnc-alice", "log")), "get", "pods"),
        (ApiRequest("GET", path("Node", "here")), "list", "nodes"),
        (ApiRequest("POST", path("Ingress", "here"), body={}), "create", "ingresses"),
        (ApiRequest("PATCH", path("Secret", "here", "vnc-alice"), body={}), "patch", "secrets"),
        (ApiRequest("DELETE", path("Pod", "here", "vnc-alice"), body={}), "delete", "pods"),
    ],
)
def test_counted_by_verb_and_kind(server, request_, verb, kind):
    before = count(verb, kind, "200")
    ApiClient().call(request_, Deadline.after(5))
    assert count(verb, kind, "200") == before + 1
    assert value("podesk_cluster_call_seconds_count", verb=verb, kind=kind) >= 1


def test_each_try_is_counted_with_its_code(server):
    before = count("get", "pods", "404"), count("get", "pods", "none")
    server.script[:] = [resets, refuses(404, "NotFound")]
    with pytest.raises(ApiRefused):
        ApiClient().call(ApiRequest("GET", path("Pod", "here", "vnc-x")), Deadline.after(5))
    assert (count("get", "pods", "404"), count("get", "pods", "none")) == (before[0] + 1, before[1] + 1)


def test_no_cluster_at_all_is_counted(server):
    server.server_close()
    before = count("get", "pods", "none")
    with pytest.raises(RuntimeUnknown):
        ApiClient().call(ApiRequest("GET", path("Pod", "here", "vnc-x")), Deadline.after(0.3))
    assert count("get", "pods", "none") > before


def test_broken_watches(server, monkeypatch):
    monkeypatch.setattr(informer, "LONGEST_PAUSE", 0.2)
    before = value("podesk_watch_restarts_total", kind="events")
    server.script[:] = [refuses(403)]
    watch = Informer(ApiClient(), "here", "test")
    next(watch.names(0.1), None)
    try:
        until(lambda: value("podesk_watch_restarts_total", kind="events") > before, what="a restart")
    finally:
        watch.close()


def test_page_has_all_of_them():
    """The kinds and labels are those of docs/metrics.md."""
    made = [each for each in vars(metrics).values() if isinstance(each, Counter | Histogram)]
    families = {each.describe()[0].name + "_total" * (each._type == "counter"): each for each in made}
    found = {name: (each._type, set(each._labelnames)) for name, each in families.items()}
    assert found == {name: (row.kind, set(row.labels)) for name, row in documented(cluster=True).items()}
