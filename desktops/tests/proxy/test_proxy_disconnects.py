"""A stream ends at once on every replica, with the right code, and a little later if the broadcast was lost."""

import time
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import audit, revocation, services, token_services, tokens
from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.models import SessionToken
from desktops.models import Desktop, Status
from desktops.proxy import stream_checks
from desktops.proxy.access import Admission
from desktops.tests.proxy.conftest import REQUEST, dial, ended, greet, lives, routes, view
from desktops.tests.support.portal_server import running
from desktops.wording import close_codes


@pytest.fixture(scope="module")
def replica(folder, django_db_setup):
    with running(folder) as server:
        yield server


@pytest.fixture(scope="module")
def server_without_redis(folder, django_db_setup):
    """Return a server that gets no broadcasts, because it has no Redis. It checks the rows each second."""
    with running(folder, REDIS_URL=f"unix://{folder}/nowhere.sock", PROXY_RECHECK_SECONDS="1") as server:
        yield server


CUTS = [
    (lambda desktop, token: token_services.revoke(token=token, by=audit.Actor(desktop.owner)), "revoked"),
    (lambda desktop, token: revocation.revoke_session("sess_1", reason="logged_out"), "logged_out"),
    (lambda desktop, token: revocation.revoke_user(desktop.owner, reason="disabled"), "disabled"),
    (lambda desktop, token: revocation.revoke_user(desktop.owner, reason="password_changed"), "password_changed"),
    *(
        (
            lambda desktop, token, reason=reason: disconnect_after_commit(
                Disconnect("desktop", str(desktop.pk), reason)
            ),
            reason,
        )
        for reason in ("stopped", "restarted", "deleted", "failed", "idle", "expired")
    ),
]


@pytest.mark.parametrize(("cut", "reason"), CUTS, ids=[f"{number}-{reason}" for number, (_, reason) in enumerate(CUTS)])
def test_a_cut_ends_the_stream_on_every_replica_within_a_second(uvicorn, replica, desktop, make_desktop, cut, reason):
    with view(uvicorn, desktop) as here:
        token = SessionToken.objects.get()
        with view(replica, desktop) as there:
            if reason == "revoked":
                revocation.revoke_token(SessionToken.objects.exclude(pk=token.pk).get().pk, reason=reason)
            began = time.monotonic()
            cut(desktop, token)
            assert (ended(here, within=1), ended(there, within=1)) == (reason, reason)
            assert time.monotonic() - began < 1


def test_others_go_on(uvicorn, desktop, running_desktop, vnc_server, bob):
    with (
        view(uvicorn, desktop) as gone,
        view(uvicorn, desktop, session="sess_2") as same_desktop,
        view(uvicorn, running_desktop(bob, vnc_server.path), session="sess_3") as stranger,
    ):
        revocation.revoke_session("sess_1", reason="logged_out")
        assert ended(gone, within=1) == "logged_out"
        assert lives(same_desktop) and lives(stranger)


def test_who_changes_the_password_stays_connected(uvicorn, desktop):
    with view(uvicorn, desktop, session="elsewhere") as elsewhere, view(uvicorn, desktop, session="here") as here:
        services.password_was_changed(user=desktop.owner, by=audit.Actor(desktop.owner), session_id="here")
        assert ended(elsewhere, within=1) == "password_changed"
        assert lives(here)


def test_a_stalled_browser_is_cut_too(uvicorn, running_desktop, make_vnc_server, alice):
    vnc_server = make_vnc_server(then="flood")
    desktop = running_desktop(alice, vnc_server.path)
    with view(uvicorn, desktop) as browser:
        browser.send(REQUEST)
        time.sleep(0.5)
        revocation.revoke_session("sess_1", reason="logged_out")
        assert vnc_server.hung_up_on(within=2)


def test_the_end_of_a_scripts_token_ends_what_it_opened(server_without_redis, desktop):
    scope = tokens.TokenScope(session_id="script", pod_name=desktop.object_name)
    text = tokens.issue(desktop.owner, scope=scope, label="script", lifetime=timedelta(seconds=3))
    with dial(server_without_redis, routes(desktop)[0], text) as browser:
        greet(browser)
        assert ended(browser, within=15) == "token_expired"


