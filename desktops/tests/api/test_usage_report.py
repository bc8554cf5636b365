"""Tests of GET /api/v1/admin/reports/usage."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts.models import AuditEvent, User
from desktops.models import DesktopRun, RunUsage, StoragePeriod

REPORT = "/api/v1/admin/reports/usage"
MARCH = "first_month=2026-03"
GIB = 2**30


@pytest.fixture
def script(admin, api_for):
    return api_for(admin)


@pytest.fixture
def ran(alice):
    """Return a function that makes the row of a run which began at a time and took some hours (None: still runs)."""

    def make(begun: datetime, hours: float | None, *, used: tuple[float, float] = (0, 0), **fields) -> DesktopRun:
        owner = fields.pop("owner", alice)
        ended = None if hours is None else begun + timedelta(hours=hours)
        usual = {
            **{"owner": owner, "owner_name": owner.username if owner else "gone", "desktop_id": uuid4(), "run": 1},
            **{"image_name": "Void", "cpu": Decimal(2), "memory_mib": 4096, "storage_gib": 10, "gpu": 1},
            **{"started_at": begun, "ready_at": begun, "ended_at": ended},
        }
        run = DesktopRun.objects.create(**usual | fields)
        cpu_hours, gib_hours = used
        sums = {"cpu_seconds": cpu_hours * 3600, "memory_byte_seconds": gib_hours * 3600 * GIB}
        RunUsage.objects.create(run=run, sampled_at=begun, samples=1, **sums)
        return run

    return make


def at(month: int, day: int = 10, hour: int = 0) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def rows(answer) -> dict[str, dict]:
    assert answer.status_code == 200, answer.content
    return {row.pop("name"): row for row in answer.json()["rows"]}


def test_hours_by_user(script, ran, bob):
    ran(at(3), 2, used=(1.5, 3))
    ran(at(3, 12), 3, used=(0.5, 1), cpu=Decimal("0.5"), gpu=0)
    ran(at(3), 1, owner=bob, gpu=0)
    found = rows(script.get(f"{REPORT}?{MARCH}"))
    assert list(found) == ["alice", "bob"]
    assert found["alice"] == {
        **{"runs": 2, "hours": 5, "cpu_hours": 2 * 2 + 3 * 0.5, "memory_gib_hours": 5 * 4, "gpu_hours": 2},
        **{"cpu_hours_used": 2, "memory_gib_hours_used": 4, "storage_gib_days": 0},
    }
    assert (found["bob"]["cpu_hours"], found["bob"]["gpu_hours"]) == (2, 0)


def test_body_names_its_months(script):
    body = script.get(f"{REPORT}?first_month=2025-12&months=3&group_by=image").json()
    assert body == {"group_by": "image", "first_month": "2025-12", "last_month": "2026-02", "rows": []}


def test_run_across_the_months_is_divided(script, ran):
    ran(datetime(2026, 2, 28, 18, tzinfo=UTC), 8, used=(4, 8))  # six hours in February, two in March
    for month, share in ((2, 0.75), (3, 0.25)):
        [row] = rows(script.get(f"{REPORT}?first_month=2026-0{month}")).values()
        assert (row["runs"], row["hours"]) == (1, 8 * share)
        assert (row["cpu_hours_used"], row["memory_gib_hours_used"]) == (4 * share, 8 * share)
    [row] = rows(script.get(f"{REPORT}?first_month=2026-02&months=2")).values()
    assert (row["runs"], row["hours"], row["cpu_hours_used"]) == (1, 8, 4)


def test_run_longer_than_the_month(script, ran):
    ran(at(1), 24 * 150)
    [row] = rows(script.get(f"{REPORT}?{MARCH}")).values()
    assert row["hours"] == 31 * 24


def test_still_running_counts_until_now(script, ran):
    ran(timezone.now() - timedelta(hours=2), None)
    [row] = rows(script.get(f"{REPORT}?months=2")).values()
    assert row["hours"] == pytest.approx(2, abs=0.1)


def test_run_that_never_started_adds_nothing(script, ran):
    ran(at(3), 5, started_at=None, ready_at=None)
    assert rows(script.get(f"{REPORT}?{MARCH}")) == {}


def test_months_are_those_of_the_portals_zone(script, ran, settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    ran(datetime(2026, 2, 28, 17, tzinfo=UTC), 1)  # 1:00 on 1 March there
    assert list(rows(script.get(f"{REPORT}?{MARCH}"))) == ["alice"]
    assert rows(script.get(f"{REPORT}?first_month=2026-02")) == {}


def test_by_month(script, ran):
    ran(at(1), 1)
    ran(at(3), 2)
    found = rows(script.get(f"{REPORT}?first_month=2026-01&months=3&group_by=month"))
    assert [(name, row["runs"], row["hours"]) for name, row in found.items()] == [
        *(("2026-01", 1, 1), ("2026-02", 0, 0), ("2026-03", 1, 2)),
    ]


def test_by_image(script, ran):
    ran(at(3), 1)
    ran(at(3), 2, image_name="Debian")
    found = rows(script.get(f"{REPORT}?{MARCH}&group_by=image"))
    assert {name: row["hours"] for name, row in found.items()} == {"Debian": 2, "Void": 1}


def test_by_group_a_user_is_in_each_of_theirs(script, ran, alice, bob):
    alice.groups.set([Group.objects.create(name=name) for name in ("law", "staff")])
    ran(at(3), 1)
    ran(at(3), 2, owner=bob)
    ran(datetime(2026, 2, 28, 23, tzinfo=UTC), 5)  # across two months
    found = rows(script.get(f"{REPORT}?{MARCH}&group_by=group"))
    assert {name: row["hours"] for name, row in found.items()} == {"": 2, "law": 5, "staff": 5}


def test_deleted_account_keeps_its_name_and_a_renamed_one_has_the_new(script, ran, alice):
    ran(at(3), 1)
    ran(at(3), 1, owner=None)
    User.objects.filter(pk=alice.pk).update(username="alicia")
    assert list(rows(script.get(f"{REPORT}?{MARCH}"))) == ["alicia", "gone"]


@pytest.fixture
def stored(alice):
    """Return a function that makes the row of a time in which a home folder asked for storage."""

    def make(begun: datetime, ended: datetime | None, gib: int = 10, **fields) -> StoragePeriod:
        usual = {"owner": alice, "owner_name": "alice", "image_name": "Void", "state": "in_use", "volume_id": uuid4()}
        return StoragePeriod.objects.create(begun_at=begun, ended_at=ended, storage_gib=gib, **usual | fields)

    return make


def days(answer) -> dict[str, float]:
    return {name: row["storage_gib_days"] for name, row in rows(answer).items()}


def test_storage_days_by_user(script, stored, ran, bob):
    stored(at(3, 10), at(3, 12))
    stored(at(3, 12), at(3, 13, 12), 20, state="kept")
    stored(at(3, 1), at(3, 2), 5, owner=bob)
    ran(at(3), 2)
    assert days(script.get(f"{REPORT}?{MARCH}")) == {"alice": 2 * 10 + 1.5 * 20, "bob": 5}


@pytest.mark.parametrize(
    ("begun", "ended", "expected"),
    [
        (at(2, 27), at(3, 3), {2: 2 * 10, 3: 2 * 10, 4: None}),
        (at(1, 1), at(12, 1), {2: 28 * 10, 3: 31 * 10, 4: 30 * 10}),
        (at(3, 1), at(4, 1), {2: None, 3: 31 * 10, 4: None}),  # exactly the month
        (at(3, 5), at(3, 5), {3: 0}),
    ],
)
def test_storage_is_clipped_to_the_month(script, stored, begun, ended, expected):
    stored(begun, ended)
    for month, gib_days in expected.items():
        found = days(script.get(f"{REPORT}?first_month=2026-{month:02}"))
        assert found == ({} if gib_days is None else {"alice": gib_days})


def test_storage_that_is_still_there_counts_until_now(script, stored):
    now = timezone.now()
    stored(now - timedelta(days=3), None)
    assert days(script.get(f"{REPORT}?months=2"))["alice"] == pytest.approx(30, abs=0.1)
    assert days(script.get(f"{REPORT}?first_month={now.year + 1}-12")) == {}


def test_storage_by_month_group_and_image(script, stored, alice):
    alice.groups.set([Group.objects.create(name=name) for name in ("law", "staff")])
    stored(at(2, 27), at(3, 3))
    stored(at(3, 3), at(3, 4), image_name="Debian")
    assert days(script.get(f"{REPORT}?first_month=2026-02&months=2&group_by=month")) == {"2026-02": 20, "2026-03": 30}
    assert days(script.get(f"{REPORT}?{MARCH}&group_by=group")) == {"law": 30, "staff": 30}
    assert days(script.get(f"{REPORT}?{MARCH}&group_by=image")) == {"Debian": 10, "Void": 20}


def test_storage_in_the_table(script, stored):
    stored(at(3, 10), at(3, 12), owner=None, owner_name="gone")
    header, row = csv.reader(StringIO(script.get(f"{REPORT}?{MARCH}&format=csv").content.decode()))
    assert dict(zip(header, row, strict=True))["storage_gib_days"] == "20.0"
    assert row[0] == "gone"


def test_queries_are_constant(script, ran, stored, django_assert_max_num_queries):
    for day in range(1, 28):
        ran(at(3, day), 1)
        stored(at(2, day), at(3, day))
        stored(at(3, day), at(3, day + 1))
        ran(at(2, 27), 24 * day)
    with django_assert_max_num_queries(8):  # four, and those of every request
        script.get(f"{REPORT}?{MARCH}")


@pytest.mark.parametrize(("query", "accept"), [("&format=csv", "application/json"), ("", "text/csv")])
def test_csv(script, ran, query, accept):
    ran(at(3), 2, used=(1.5, 3), owner_name="=cmd|' /C calc'!A0", owner=None)
    ran(at(3), 1)
    answer = script.get(f"{REPORT}?{MARCH}{query}", headers={"Accept": accept})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="usage.csv"'
    header, first, second = csv.reader(StringIO(answer.content.decode()))
    assert header[:4] == ["name", "runs", "hours", "cpu_hours"]
    assert first[:4] == ["'=cmd|' /C calc'!A0", "1", "2.0", "4.0"]
    assert second[0] == "alice"


@pytest.mark.parametrize(("query", "accept"), [("&format=csv", "application/json"), ("", "text/csv")])
def test_table_is_audited(script, admin, query, accept):
    script.get(f"{REPORT}?{MARCH}&months=2&group_by=group{query}", headers={"Accept": accept})
    event = AuditEvent.objects.get(action="usage.export")
    assert (event.actor, event.result) == (admin, "done")
    assert event.details == {"group_by": "group", "first_month": "2026-03", "last_month": "2026-04"}


def test_only_a_table_is_audited(script):
    script.get(f"{REPORT}?{MARCH}")
    script.get(f"{REPORT}?first_month=2026-13&format=csv")
    assert not AuditEvent.objects.filter(action="usage.export").exists()


@pytest.mark.parametrize("query", ["first_month=2026-13", "first_month=1999-01", "first_month=2026-01%0A"])
@pytest.mark.parametrize("more", ["", "&format=csv"])
def test_month_that_is_none(script, query, more):
    answer = script.get(f"{REPORT}?{query}{more}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["first_month"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("months=0", "months"), ("months=37", "months"), ("group_by=owner", "group_by"), ("format=xml", "format")],
)
def test_bad_query_names_the_field(script, query, field):
    answer = script.get(f"{REPORT}?{query}", headers={"Accept": "text/csv"})
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_wrong_method(script, method):
    assert getattr(script, method)(REPORT, content_type="application/json").status_code == 405


def test_anonymous(client, db):
    assert client.get(REPORT).status_code == 401


def test_user_may_not(alice, api_for):
    for query in ("", "?format=csv"):
        answer = api_for(alice).get(f"{REPORT}{query}")
        assert (answer.status_code, answer.json()["slug"]) == (403, "not_administrator")


def test_staff_needs_the_permission(alice, api_for):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    assert api_for(alice).get(REPORT).status_code == 403
    alice.user_permissions.add(Permission.objects.get(codename="view_desktoprun"))
    assert api_for(alice).get(REPORT).status_code == 200
