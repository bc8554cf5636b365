"""The page of the usage report: the same figures as the API, and a table that is audited."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from accounts.models import AuditEvent
from desktops.models import StoragePeriod
from desktops.tests.web.test_overview import staff, words

PAGE = "/admin/usage-report/"
MARCH = f"{PAGE}?first_month=2026-03"


@pytest.fixture
def stored(alice) -> StoragePeriod:
    begun, ended = (datetime(2026, 3, day, tzinfo=UTC) for day in (10, 12))
    fields = {"storage_gib": 600, "state": "in_use", "begun_at": begun, "ended_at": ended, "image_name": "Void"}
    return StoragePeriod.objects.create(volume_id=uuid4(), owner=alice, owner_name="alice", **fields)


@pytest.mark.parametrize(
    ("query", "row"),
    [("", "alice"), ("&group_by=image", "Void"), ("&group_by=group", "-"), ("&group_by=month&months=2", "2026-03")],
)
def test_rows(client_for, admin, stored, query, row):
    assert f"{row} 0 0 0 0 0 0 0 1,200" in words(client_for(admin).get(MARCH + query))


def test_present_month_without_a_choice(client_for, admin, stored):
    shown = client_for(admin).get(PAGE)
    assert "Nothing was used in these months." in words(shown)
    assert shown.status_code == 200


def test_table_is_audited(client_for, admin, stored):
    visitor = client_for(admin)
    visitor.get(MARCH)
    assert not AuditEvent.objects.filter(action="usage.export").exists()
    answer = visitor.get(f"{MARCH}&group_by=image&format=csv")
    header, row = answer.content.decode().splitlines()
    assert (header.rsplit(",", 1)[1], row) == ("storage_gib_days", "Void,0,0.0,0.0,0.0,0.0,0.0,0.0,1200.0")
    assert answer["Content-Disposition"] == 'attachment; filename="usage.csv"'
    event = AuditEvent.objects.get(action="usage.export")
    assert event.actor == admin
    assert event.details == {"group_by": "image", "first_month": "2026-03", "last_month": "2026-03"}


@pytest.mark.parametrize("query", ["first_month=2026-13", "first_month=2026-01%0A", "months=37", "group_by=x"])
def test_wrong_choice(client_for, admin, stored, query):
    for more in ("", "&format=csv"):
        answer = client_for(admin).get(f"{PAGE}?{query}{more}")
        assert (answer.status_code, b"errorlist" in answer.content) == (422, True)
    assert not AuditEvent.objects.filter(action="usage.export").exists()


def test_others(client, client_for, alice, stored):
    for visitor in (client, client_for(alice)):
        assert visitor.get(PAGE).url == f"/admin/login/?next={PAGE}"
    assert client_for(staff(alice)).get(MARCH).status_code == 404
    assert client_for(staff(alice, "view_desktoprun")).get(MARCH).status_code == 200


def test_get_only(client_for, admin):
    assert client_for(admin).post(PAGE).status_code == 405
