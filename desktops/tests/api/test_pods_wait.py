"""Tests of `?wait=` on a live server with real requests and a real Redis."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx
import pytest
from django.conf import settings
from django.utils import timezone

from accounts import tokens
from accounts.models import IdempotentRequest, User
from core import concurrency
from desktops.lifecycle import jobs, reconcile
from desktops.models import Desktop, Status, Volume
from desktops.tests.support.api_client import script_of
from desktops.tests.support.portal_server import running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ask(live, alice) -> Callable[..., httpx.Response]:
    token = tokens.issue(alice, scope=tokens.TokenScope("script"))

    def send(method: str, path: str, **options) -> httpx.Response:
        options.setdefault("timeout", 30)
        headers = {"X-User-Token": token} | options.pop("headers", {})
        return httpx.request(method, f"http://127.0.0.1:{live.port}/api/v1/{path}", headers=headers, **options)

    return send


@pytest.fixture
def in_background():
    with ThreadPoolExecutor(101) as pool:
        yield pool.submit


def waiting(answer: Future) -> bool:
    time.sleep(0.7)
    return not answer.done()


def row() -> Desktop:
    return Desktop.objects.get()


def test_create_is_answered_when_it_runs(ask, in_background, wait_for):
    answer = in_background(ask, "POST", "pods/create?wait=20", json={})
    wait_for(Desktop.objects.exists)
    assert waiting(answer)
    assert row().move(to=Status.STARTING)
    assert waiting(answer)
    assert row().move(to=Status.RUNNING)
    moved = time.monotonic()
    response = answer.result(10)
    assert time.monotonic() - moved < 1.5  # faster than the next poll, so Redis woke it
    assert (response.status_code, response.json()["status"], response.json()["desktop"]["status"]) == (
        200,
        "created",
        "running",
    )


def test_create_that_fails_is_a_problem_with_its_reason(ask, in_background, wait_for):
    answer = in_background(ask, "POST", "pods/create?wait=20", json={})
    wait_for(Desktop.objects.exists)
    row().move(to=Status.FAILED, reason="image_pull")
    problem = answer.result(10)
    assert (problem.status_code, problem.json()["slug"]) == (409, "image_pull")
    assert problem.json()["detail"] and problem.json()["next_step"]


def test_time_over(ask):
    began = time.monotonic()
    response = ask("POST", "pods/create?wait=1", json={})
    assert (response.status_code, response.json()["desktop"]["status"]) == (202, "pending")
    assert 0.9 < time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("meanwhile", "code", "slug"),
    [
        (lambda desktop: desktop.delete(), 404, "not_found"),
        (lambda desktop: desktop.move(to=Status.STOPPED, reason="by_owner"), 409, "not_running"),
    ],
)
def test_create_that_somebody_ends_meanwhile(ask, in_background, wait_for, meanwhile, code, slug):
    answer = in_background(ask, "POST", "pods/create?wait=20", json={})
    wait_for(Desktop.objects.exists)
    assert waiting(answer)
    meanwhile(row())
    assert (answer.result(10).status_code, answer.result().json()["slug"]) == (code, slug)


def test_wait_ends_when_the_account_is_disabled(ask, in_background, wait_for):
    answer = in_background(ask, "POST", "pods/create?wait=60", json={})
    wait_for(Desktop.objects.exists)
    assert waiting(answer)
    User.objects.update(is_active=False)
    assert answer.result(10).status_code == 202


def test_one_that_is_starting_is_waited_for_too(alice, make_desktop, ask, in_background):
    make_desktop(alice, status=Status.STARTING)
    answer = in_background(ask, "POST", "pods/create?wait=20", json={})
    assert waiting(answer)
    row().move(to=Status.RUNNING)
    assert (answer.result(10).status_code, answer.result().json()["status"]) == (200, "exists")


def test_delete_is_answered_when_it_is_gone(alice, make_desktop, ask, in_background):
    desktop = make_desktop(alice, status=Status.RUNNING)
    answer = in_background(ask, "DELETE", f"pods/{desktop.object_name}?wait=20")
    assert waiting(answer)
    reconcile.reconcile_desktop(row(), None)
    assert (answer.result(10).status_code, answer.result().json()["status"]) == (200, "deleted")


def test_delete_is_answered_when_the_files_are_gone_too(alice, make_desktop, ask, in_background):
    desktop = make_desktop(alice, status=Status.RUNNING)
    answer = in_background(ask, "DELETE", f"pods/{desktop.object_name}?wait=20&keep_data=false")
    assert waiting(answer)
    reconcile.reconcile_desktop(row(), None)
    assert waiting(answer)
    jobs.delete_volume(str(desktop.volume_id))
    gone = time.monotonic()
    assert (answer.result(10).status_code, answer.result().json()["status"]) == (200, "deleted")
    assert time.monotonic() - gone < 1.5  # faster than the next poll, so Redis woke it


def test_delete_whose_files_take_longer_is_under_way(alice, make_desktop, ask, in_background):
    desktop = make_desktop(alice, status=Status.RUNNING)
    answer = in_background(ask, "DELETE", f"pods/{desktop.object_name}?wait=2&keep_data=false")
    assert waiting(answer)
    reconcile.reconcile_desktop(row(), None)
    assert answer.result(10).status_code == 202


@pytest.fixture
def kept(alice, make_desktop) -> Volume:
    volume = make_desktop(alice).volume
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at=timezone.now())
    return volume


def test_deleting_files_is_answered_when_they_are_gone(kept, ask, in_background):
    answer = in_background(ask, "DELETE", f"volumes/{kept.pk}?wait=20")
    assert waiting(answer)
    jobs.delete_volume(str(kept.pk))
    gone = time.monotonic()
    deleted = {"status": "deleted", "id": str(kept.pk), "backup_task": None}
    assert (answer.result(10).status_code, answer.result().json()) == (200, deleted)
    assert time.monotonic() - gone < 1.5  # faster than the next poll, so Redis woke it
    assert ask("DELETE", f"volumes/{kept.pk}?wait=20").status_code == 404


def test_files_that_take_longer_are_under_way(kept, ask, in_background):
    first = ask("DELETE", f"volumes/{kept.pk}?wait=1")
    assert (first.status_code, first.json()["status"]) == (202, "deleted")
    second = in_background(ask, "DELETE", f"volumes/{kept.pk}?wait=20")  # may be sent again meanwhile
    assert waiting(second)
    jobs.delete_volume(str(kept.pk))
    assert second.result(10).status_code == 200


@pytest.mark.parametrize("seconds", ["-1", "301", "x"])
def test_files_are_not_deleted_if_the_wait_is_wrong(kept, ask, seconds):
    assert ask("DELETE", f"volumes/{kept.pk}?wait={seconds}").status_code == 422
    assert not Volume.being_deleted().exists()


def test_deleting_files_needs_a_waiting_slot(kept, alice, ask):
    with ExitStack() as taken:
        for _ in range(settings.API_OPEN["waits"]):
            taken.enter_context(concurrency.waiting_slot(str(alice.pk), 1))
        assert ask("DELETE", f"volumes/{kept.pk}?wait=1").status_code == 429
    assert not Volume.being_deleted().exists()


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("start", Status.STOPPED, Status.RUNNING),
        ("stop", Status.RUNNING, Status.STOPPED),
        ("restart", Status.STOPPED, Status.RUNNING),
    ],
)
def test_buttons_wait_too(alice, make_desktop, ask, in_background, verb, before, after):  # noqa: PLR0917
    desktop = make_desktop(alice, status=before)
    answer = in_background(ask, "POST", f"pods/{desktop.object_name}/{verb}?wait=20")
    assert waiting(answer)
    row().move(to=after)
    assert (answer.result(10).status_code, answer.result().json()["desktop"]["status"]) == (200, after)


@pytest.fixture
def unlimited(live_folder, django_db_setup) -> Iterator[str]:
    """Return the address of a server without limits."""
    with running(live_folder, API_RATE_CREATE="0", API_WAITS="0") as server:
        yield f"http://127.0.0.1:{server.port}/api/v1"


def test_a_hundred_who_wait_keep_nobody_from_being_answered(alice, bob, make_desktop, unlimited, in_background):
    make_desktop(alice, status=Status.STARTING)
    tokens_of = {user: {"X-User-Token": tokens.issue(user, scope=tokens.TokenScope("many"))} for user in (alice, bob)}
    create = {"url": f"{unlimited}/pods/create?wait=60", "json": {}, "headers": tokens_of[alice], "timeout": 90}
    waiters = [in_background(httpx.post, **create) for _ in range(100)]
    time.sleep(4)
    assert not any(waiter.done() for waiter in waiters)
    answers = [httpx.get(f"{unlimited}/pods", headers=tokens_of[bob], timeout=30) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any(waiter.done() for waiter in waiters)
    assert row().move(to=Status.RUNNING)
    assert [waiter.result(60).status_code for waiter in waiters] == [200] * 100


def test_who_goes_away_is_waited_for_no_longer(ask, wait_for, live):
    with suppress(httpx.ReadTimeout):
        ask("POST", "pods/create?wait=60", json={}, headers={"Idempotency-Key": "once"}, timeout=1)
    wait_for(lambda: IdempotentRequest.objects.filter(status=202).exists(), 5)  # answered, although the client has gone
    again = ask("POST", "pods/create?wait=60", json={}, headers={"Idempotency-Key": "once"}, timeout=5)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert Desktop.objects.count() == 1


def test_without_redis_it_looks_by_itself(alice, make_desktop, redis_unavailable, in_background):
    make_desktop(alice, status=Status.STARTING)
    script = script_of(alice)
    with redis_unavailable():
        answer = in_background(_closing, script.post, "pods/create?wait=20", {})
        assert waiting(answer)
        row().move(to=Status.RUNNING)
        assert answer.result(15).status_code == 200


def _closing(call, *args):
    from django.db import connections

    try:
        return call(*args)
    finally:
        connections.close_all()


def test_a_server_that_stops_answers_with_how_it_is(live_folder, in_background, wait_for, alice):
    headers = {"X-User-Token": tokens.issue(alice, scope=tokens.TokenScope("script"))}
    with running(live_folder) as server:
        address = f"http://127.0.0.1:{server.port}/api/v1/pods/create?wait=60"
        answer = in_background(httpx.post, address, json={}, headers=headers, timeout=30)
        wait_for(Desktop.objects.exists)
        assert waiting(answer)
        server.process.terminate()
        response = answer.result(20)
        assert (response.status_code, response.json()["desktop"]["status"]) == (202, "pending")
        server.process.wait(10)
        assert "Cancel" not in server.log
