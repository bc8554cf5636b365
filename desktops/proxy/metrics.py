"""Metrics of streams. Bytes are summed once a second for all streams, so that no message costs anything."""

import time
from collections import Counter as Sums
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from desktops.proxy.stream import Stream
from desktops.wording import close_codes

_OPEN = Gauge("podesk_streams", "Open streams.", ["kind"])
_ENDS = Counter("podesk_stream_ends", "Streams that ended, by the reason of the close code.", ["kind", "reason"])
_REFUSED = Counter("podesk_streams_refused", "Streams that were refused before they opened.", ["reason"])
_BYTES = Counter("podesk_stream_bytes", "Bytes relayed.", ["kind", "direction"])
_FIRST_PICTURE_SECONDS = Histogram(
    "podesk_stream_first_picture_seconds",
    "Seconds from the opening of a screen until its first picture.",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_DISCONNECT_SECONDS = Histogram(
    "podesk_stream_disconnect_seconds",
    "Seconds from the end of access until a stream was closed.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30),
)


def count_opened(stream: Stream) -> None:
    _OPEN.labels(stream.admission.permission).inc()


def count_closed(stream: Stream) -> None:
    _OPEN.labels(stream.admission.permission).dec()
    count_bytes([stream])


def count_end(stream: Stream, reason: str) -> None:
    """Count the end of a stream that has been closed, and how long a disconnect took until then."""
    _ENDS.labels(stream.admission.permission, close_codes.close_code_for(reason).reason).inc()
    if stream.disconnected_at:
        _DISCONNECT_SECONDS.observe(max(0.0, time.time() - stream.disconnected_at))


def count_refusal(reason: str) -> None:
    """Count a refusal. `reason` is the slug of desktops.proxy.access.StreamRefused."""
    _REFUSED.labels(reason).inc()


def count_bytes(streams: Iterable[Stream]) -> None:
    """Count what the streams have relayed since they were last counted."""
    sums: Sums[tuple[str, str]] = Sums()
    for stream in streams:
        down, up = stream.down, stream.up
        if (down, up) != stream.counted:
            _count_first_picture(stream)
            kind = stream.admission.permission
            sums[kind, "to_browser"] += down - stream.counted[0]
            sums[kind, "to_desktop"] += up - stream.counted[1]
            stream.counted = down, up
    for labels, size in sums.items():
        _BYTES.labels(*labels).inc(size)


def _count_first_picture(stream: Stream) -> None:
    if stream.first_picture_seconds and not stream.picture_counted and stream.admission.permission == "vnc":
        stream.picture_counted = True
        _FIRST_PICTURE_SECONDS.observe(stream.first_picture_seconds)
