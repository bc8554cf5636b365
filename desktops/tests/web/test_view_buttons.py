"""Tests of `/desktops/<id>/start/`, `stop/` and `restart/`."""

import pytest

from accounts.models import Quota
from desktops.models import Desktop, Status

HTMX = {"HX-Request": "true"}
VERBS = ("start", "stop", "restart", "delete")


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("start", Status.STOPPED, Status.PENDING),
        ("start", Status.FAILED, Status.PENDING),
        ("start", Status.RUNNING, Status.RUNNING),
        ("stop", Status.RUNNING, Status.STOPPING),
        ("stop", Status.PENDING, Status.STOPPING),
        ("stop", Status.STOPPED, Status.STOPPED),
        ("restart", Status.RUNNING, Status.STOPPING),
    ],
)
def test_changes_the_status_and_leads_back(client_for, alice, make_desktop, verb, before, after):
    desktop = make_desktop(alice, status=before)
    response = client_for(alice).post(f"/desktops/{desktop.pk}/{verb}/")
    assert (response.status_code, response["Location"]) == (303, f"/desktops/{desktop.pk}/")
    assert Desktop.objects.get().status == after


def test_htmx_gets_the_fresh_panel(client_for, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING)
    response = client_for(alice).post(f"/desktops/{desktop.pk}/stop/", headers=HTMX)
    assert response.status_code == 200
    assert 'data-status="stopping"' in response.content.decode()


def test_twice_is_once(client_for, alice, make_desktop, queued):
    desktop, client = make_desktop(alice), client_for(alice)
    assert [client.post(f"/desktops/{desktop.pk}/start/").status_code for _ in range(2)] == [303, 303]
    assert Desktop.objects.get().run == 2


def test_over_quota_is_an_alert_with_its_status(client_for, alice, make_desktop):
    Quota.objects.create(user=alice, cpu=0)
    desktop = make_desktop(alice)
    response = client_for(alice).post(f"/desktops/{desktop.pk}/start/")
    page = response.content.decode()
    assert response.status_code == 409
    assert "this needs 1 core, and you use 0 of 0 cores" in page
    assert "Start desktop" in page  # the rest of the page is still there


def test_over_quota_tells_htmx_where_the_alert_goes(client_for, alice, make_desktop):
    Quota.objects.create(user=alice, cpu=0)
    response = client_for(alice).post(f"/desktops/{make_desktop(alice).pk}/start/", headers=HTMX)
    assert (response.status_code, response["HX-Retarget"]) == (409, "#alerts")
    assert 'role="alert"' in response.content.decode()
    assert "<html" not in response.content.decode()


def test_restart_while_it_is_being_deleted_is_refused(client_for, alice, make_desktop):
    response = client_for(alice).post(f"/desktops/{make_desktop(alice, status=Status.DELETING).pk}/restart/")
    assert response.status_code == 409
    assert "busy with another operation" in response.content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_stranger_changes_nothing(client_for, alice, bob, make_desktop, verb):
    desktop = make_desktop(alice, status=Status.RUNNING)
    response = client_for(bob).post(f"/desktops/{desktop.pk}/{verb}/", {"home_folder": "delete"})
    assert response.status_code == 404
    assert Desktop.objects.get().status == Status.RUNNING


@pytest.mark.parametrize("verb", VERBS)
def test_anonymous_to_login(client, alice, make_desktop, verb):
    desktop = make_desktop(alice, status=Status.RUNNING)
    response = client.post(f"/desktops/{desktop.pk}/{verb}/", {"home_folder": "delete"})
    assert response["Location"].startswith("/accounts/login/")
    assert Desktop.objects.get().status == Status.RUNNING


@pytest.mark.parametrize("verb", VERBS)
def test_post_only(client_for, alice, make_desktop, verb):
    response = client_for(alice).get(f"/desktops/{make_desktop(alice).pk}/{verb}/")
    assert response.status_code == 405
    assert "This page cannot be opened" in response.content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_no_such_desktop(client_for, alice, verb):
    client = client_for(alice)
    assert client.post(f"/desktops/00000000-0000-0000-0000-000000000000/{verb}/").status_code == 404
    assert client.post(f"/desktops/nonsense/{verb}/").status_code == 404
