"""A percentile from a histogram is right within its stated error, and the histogram stays small."""

import json
import random
from collections import Counter

import pytest

from desktops.models.usage_histogram import ERROR, bucket_of, percentile


def histogram_of(values: list[float]) -> dict[str, int]:
    return dict(Counter(str(bucket_of(value)) for value in values))


@pytest.mark.parametrize("share", [0.5, 0.95, 1.0])
@pytest.mark.parametrize("spread", ["even", "skewed", "memory"])
def test_error_is_within_the_stated_one(share, spread):
    draw = random.Random(f"{share} {spread}")
    values = {
        "even": lambda: draw.uniform(0.01, 4),
        "skewed": lambda: draw.lognormvariate(-2, 1.5),
        "memory": lambda: draw.gauss(3000, 400),
    }
    drawn = [max(0.001, values[spread]()) for _ in range(2000)]
    exact = sorted(drawn)[max(0, round(share * len(drawn)) - 1)]
    assert percentile(histogram_of(drawn), share) == pytest.approx(exact, rel=ERROR + 1e-9)


def test_size_does_not_grow_with_the_samples():
    draw = random.Random(1)
    values = [draw.lognormvariate(0, 6) for _ in range(20_000)] + [0, 2.0**40]
    assert len(histogram_of(values)) < 600
    assert len(json.dumps(histogram_of(values))) < 10_000


def test_without_samples_it_is_zero():
    assert percentile({}, 0.95) == 0


@pytest.mark.parametrize(("large", "found"), [(1, 0.1), (2, 3.0)])
def test_one_sample_in_twenty_may_be_larger(large, found):
    values = [0.1] * (20 - large) + [3.0] * large
    assert percentile(histogram_of(values), 0.95) == pytest.approx(found, rel=ERROR + 1e-9)


def test_survives_json():
    found = histogram_of([0.2, 0.3, 5])
    assert json.loads(json.dumps(found)) == found
