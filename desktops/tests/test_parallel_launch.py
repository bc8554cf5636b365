"""Fifty parallel clicks give one desktop and fifty consistent answers, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.audit import Actor
from desktops import services
from desktops.exceptions import QuotaExceeded
from desktops.models import Desktop, DesktopSize, Volume
from desktops.services import LaunchRequest

pytestmark = pytest.mark.django_db(transaction=True)


def in_threads(work, count: int) -> list:
    def run(number: int):
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_fifty_launches_by_one_person_make_one_desktop(alice, image, small, queued):
    answers = in_threads(lambda _: services.launch_desktop(by=Actor(alice), wanted=LaunchRequest(image, small)).pk, 50)
    assert set(answers) == {Desktop.objects.get().pk}
    assert Volume.objects.count() == 1
    assert len(queued()) == 1


def test_launches_of_different_names_never_exceed_the_quota(alice, image, small):
    def launch(number: int) -> str:
        try:
            services.launch_desktop(by=Actor(alice), wanted=LaunchRequest(image, small, name=f"d{number}"))
        except QuotaExceeded:
            return "refused"
        return "launched"

    answers = in_threads(launch, 20)
    assert (answers.count("launched"), answers.count("refused")) == (1, 19)
    assert Desktop.objects.count() == 1


def test_starts_of_two_stopped_desktops_do_not_exceed_the_quota(alice, make_desktop):
    DesktopSize.objects.update(cpu=2)
    rows = [make_desktop(alice, name=f"d{number}", cpu=2, memory_mib=1024) for number in range(4)]

    def start(number: int) -> str:
        try:
            services.start_desktop(desktop=Desktop.objects.get(pk=rows[number].pk), by=Actor(alice))
        except QuotaExceeded:
            return "refused"
        return "started"

    answers = in_threads(start, 4)
    assert sorted(answers) == ["refused", "refused", "refused", "started"]
