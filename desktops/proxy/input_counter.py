"""Count the keyboard, pointer and clipboard input in the bytes that a VNC client sends.

The result does not depend on how the bytes are split into chunks.
"""

from collections.abc import Callable
from struct import unpack_from

EXTENDED_MOUSE_BUTTONS = -316  # pseudo-encoding: a pointer event with bit 7 set has a seventh byte
NOTIFY = 1 << 27  # extended clipboard: the client has new contents to paste
SCALE_KEYS = range(0x1008_F000, 0x1008_F004)  # static/js/viewer/scale.js sends them by itself when it connects

_SHORT = -1  # returned by a handler that needs more bytes of the message


class InputCounter:
    """Counts the input in everything after ClientInit. It buffers a few bytes at most and skips long bodies.

    After a message of unknown type, whose length is unknown too, it is `blind` and stops counting.
    """

    def __init__(self, *, blind: bool = False) -> None:
        self.count = 0
        self.blind = blind
        self._rest = b""  # beginning of an incomplete message
        self._skip = 0  # bytes still to arrive that are not needed
        self._encodings = 0  # entries of SetEncodings still to arrive
        self._seven_byte_pointer = False
        self._pointer = b""  # buttons and position of the last pointer event

    def feed(self, data: bytes) -> None:
        if self._skip >= len(data):
            self._skip -= len(data)
            return
        if self.blind:
            return
        if self._rest:
            data = self._rest + data
        at, end = self._skip, len(data)
        while at < end and not self.blind:
            length = self._length(data, at)
            if length == _SHORT:
                break
            at += length
        self._skip = max(0, at - end)
        self._rest = data[at:]

    def _length(self, data: bytes, at: int) -> int:
        """Count the message at this position and return its length, which may exceed the data, or _SHORT."""
        if self._encodings:
            return self._encoding(data, at)
        head, handler = _MESSAGES.get(data[at], (1, InputCounter._unknown))
        if handler is None:
            return head
        return handler(self, data, at) if len(data) - at >= head else _SHORT

    def _unknown(self, data: bytes, at: int) -> int:
        self.blind = True
        return 1

    def _set_encodings(self, data: bytes, at: int) -> int:
        (self._encodings,) = unpack_from(">H", data, at + 2)
        self._seven_byte_pointer = False
        return 4

    def _encoding(self, data: bytes, at: int) -> int:
        if len(data) - at < 4:
            return _SHORT
        self._encodings -= 1
        if unpack_from(">i", data, at)[0] == EXTENDED_MOUSE_BUTTONS:
            self._seven_byte_pointer = True
        return 4

    def _key(self, data: bytes, at: int) -> int:
        self.count += unpack_from(">I", data, at + 4)[0] not in SCALE_KEYS
        return 8

    def _pointer_event(self, data: bytes, at: int) -> int:
        # Without the pseudo-encoding, bit 7 is button 8. With it, clients set the bit only after the server agreed.
        length = 7 if self._seven_byte_pointer and data[at + 1] & 0x80 else 6
        event = data[at + 1 : at + length]
        if len(event) < length - 1:
            return _SHORT
        if event != self._pointer:
            self._pointer = event
            self.count += 1
        return length

    def _cut_text(self, data: bytes, at: int) -> int:
        size: int = unpack_from(">i", data, at + 4)[0]
        if size >= 0:
            self.count += 1
            return 8 + size
        if -size >= 4:
            # Extended clipboard. Only `notify` is caused by the user: a viewer sends its capabilities, requests and
            # contents automatically, in answer to programs in the desktop.
            if len(data) - at < 12:
                return _SHORT
            self.count += bool(unpack_from(">I", data, at + 8)[0] & NOTIFY)
        return 8 - size

    def _fence(self, data: bytes, at: int) -> int:
        return 9 + data[at + 8]

    def _set_desktop_size(self, data: bytes, at: int) -> int:
        return 8 + 16 * data[at + 6]

    def _qemu(self, data: bytes, at: int) -> int:
        if data[at + 1] == 0:  # extended key event
            self.count += 1
            return 12
        if data[at + 1] == 1:  # audio: operation 2 sets the sample format
            return 10 if unpack_from(">H", data, at + 2)[0] == 2 else 4
        return self._unknown(data, at)


# Message type: (bytes that the handler needs, handler), or (length, None) for a message that is not input.
_MESSAGES: dict[int, tuple[int, Callable[[InputCounter, bytes, int], int] | None]] = {
    0: (20, None),  # SetPixelFormat
    2: (4, InputCounter._set_encodings),
    3: (10, None),  # FramebufferUpdateRequest
    4: (8, InputCounter._key),
    5: (6, InputCounter._pointer_event),
    6: (8, InputCounter._cut_text),
    150: (10, None),  # EnableContinuousUpdates
    248: (9, InputCounter._fence),
    250: (4, None),  # xvp
    251: (8, InputCounter._set_desktop_size),
    255: (4, InputCounter._qemu),
}
