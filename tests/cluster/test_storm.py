"""200 people press Launch at once: one pod each, and every row is where its pod is."""

import pytest

from tests.cluster.crowd import Crowd, more
from tests.cluster.driven import driving
from tests.whole import wait_for

pytestmark = pytest.mark.cluster
PEOPLE, FITTING = 200, 2


def test_storm(kube):
    with driving(kube) as driven, more(driven.portal, "rqworker", 3):
        crowd = Crowd(driven, PEOPLE, FITTING)
        crowd.launch()
        wait_for(lambda: len(driven.pods()) == PEOPLE, 300)
        wait_for(lambda: not crowd.disagreements(), 300)
        where = sorted(crowd.rows().values())
        assert where == [("running", "")] * FITTING + [("starting", "unschedulable")] * (PEOPLE - FITTING)
        assert set(crowd.pods_per_desktop().values()) == {1}
        crowd.delete()
        wait_for(lambda: not crowd.rows(), 300)
        wait_for(lambda: not driven.objects(), 300)
