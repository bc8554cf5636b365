"""Tests of `GET pods`."""

from datetime import timedelta

import pytest
from django.utils import timezone

from desktops.models import Desktop, DesktopImage, DesktopSize, Status
from desktops.tests.support.api_client import fields, script_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(alice, make_desktop):
    python = DesktopImage.objects.create(name="Python")
    python.sizes.add(DesktopSize.objects.first())
    now = timezone.now()
    make_desktop(alice, name="b", status=Status.RUNNING, created_at=now)
    make_desktop(alice, name="c", status=Status.STARTING, created_at=now - timedelta(hours=1))
    make_desktop(alice, name="a", status=Status.FAILED, created_at=now - timedelta(hours=2), image=python)


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [desktop["name"] for desktop in answer.json()["results"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", ["a", "c", "b"]),
        ("ordering=-created_at", ["b", "c", "a"]),
        ("ordering=name", ["a", "b", "c"]),
        ("ordering=-name", ["c", "b", "a"]),
        ("ordering=status", ["a", "b", "c"]),
        ("status=running", ["b"]),
        ("status=running,failed&ordering=name", ["a", "b"]),
        ("name=c", ["c"]),
        ("image=Python", ["a"]),
        ("image=no such", []),
        ("limit=1&offset=1", ["c"]),
        ("offset=5", []),
    ],
)
def test_filters_and_orders(alice, three, asked, found):
    assert names(script_of(alice).get(f"pods?{asked}")) == found


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("status=", "status"),
        ("status=running,broken", "status"),
        ("status=RUNNING", "status"),
        ("ordering=owner", "ordering"),
        ("ordering=name,status", "ordering"),
        ("name=%00", "name"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("offset=-1", "offset"),
        ("owner=bob", "owner"),
    ],
)
def test_nonsense_names_the_field(alice, asked, field):
    answer = script_of(alice).get(f"pods?{asked}")
    assert (answer.status_code, fields(answer)) == (422, [field])


def test_equals_keep_their_order(alice, make_desktop):
    moment = timezone.now()
    rows = [make_desktop(alice, name=f"d{number}", created_at=moment) for number in range(9)]
    pages = [script_of(alice).get(f"pods?limit=3&offset={offset}") for offset in (0, 3, 6)]
    assert [name for page in pages for name in names(page)] == [
        row.name for row in sorted(rows, key=lambda row: row.pk)
    ]


def test_says_how_each_is_and_where(alice, three):
    results = script_of(alice).get("pods?ordering=name").json()["results"]
    assert [desktop["status"] for desktop in results] == ["failed", "running", "starting"]
    assert results[0]["sentence"] and results[2]["sentence"]
    assert results[1]["access_info"]["vnc_websocket"].endswith(f"/ws/desktops/{results[1]['id']}/vnc")


def test_as_many_queries_for_many(alice, make_desktop, django_assert_num_queries):
    for number in range(20):
        make_desktop(alice, name=f"d{number}", status=Status.STARTING)
    script = script_of(alice)
    script.get("pods")  # from now on the token is cached
    with django_assert_num_queries(3):  # the user, the count, the page
        script.get("pods")


def test_strangers_see_their_own_only(bob, admin, three):
    assert names(script_of(bob).get("pods")) == names(script_of(admin).get("pods")) == []


def test_wrong_method_and_anonymous(alice):
    assert script_of(alice).post("pods").status_code == 405
    assert script_of(None).get("pods").status_code == 401


def test_a_token_for_one_desktop_lists_none(alice, three):
    assert script_of(alice, pod_name=Desktop.objects.first().object_name).get("pods").status_code == 403
