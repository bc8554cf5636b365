"""Tell a browser's binary messages apart from the rest of what it sends. Knows frames (RFC 6455, 5.2), no more."""

from collections.abc import Callable
from struct import unpack_from

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where it could be built

FINAL_BINARY = 0x82  # first byte of a binary message in one frame
MASKED = 0x80
LARGE = 128 * 1024  # bytes; a larger message goes on as it comes, so that we keep little


class FrameSplitter:
    """Feed it from a frame's beginning. `binary` takes the payload of a whole message; it is asked `ready` before each.

    Everything else goes to `other` as it came, so that whoever knows the protocol judges it: it gets whole frames,
    perhaps in parts, and is at a frame's beginning whenever a payload goes to `binary`.
    """

    def __init__(
        self, ready: Callable[[], bool], binary: Callable[[bytes], None], other: Callable[[bytes], None]
    ) -> None:
        self._ready, self._binary, self._other = ready, binary, other
        self._rest = b""  # a frame that has not come far enough
        self._owed = 0  # bytes of a frame that are still to go to `other`

    def feed(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while at < end:
            if self._owed:
                part = data[at : at + self._owed]
                self._owed -= len(part)
                at += len(part)
                self._other(part)
            elif (taken := self._frame(data, at)) is None:
                break
            else:
                at += taken
        self._rest = data[at:]

    def _frame(self, data: bytes, at: int) -> int | None:
        """Bytes taken from a frame's beginning; None when more is needed. Taking none leaves it to `other`."""
        left = len(data) - at
        if left < 2:
            return None
        size, head = data[at + 1] & 0x7F, 6
        if size >= 126:
            form, head = (">H", 8) if size == 126 else (">Q", 14)
            if left < head:
                return None
            (size,) = unpack_from(form, data, at + 2)
        masked = data[at + 1] & MASKED
        if data[at] != FINAL_BINARY or not masked or size > LARGE or not self._ready():
            self._owed = head + size - (0 if masked else 4)
            return 0
        if left < head + size:
            return None
        begin = at + head
        self._binary(apply_mask(data[begin : begin + size], data[begin - 4 : begin]))
        return head + size
