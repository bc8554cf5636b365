"""Tests of `/desktops/<id>/panel/`, which htmx requests after a change."""

import re
from datetime import timedelta

from django.utils import timezone

from desktops.lifecycle import heartbeat
from desktops.models import Desktop, DesktopEvent, Status

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/desktops/x/"}


def test_state_title_and_timeline_without_the_screen(client_for, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING)
    page = client_for(alice).get(f"/desktops/{desktop.pk}/panel/", headers=HTMX).content.decode()
    assert 'data-status="running"' in page
    assert "<title>desktop · Podesk</title>" in page
    assert 'id="timeline" tabindex="0" aria-labelledby="timeline-title" hx-swap-oob="true"' in page
    assert "<iframe" not in page  # it stays on the page, because a swap would reload it
    assert "<html" not in page


def test_steps_with_their_times(client_for, alice, make_desktop):
    heartbeat.record_controller_beat()
    desktop = make_desktop(alice, status=Status.STARTING)
    began = timezone.now() - timedelta(seconds=5)
    for kind, second in (("queued", 0), ("created", 1.5), ("started", 3)):
        DesktopEvent.write(desktop, kind, at=began + timedelta(seconds=second))
    page = client_for(alice).get(f"/desktops/{desktop.pk}/panel/", headers=HTMX).content.decode()
    assert page.count("after 1.5 s") == 2
    assert page.count('aria-current="step"') == 1
    assert "data-moving" in page


def test_the_same_answer_as_long_as_nothing_changes(client_for, alice, make_desktop):
    """The page redraws only differences, so that focus and selection stay."""
    desktop, client = make_desktop(alice, status=Status.RUNNING), client_for(alice)
    answers = [client.get(f"/desktops/{desktop.pk}/panel/", headers=HTMX).content.decode() for _ in range(2)]
    one, two = (re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer) for answer in answers)
    assert one == two


def test_deleted_meanwhile_leads_home(client_for, alice, make_desktop):
    address = f"/desktops/{make_desktop(alice).pk}/panel/"
    Desktop.objects.all().delete()
    response = client_for(alice).get(address, headers=HTMX)
    assert (response.status_code, response["HX-Redirect"]) == (200, "/")


def test_stranger_learns_nothing(client_for, alice, bob, make_desktop):
    """The answer is the same as for a desktop that does not exist."""
    other, none = make_desktop(alice, name="secret").pk, "00000000-0000-0000-0000-000000000000"
    answers = [client_for(bob).get(f"/desktops/{each}/panel/", headers=HTMX) for each in (other, none)]
    assert {(answer["HX-Redirect"], answer.content) for answer in answers} == {("/", b"")}
    assert client_for(bob).get(f"/desktops/{other}/panel/").status_code == 404


def test_login_that_ended_leads_the_whole_page_to_the_login(client, alice, make_desktop):
    response = client.get(f"/desktops/{make_desktop(alice).pk}/panel/", headers=HTMX)
    assert response["HX-Redirect"] == "/accounts/login/?next=%2Fdesktops%2Fx%2F"


def test_get_only(client_for, alice, make_desktop):
    assert client_for(alice).post(f"/desktops/{make_desktop(alice).pk}/panel/").status_code == 405
