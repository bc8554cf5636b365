"""A histogram of measured values from which a percentile can be read. Pure.

A bucket is a number whose text is the key of a dictionary; its value is how many samples it holds. Bucket `i` holds
the values from GROWTH^(i-1) to GROWTH^i. So a percentile is right within 2.5 %, and a histogram has a few hundred
buckets at most, however many samples it holds.
"""

import math

ERROR = 0.025
GROWTH = (1 + ERROR) / (1 - ERROR)
_LOG_OF_GROWTH = math.log(GROWTH)
LEAST, MOST = 0.001, 2.0**30  # smaller values are taken for the least one, and larger ones for the largest one

Histogram = dict[str, int]


def bucket_of(value: float) -> int:
    """Return the bucket to which the value belongs."""
    return math.ceil(math.log(min(max(value, LEAST), MOST)) / _LOG_OF_GROWTH)


def percentile(histogram: Histogram, share: float) -> float:
    """Return the value that `share` of the samples do not exceed, such as 0.95, or 0 without samples."""
    total = sum(histogram.values())
    above = total - max(1, math.ceil(share * total))  # samples that may be larger
    # From the largest bucket down, since few buckets hold the samples above a high percentile.
    for bucket in sorted(map(int, histogram), reverse=True):
        above -= histogram[str(bucket)]
        if above < 0:
            return 2 * GROWTH**bucket / (GROWTH + 1)
    return 0.0
