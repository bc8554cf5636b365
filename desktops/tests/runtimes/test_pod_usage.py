"""Values of the metrics API, in cores and MiB."""

from decimal import Decimal

import pytest

from desktops.runtimes.base import Usage
from desktops.runtimes.kubernetes.pod_usage import quantity, usage_of

POD = {"spec": {"containers": [{"name": "desktop", "resources": {"limits": {"cpu": "1500m", "memory": "2Gi"}}}]}}


def measured(**usage: str) -> dict:
    return {
        "containers": [{"name": "sidecar", "usage": {"cpu": "9", "memory": "9Gi"}}, {"name": "desktop", "usage": usage}]
    }


def test_usage():
    assert usage_of(POD, measured(cpu="250000000n", memory="524288Ki")) == Usage(0.25, 512.0, 1.5, 2048.0)


def test_a_container_that_is_not_measured_yet():
    assert usage_of(POD, {"containers": []}) is None


def test_a_pod_without_limits():
    bare = {"spec": {"containers": [{"name": "desktop"}]}}
    assert usage_of(bare, measured(cpu="1", memory="1048576")) == Usage(1.0, 1.0, None, None)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("2", 2),
        ("250m", "0.25"),
        ("7u", "0.000007"),
        ("1k", 1000),
        ("1Mi", 2**20),
        ("1.5Gi", 1.5 * 2**30),
        ("1e3", 1000),
    ],
)
def test_quantities(text, number):
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "m", "1 Mi", "1mi", "-1", "two", "1.2.3", "."])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(ValueError):
        quantity(text)
