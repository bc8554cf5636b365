"""Jobs lost with a killed worker are queued again. Waiting jobs are not."""

import django_rq
import pytest

from core.redis import client, key
from desktops.lifecycle import jobs
from desktops.lifecycle.controller import Controller
from desktops.lifecycle.queue import enqueue_again, enqueue_later, send_due

DESKTOP = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def later():
    """Return a function that ends the interval between two orders of the same job."""
    return lambda: client().delete(key(f"again-start_desktop-{DESKTOP}"))


def test_an_order_that_waits_is_not_given_again(queued, later):
    for _ in range(2):
        enqueue_again(jobs.start_desktop, DESKTOP)
        later()
    assert queued() == [("start_desktop", DESKTOP)]


def test_nor_one_given_a_moment_ago(queued):
    enqueue_again(jobs.start_desktop, DESKTOP)
    django_rq.get_queue("desktops").pop_job_id()
    enqueue_again(jobs.start_desktop, DESKTOP)
    assert queued() == []


def test_an_order_lost_between_queue_and_work_is_given_again(queued, later):
    """The worker is killed after it takes the job and before it reports so: the job still has the status "queued"."""
    enqueue_again(jobs.start_desktop, DESKTOP)
    django_rq.get_queue("desktops").pop_job_id()
    later()
    enqueue_again(jobs.start_desktop, DESKTOP)
    assert queued() == [("start_desktop", DESKTOP)]


def test_what_was_put_off_is_sent_when_it_is_due_and_once(queued, db):
    enqueue_later(jobs.start_desktop, DESKTOP, 60)
    enqueue_later(jobs.stop_desktop, DESKTOP, 60)
    send_due()
    assert queued() == []
    for _ in range(2):
        enqueue_later(jobs.start_desktop, DESKTOP, 0)  # the second order replaces the time of the first
    for _ in range(2):
        send_due()
    assert queued() == [("start_desktop", DESKTOP)]
    django_rq.get_queue("desktops").jobs[0].perform()  # the job can be run


def test_the_controller_sends_what_is_due(queued, runtime):
    enqueue_later(jobs.remove_orphan, "vnc-nobody", 0)
    turns = iter((False, True))
    Controller(lambda: next(turns)).run()
    assert queued() == [("remove_orphan", "vnc-nobody")]


def test_works_while_redis_is_unavailable(redis_unavailable):
    with redis_unavailable():
        enqueue_again(jobs.start_desktop, DESKTOP)
        enqueue_later(jobs.start_desktop, DESKTOP, 0)
