"""Disabling an account in any way stops its desktops. Its files and other accounts are unchanged."""

import pytest

from accounts import services, tokens, user_services
from accounts.audit import Actor
from accounts.models import AuditEvent, User
from accounts.tokens import TokenRefused
from desktops import services as desktop_services
from desktops.exceptions import AccountDisabled
from desktops.lifecycle import closed_accounts, reconcile
from desktops.lifecycle.closed_accounts import release_holdings
from desktops.lifecycle.controller import Controller
from desktops.models import AT_REST, Desktop, DesktopEvent, Status
from desktops.services import LaunchRequest

COMES_UP = (Status.PENDING, Status.STARTING, Status.RUNNING)


@pytest.fixture
def by(admin) -> Actor:
    return Actor(admin, "192.0.2.7")


def by_service(user: User, by: Actor) -> None:
    services.set_active(user=user, active=False, by=by)


def by_admin_or_api(user: User, by: Actor) -> None:
    user_services.change_user(user=user, fields={"is_active": False}, by=by)


def by_sql(user: User, by: Actor) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def row(desktop: Desktop) -> Desktop:
    return Desktop.objects.get(pk=desktop.pk)


@pytest.mark.parametrize("disable", [by_service, by_admin_or_api, by_sql])
@pytest.mark.parametrize("status", Status.values)
def test_what_runs_or_comes_up_stops(make_desktop, alice, by, disable, status):
    desktop = make_desktop(alice, status=status)
    disable(alice, by)
    release_holdings()
    stops = status in COMES_UP
    assert row(desktop).status == (Status.STOPPING if stops else status)
    assert row(desktop).reason == ("account_disabled" if stops else "")
    assert row(desktop).volume_id == desktop.volume_id


def test_told_in_trail_and_timeline_once(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.RUNNING)
    by_sql(alice, Actor(alice))
    release_holdings()
    release_holdings()
    event = AuditEvent.objects.get(action="desktop.stop")
    assert (event.actor, event.target, event.pod_name) == (None, str(desktop.pk), desktop.object_name)
    assert event.details == {"reason": "account_disabled", "name": "desktop"}
    assert DesktopEvent.objects.get().params == {"reason": "account_disabled"}


def test_worker_and_streams_hear_of_it(make_desktop, alice, disconnects, queued, django_capture_on_commit_callbacks):
    desktop = make_desktop(alice, status=Status.RUNNING)
    by_sql(alice, Actor(alice))
    with django_capture_on_commit_callbacks(execute=True):
        release_holdings()
    assert queued() == [("stop_desktop", str(desktop.pk))]
    assert [(cut.scope, cut.id, cut.reason) for cut in disconnects()] == [("desktop", str(desktop.pk), "disabled")]


def test_half_way_through_a_restart_it_stays_down(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.STOPPING, restarting=True)
    by_sql(alice, Actor(alice))
    release_holdings()
    reconcile.reconcile_desktop(row(desktop), None)
    assert (row(desktop).status, row(desktop).reason) == (Status.STOPPED, "account_disabled")


def test_tokens_end_too(alice, bob, by):
    def token_of(user: User) -> str:
        return tokens.issue(user, scope=tokens.TokenScope("script"))

    mine, theirs = token_of(alice), token_of(bob)
    by_sql(alice, by)
    release_holdings()
    with pytest.raises(TokenRefused, match="disabled"):
        tokens.verify(mine)
    assert tokens.verify(theirs)


def test_others_go_on(make_desktop, alice, bob, by):
    desktop = make_desktop(bob, status=Status.RUNNING)
    by_service(alice, by)
    release_holdings()
    assert row(desktop).status == Status.RUNNING


def test_enabled_again_may_start(make_desktop, alice, by):
    desktop = make_desktop(alice, status=Status.RUNNING)
    by_service(alice, by)
    release_holdings()
    reconcile.reconcile_desktop(row(desktop), None)
    services.set_active(user=alice, active=True, by=by)
    desktop_services.start_desktop(desktop=row(desktop), by=Actor(alice))
    release_holdings()
    assert row(desktop).status == Status.PENDING


@pytest.mark.parametrize("status", AT_REST)
def test_nothing_starts_meanwhile(make_desktop, alice, by, image, small, status):
    desktop = make_desktop(alice, status=status)
    by_service(alice, by)
    with pytest.raises(AccountDisabled):
        desktop_services.start_desktop(desktop=desktop, by=by)
    with pytest.raises(AccountDisabled):
        desktop_services.launch(by=Actor(alice), wanted=LaunchRequest(image, small, "another"))
    assert (row(desktop).status, Desktop.objects.count()) == (status, 1)


def test_the_controller_does_it_though_redis_heard_nothing(make_desktop, alice, by, runtime, redis_unavailable):
    desktop = make_desktop(alice, status=Status.PENDING)
    with redis_unavailable():
        by_service(alice, by)
    turns = iter((False, True))
    Controller(lambda: next(turns)).run()
    assert row(desktop).reason == "account_disabled"
    assert row(desktop).status not in COMES_UP


def test_one_query_for_each_kind_when_there_is_nothing_to_do(make_desktop, alice, bob, django_assert_num_queries):
    for number in range(3):
        make_desktop(alice, name=str(number), status=Status.RUNNING)
    make_desktop(bob, status=Status.STOPPED)
    by_sql(bob, Actor(bob))
    with django_assert_num_queries(len(closed_accounts.HOLDINGS)):
        release_holdings()


def test_a_holding_that_fails_keeps_no_other(make_desktop, alice, monkeypatch, caplog):
    def broken() -> None:
        raise ValueError

    monkeypatch.setattr(closed_accounts, "HOLDINGS", (broken, *closed_accounts.HOLDINGS))
    desktop = make_desktop(alice, status=Status.RUNNING)
    by_sql(alice, Actor(alice))
    release_holdings()
    assert row(desktop).status == Status.STOPPING
    assert "holding_not_released" in caplog.text
