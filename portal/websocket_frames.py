"""Separate a browser's binary messages from its other frames (RFC 6455, 5.2)."""

from collections.abc import Callable
from struct import unpack_from

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # the C version if available

FINAL_BINARY = 0x82  # first byte of a binary message in one frame
MASKED = 0x80
LARGE = 128 * 1024  # bytes; larger messages are passed on in parts, so that little is buffered


class FrameSplitter:
    """Splits a stream that starts at a frame. `binary` gets each message's payload; `ready` is called before each.

    Everything else goes to `other` unchanged, which handles the rest of the protocol. It gets whole frames, perhaps in
    parts, and is at the start of a frame whenever a payload goes to `binary`.
    """

    def __init__(
        self, ready: Callable[[], bool], binary: Callable[[bytes], None], other: Callable[[bytes], None]
    ) -> None:
        self._ready, self._binary, self._other = ready, binary, other
        self._rest = b""  # an incomplete frame
        self._owed = 0  # remaining bytes of a frame that go to `other`

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
        """Handle one frame and return its length; None if more data is needed, 0 to leave it to `other`."""
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