def test_the_end_of_a_page_tokens_life_does_not_end_a_stream(uvicorn, server_without_redis, desktop):
    with (
        view(uvicorn, desktop, lifetime=timedelta(seconds=2)) as one,
        view(server_without_redis, desktop, lifetime=timedelta(seconds=2)) as two,
    ):
        time.sleep(3.5)
        assert lives(one) and lives(two)


def test_missed_broadcast_is_found_in_the_rows(server_without_redis, running_desktop, vnc_server, alice, bob):
    fates = {
        "revoked": lambda one: None,
        "stopped": lambda one: Desktop.objects.filter(pk=one.pk).update(status=Status.STOPPED),
        "idle": lambda one: Desktop.objects.filter(pk=one.pk).update(status=Status.STOPPING, reason="idle"),
        "failed": lambda one: Desktop.objects.filter(pk=one.pk).update(status=Status.FAILED, reason="vanished"),
        "deleted": lambda one: Desktop.objects.filter(pk=one.pk).delete(),
        "restarted": lambda one: Desktop.objects.filter(pk=one.pk).update(run=one.run + 1),
    }
    with ExitStack() as stack:
        viewed = {}
        for reason in fates:
            desktop = running_desktop(alice, vnc_server.path, name=reason)
            brief = {"session": reason, "lifetime": timedelta(seconds=4 if reason == "revoked" else 60)}
            viewed[reason] = (desktop, stack.enter_context(view(server_without_redis, desktop, **brief)))
        bobs = stack.enter_context(view(server_without_redis, running_desktop(bob, vnc_server.path), session="bob"))
        survivor = running_desktop(alice, vnc_server.path, name="survivor")
        survives = stack.enter_context(view(server_without_redis, survivor, session="survivor"))
        time.sleep(4.1)  # the token has expired, and so has the record in Redis
        revocation.revoke_session("revoked", reason="logged_out")
        bob.is_active = False
        bob.save()
        for reason, happens in fates.items():
            happens(viewed[reason][0])
        found = {reason: ended(browser, within=15) for reason, (_, browser) in viewed.items()}
        assert found == {reason: reason for reason in fates} | {"revoked": "logged_out"}
        assert ended(bobs, within=15) == "disabled"
        assert lives(survives)


def test_a_restarted_redis_is_heard_again(folder, desktop, django_db_setup):
    from redis import Redis

    from accounts import disconnects
    from tests.support import environment

    place = folder / "second-redis"
    place.mkdir()
    first = environment.start_redis(place)
    with running(folder, REDIS_URL=f"unix://{place}/redis.sock") as server, view(server, desktop) as browser:
        first.kill()
        first.wait()
        second = environment.start_redis(place)
        client = Redis(unix_socket_path=f"{place}/redis.sock")
        until = time.monotonic() + 8
        while (
            not client.publish(disconnects.channel(), '{"scope": "x", "id": "", "reason": ""}')
            and time.monotonic() < until
        ):
            time.sleep(0.05)
        client.publish(disconnects.channel(), "not a cut")
        message = f'{{"scope": "desktop", "id": "{desktop.pk}", "reason": "stopped"}}'
        client.publish(disconnects.channel(), message)
        assert ended(browser, within=1) == "stopped"
        second.kill()


@pytest.mark.parametrize("streams", [1, 60])
def test_the_number_of_queries_does_not_grow_with_the_streams(committed, alice, make_desktop, streams):
    desktops = [make_desktop(alice, name=str(number), status=Status.RUNNING) for number in range(streams)]
    admissions = [
        Admission("00000000-0000-0000-0000-000000000000", "s", str(alice.pk), one.pk, one.run, ("unix", "x", 0), "p")
        for one in desktops
    ]
    with CaptureQueriesContext(connection) as queries:
        assert stream_checks.end_reasons(admissions) == {}
    assert len(queries) == 2


def test_every_code_is_told_apart_and_has_a_sentence():
    codes = [close.code for close in close_codes.CLOSE_CODES]
    assert len(set(codes)) == len(codes)
    assert all(4400 <= code <= 4499 or code in (1000, 1006, 1011, 1012) for code in codes)
    page = close_codes.for_page()
    assert page["1012"]["reconnect"] and not page["4401"]["reconnect"]
    assert all(entry["sentence"] for entry in page.values())
    assert close_codes.close_code_for("something new").reason == "revoked"
