"""Tests of `/desktops/<id>/`, the page of one desktop."""

import pytest

from desktops.lifecycle import heartbeat
from desktops.models import DesktopEvent, Status

SAYS = {
    Status.PENDING: ["Cancel", "Waiting for its turn.", "Queued"],
    Status.STARTING: ["Cancel", "Starting the desktop.", "It opens here automatically"],
    Status.RUNNING: ["Full window", "Restart", "Stop", "<iframe"],
    Status.STOPPING: ["Closing the programs of the desktop."],
    Status.STOPPED: ["Start desktop", "Delete…", "Keep my files"],
    Status.FAILED: ["Try again", "Show log", "the disk is full", "Ask an administrator to free disk space"],
    Status.DELETING: ["Deleting the desktop."],
}


@pytest.mark.parametrize("status", Status)
def test_each_state_says_what_is_so_and_what_to_do(client_for, alice, make_desktop, status):
    heartbeat.record_controller_beat()
    desktop = make_desktop(alice, status=status, reason="disk_full" if status == Status.FAILED else "")
    page = client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()
    assert [text for text in SAYS[status] if text not in page] == []
    frame = page.split('<div id="stage"')[1].split("</div>")[0]
    assert ("<iframe" in frame) == (status == Status.RUNNING)


@pytest.mark.parametrize("status", [Status.PENDING, Status.STARTING, Status.STOPPING, Status.DELETING])
def test_says_that_the_controller_is_not_running(client_for, alice, make_desktop, status, old_redis):
    desktop = make_desktop(alice, status=status)
    assert "The controller is not running" in client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()


@pytest.mark.parametrize(
    ("status", "title"),
    [(Status.STARTING, "Starting… · Podesk"), (Status.RUNNING, "thesis · Podesk"), (Status.FAILED, "thesis (failed)")],
)
def test_the_title_tells_the_state(client_for, alice, make_desktop, status, title):
    desktop = make_desktop(alice, name="thesis", status=status)
    assert f"<title>{title}" in client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()


def test_timeline_in_plain_words(client_for, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.STOPPED)
    DesktopEvent.write(desktop, "stopped", reason="idle")
    DesktopEvent.write(desktop, "invented later")
    page = client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()
    assert "It was stopped because it was idle for too long." in page
    assert "invented later" in page


def test_deletion_can_be_asked_for_without_script(client_for, alice, make_desktop):
    desktop = make_desktop(alice)
    page = client_for(alice).get(f"/desktops/{desktop.pk}/?confirm=delete").content.decode()
    assert '<dialog id="delete-dialog" aria-labelledby="delete-title" open>' in page


def test_a_name_is_text(client_for, alice, make_desktop):
    desktop = make_desktop(alice, name="<b>\"'&")
    page = client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()
    assert "<b>" not in page


def test_as_many_queries_with_many_events_as_with_none(client_for, alice, make_desktop, django_assert_max_num_queries):
    desktop = make_desktop(alice, status=Status.RUNNING)
    for number in range(80):
        DesktopEvent.write(desktop, f"event {number}")
    client = client_for(alice)
    with django_assert_max_num_queries(14):
        assert client.get(f"/desktops/{desktop.pk}/").status_code == 200


def test_works_without_redis(client_for, alice, make_desktop, redis_unavailable):
    desktop = make_desktop(alice, status=Status.STARTING)
    with redis_unavailable():
        assert client_for(alice).get(f"/desktops/{desktop.pk}/").status_code == 200


def test_stranger_sees_nothing(client_for, alice, bob, make_desktop):
    response = client_for(bob).get(f"/desktops/{make_desktop(alice).pk}/")
    assert response.status_code == 404
    assert "Page not found" in response.content.decode()


@pytest.mark.parametrize("identity", ["0d6b0a4e-5b0c-4d3f-9a55-2f6a3a1a7f10", "1", "not-a-uuid", "%00", "x" * 500])
def test_no_such_desktop(client_for, alice, identity):
    assert client_for(alice).get(f"/desktops/{identity}/").status_code == 404


def test_anonymous_to_login(client, alice, make_desktop):
    address = f"/desktops/{make_desktop(alice).pk}/"
    assert client.get(address)["Location"] == f"/accounts/login/?next={address}"


def test_get_only(client_for, alice, make_desktop):
    assert client_for(alice).post(f"/desktops/{make_desktop(alice).pk}/").status_code == 405
