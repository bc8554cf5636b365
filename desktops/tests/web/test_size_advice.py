"""The page of desktops that reserve too much: shown to administrators, changed and set back with one click."""

from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import AuditEvent
from desktops.models import Desktop, Status
from desktops.tests.selectors.test_size_advice import ran
from desktops.tests.web.test_overview import staff, words

PAGE, RESIZE = "/admin/size-advice/", "/admin/size-advice/resize/"
MAY_VIEW = ("view_desktop", "view_desktoprun")


@pytest.fixture
def large(alice, make_desktop) -> Desktop:
    made = make_desktop(alice, cpu=Decimal(4), memory_mib=8192, status=Status.RUNNING)
    ran(made, cpu=0.6, memory=1200)
    return made


def form(desktop: Desktop, cpu: str = "1", memory: str = "2048") -> dict[str, str]:
    return {"desktop": str(desktop.pk), "cpu": cpu, "memory_mib": memory}


def test_it_says_what_is_reserved_and_used(client_for, admin, large):
    shown = words(client_for(admin).get(PAGE))
    assert "CPU: reserves 4 cores, never used more than 0.6 cores" in shown
    assert "Memory: reserves 8 GiB, never used more than 1.17 GiB" in shown
    assert "Reduce to 1 core and 2 GiB" in shown


def test_one_click_and_back(client_for, admin, large):
    visitor = client_for(admin)
    shown = words(visitor.post(RESIZE, form(large), follow=True))
    assert "“desktop” will reserve 1 core and 2 GiB from its next start." in shown
    assert "No desktop reserves too much." in shown
    assert "From 4 cores and 8 GiB to 1 core and 2 GiB. Applies from the next start." in shown
    shown = words(visitor.post(RESIZE, form(large, "4.00", "8192"), follow=True))
    assert "Reduce to 1 core and 2 GiB" in shown
    assert AuditEvent.objects.filter(action="desktop.resize", actor=admin, result="done").count() == 2


def test_refusal_is_shown(client_for, admin, large):
    shown = words(client_for(admin).post(RESIZE, form(large, "8"), follow=True))
    assert "A desktop that is not stopped can only become smaller. Stop it first." in shown


def test_deleted_meanwhile(client_for, admin, large):
    Desktop.objects.all().delete()
    assert "There is no such desktop." in words(client_for(admin).post(RESIZE, form(large), follow=True))


@pytest.mark.parametrize("wrong", [{"cpu": "0"}, {"cpu": "NaN"}, {"memory_mib": "1"}, {"desktop": "x"}])
def test_nonsense(client_for, admin, large, wrong):
    assert client_for(admin).post(RESIZE, form(large) | wrong).status_code == 404


def test_get_changes_nothing(client_for, admin, large):
    assert client_for(admin).get(RESIZE, form(large)).status_code == 405
    assert client_for(admin).post(PAGE, form(large)).status_code == 405
    large.refresh_from_db()
    assert large.next_cpu is None


def test_a_form_of_another_site_is_refused(admin, large):
    visitor = Client(enforce_csrf_checks=True)
    visitor.force_login(admin)
    assert visitor.post(RESIZE, form(large)).status_code == 403


@pytest.mark.parametrize("address", [PAGE, RESIZE])
def test_others_are_sent_to_the_login(client, client_for, alice, address):
    for visitor in (client, client_for(alice)):
        assert visitor.post(address).url == f"/admin/login/?next={address}"


def test_staff_need_permissions(client_for, alice, large):
    visitor = client_for(staff(alice, MAY_VIEW[0]))
    assert visitor.get(PAGE).status_code == 404
    visitor = client_for(staff(alice, *MAY_VIEW))
    assert "Reduce to" not in words(visitor.get(PAGE))
    assert visitor.post(RESIZE, form(large)).status_code == 404
    visitor = client_for(staff(alice, *MAY_VIEW, "change_desktop"))
    assert "Reduce to" in words(visitor.get(PAGE))
    assert visitor.post(RESIZE, form(large)).status_code == 302
