"""Tests of `/desktops/<id>/usage/` and `log/` with a real desktop."""

import pytest

from desktops.lifecycle import jobs
from desktops.models import Desktop, Status
from desktops.runtimes.base import Phase

HTMX = {"HX-Request": "true"}


@pytest.fixture
def running(alice, make_desktop, runtime, wait_for) -> Desktop:
    desktop: Desktop = make_desktop(alice, status=Status.PENDING)
    jobs.start_desktop(str(desktop.pk))
    wait_for(lambda: (seen := runtime.observe(desktop.object_name)) and seen.phase == Phase.READY)
    Desktop.objects.update(status=Status.RUNNING)
    return desktop


def test_what_a_real_desktop_uses_and_prints(client_for, alice, running):
    client = client_for(alice)
    usage = client.get(f"/desktops/{running.pk}/usage/", headers=HTMX).content.decode()
    assert "CPU" in usage
    assert "of 2 GiB" in usage  # the size "Small"
    log = client.get(f"/desktops/{running.pk}/log/", headers=HTMX).content.decode()
    assert 'class="log"' in log
    assert "Xvnc" in log


def test_log_is_a_page_of_its_own_without_script(client_for, alice, make_desktop):
    desktop = make_desktop(alice)
    page = client_for(alice).get(f"/desktops/{desktop.pk}/log/").content.decode()
    assert "<html" in page
    assert "The session has no output yet." in page


def test_usage_of_what_does_not_run_is_not_known(client_for, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING)
    assert "are not known" in client_for(alice).get(f"/desktops/{desktop.pk}/usage/").content.decode()


@pytest.mark.parametrize("part", ["usage", "log"])
def test_stranger_sees_nothing(client_for, alice, bob, make_desktop, part):
    assert client_for(bob).get(f"/desktops/{make_desktop(alice).pk}/{part}/").status_code == 404


@pytest.mark.parametrize("part", ["usage", "log"])
def test_anonymous_to_login(client, alice, make_desktop, part):
    assert client.get(f"/desktops/{make_desktop(alice).pk}/{part}/").status_code == 302


@pytest.mark.parametrize("part", ["usage", "log"])
def test_get_only(client_for, alice, make_desktop, part):
    assert client_for(alice).post(f"/desktops/{make_desktop(alice).pk}/{part}/").status_code == 405
