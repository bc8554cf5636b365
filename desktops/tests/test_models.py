"""Status changes go through one method, and the database enforces the constraints."""

import pytest
from django.db import IntegrityError, transaction

from desktops.models import Desktop, DesktopEvent, Status


def test_move_changes_row_and_writes_the_event(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.STARTING)
    before = desktop.status_since
    assert desktop.move(to=Status.RUNNING, endpoint_kind="unix")
    row = Desktop.objects.get(pk=desktop.pk)
    assert (row.status, row.endpoint_kind) == (Status.RUNNING, "unix")
    assert row.status_since > before
    assert [event.kind for event in row.events.all()] == ["running"]


def test_move_is_lost_when_somebody_moved_first(make_desktop, alice):
    first = make_desktop(alice, status=Status.STARTING)
    second = Desktop.objects.get(pk=first.pk)
    assert first.move(to=Status.STOPPING)
    assert not second.move(to=Status.RUNNING)
    assert Desktop.objects.get(pk=first.pk).status == Status.STOPPING


def test_move_of_an_earlier_run_is_lost(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.STARTING)
    Desktop.objects.filter(pk=desktop.pk).update(run=2)
    assert not desktop.move(to=Status.RUNNING)


def test_one_desktop_per_name_and_owner(make_desktop, alice, bob):
    make_desktop(alice)
    make_desktop(bob)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_desktop(alice)


def test_unknown_status_is_refused_by_the_database(make_desktop, alice):
    desktop = make_desktop(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        Desktop.objects.filter(pk=desktop.pk).update(status="perhaps")


def test_a_step_stands_once_per_run_and_other_events_as_often_as_they_happen(make_desktop, alice):
    desktop = make_desktop(alice)
    for _ in range(2):
        DesktopEvent.write(desktop, "ready")
        DesktopEvent.write(desktop, "stopped")
    desktop.run = 2
    DesktopEvent.write(desktop, "ready")
    kinds = list(DesktopEvent.objects.values_list("kind", flat=True))
    assert (kinds.count("ready"), kinds.count("stopped")) == (2, 2)


def test_secrets_are_not_in_the_database_in_plain_text(make_desktop, alice):
    from core import encryption

    desktop = make_desktop(alice)
    password = encryption.decrypt(desktop.vnc_password_sealed)
    assert len(password) == 8
    assert password not in desktop.vnc_password_sealed
