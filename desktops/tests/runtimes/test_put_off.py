"""When the cluster delays a start, the worker is free at once, the page gives the reason, and the start is repeated."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import ssh_keys
from accounts.audit import Actor
from accounts.models import User
from desktops.lifecycle import jobs, ssh_key_sync
from desktops.models import Desktop, Status
from desktops.runtimes import get_runtime
from desktops.tests.lifecycle.test_ssh_key_sync import KEY
from desktops.tests.support.faulty_api_server import Answer, Handler, refuses, says, serving


class EndingPod:
    """A cluster in which the pod of an earlier run ends slowly."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.answer_all: Answer | None = None  # the answer to every request

    def __call__(self, handler: Handler) -> None:
        if self.answer_all:
            return self.answer_all(handler)
        kind = handler.path.split("?")[0].split("/")[6 if handler.path.startswith("/apis") else 5]
        if handler.command == "POST":
            done = kind == "persistentvolumeclaims"
            return (says(201, {"kind": "made"}) if done else refuses(409, "AlreadyExists"))(handler)
        meta = {"name": "vnc-x", "uid": kind, "labels": self.labels}
        if kind == "pods":
            meta["deletionTimestamp"] = datetime.now(UTC).isoformat()
        return says(200, {"kind": kind, "metadata": meta, "spec": {}, "status": {}})(handler)


@pytest.fixture
def cluster(monkeypatch, tmp_path, settings):
    settings.DESKTOP_RUNTIME = "kubernetes"
    get_runtime.cache_clear()
    cluster = EndingPod()
    with serving(cluster) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        yield cluster
    get_runtime.cache_clear()


@pytest.fixture
def starting(make_desktop, alice, cluster, settings) -> Desktop:
    desktop = make_desktop(alice, status=Status.STARTING, run=2)
    cluster.labels |= {"podesk/installation": settings.INSTALLATION_ID, "podesk/run": "1"}
    cluster.labels |= {"podesk/desktop": str(desktop.pk)}
    return desktop


def test_a_worker_does_not_wait_for_an_earlier_run(starting, put_off):
    began = time.monotonic()
    jobs.start_desktop(str(starting.pk))
    assert time.monotonic() - began < 4
    starting.refresh_from_db()
    assert (starting.status, starting.reason) == (Status.STARTING, "still_stopping")
    assert 0 < put_off()["start_desktop", str(starting.pk)] <= 2


def test_page_reports_an_unavailable_webhook(starting, cluster, put_off):
    cluster.answer_all = refuses(
        500, "InternalError", 'failed calling webhook "policy.example.org": connection refused'
    )
    jobs.start_desktop(str(starting.pk))
    starting.refresh_from_db()
    assert (starting.status, starting.reason) == (Status.STARTING, "admission_away")
    assert put_off()


@pytest.mark.parametrize("refusal", [(503,), (403, "Forbidden", "may not")])
def test_a_removed_key_is_not_forgotten_because_the_cluster_was_away(starting, cluster, queued, monkeypatch, refusal):
    monkeypatch.setattr(jobs, "_SECONDS", 0.3)
    cluster.answer_all = refuses(*refusal)
    Desktop.objects.filter(pk=starting.pk).update(status=Status.RUNNING)
    User.objects.update(ssh_keys_version=7)
    jobs.renew_keys(str(starting.pk))
    ssh_key_sync.queue_renewals()
    assert queued() == [("renew_keys", str(starting.pk))]


@pytest.mark.django_db(transaction=True)
def test_key_added_during_an_update_is_sent_after_it(starting, cluster, alice, queued):
    def slow(handler: Handler) -> None:
        if handler.command == "PATCH":
            ssh_keys.add_key(by=Actor(alice), text=KEY)
            connection.close()
        says(200, {"kind": "Secret", "metadata": {"name": "vnc-x", "labels": cluster.labels}})(handler)

    cluster.answer_all = slow
    Desktop.objects.filter(pk=starting.pk).update(status=Status.RUNNING)
    User.objects.update(ssh_keys_version=7)
    jobs.renew_keys(str(starting.pk))
    starting.refresh_from_db()
    assert starting.ssh_keys_version == 7
    ssh_key_sync.queue_renewals()
    assert queued() == [("renew_keys", str(starting.pk))]


def test_the_longer_it_lasts_the_later_it_comes_again(starting, put_off):
    Desktop.objects.filter(pk=starting.pk).update(status_since=timezone.now() - timedelta(minutes=2))
    jobs.start_desktop(str(starting.pk))
    assert 10 < put_off()["start_desktop", str(starting.pk)] <= 15
