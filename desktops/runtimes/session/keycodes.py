"""Keep key codes free in the X server, so that letters of any script can be typed.

A VNC client sends characters. For each character that the keyboard layout lacks, Xvnc takes an unused key code and
never releases it. Without this program, the codes run out after about twenty characters, and further ones are lost.
This program frees the codes that have not been pressed for longest. It also keeps Xvnc's keyboard in use: the first key
after another keyboard's loads a layout without the character that Xvnc has just added, which is then lost. Because this
program knows each such key, it also acts on the viewer's keys for the size of text and controls. It speaks the X
protocol itself, needs only the standard library and a few megabytes, and ends with the X server.
"""

import os
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Enough for what may be typed before this program reacts. Higher values would free codes whose key presses a busy
# program has not read yet; it looks up their meaning when it reads them.
FREE_AT_LEAST, FREE_AFTER = 30, 40
WHOLE_LAYOUT = 8  # codes that change at once: a new layout, not a single character
# Seconds after the keyboard or its layout has changed. Programs that handle shortcuts react to the new layout first.
SETTLE_AFTER = 0.1
MEDIA_KEYS = range(0x1008_FE00, 0x1009_0000)
# Keys that no keyboard has and no program knows. static/js/viewer/scale.js sends them.
SCALES = {0x1008_F000: "100", 0x1008_F001: "125", 0x1008_F002: "150", 0x1008_F003: "200"}

CHANGE_MAPPING, GET_MAPPING, QUERY_EXTENSION, GET_INPUT_FOCUS = 100, 101, 98, 43
GRAB_KEY, UNGRAB_KEY, ASYNCHRONOUS = 33, 34, 1
ERROR, REPLY, MAPPING_NOTIFY, GENERIC_EVENT = 0, 1, 34, 35
SELECT_EVENTS, QUERY_VERSION, ALL_MASTERS, RAW_KEY_PRESS = 46, 47, 1, 13  # of the XInput extension
QUERY_DEVICES, ALL_DEVICES, SLAVE_KEYBOARD, DEVICE_KEY_RELEASE = 48, 0, 4, 2
FAKE_INPUT = 2  # of the XTEST extension

Symbols = tuple[int, ...]


class XServer:
    """A connection to the X server of DISPLAY. Raises ConnectionError when the X server ends."""

    def __init__(self) -> None:
        number = os.environ["DISPLAY"].partition(":")[2].partition(".")[0]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(f"/tmp/.X11-unix/X{number}")  # noqa: S108 - where X servers listen  # nosec B108
        self._events: list[bytes] = []
        self._send(_hello(_cookie()))
        answer, _, _, length = struct.unpack("<BxHHH", self._exactly(8))
        setup = self._exactly(4 * length)
        if answer != 1:
            raise ConnectionError(setup)
        self.codes = range(setup[26], setup[27] + 1)
        vendor, formats = struct.unpack_from("<H", setup, 16)[0], setup[21]
        self._root: int = struct.unpack_from("<I", setup, 32 + -(-vendor // 4) * 4 + 8 * formats)[0]

    def watch_key_presses(self) -> None:
        extension, _ = self.extension(b"XInputExtension")
        self._ask(struct.pack("<BBHHH", extension, QUERY_VERSION, 2, 2, 2))
        self._send(
            struct.pack("<BBHIHxxHHI", extension, SELECT_EVENTS, 5, self._root, 1, ALL_MASTERS, 1, 1 << RAW_KEY_PRESS)
        )

    def keyboards(self) -> list[int]:
        """Return Xvnc's keyboard, without the one on which programs type."""
        extension, _ = self.extension(b"XInputExtension")
        answer = self._ask(struct.pack("<BBHHxx", extension, QUERY_DEVICES, 2, ALL_DEVICES))
        return [device for device, use, name in _devices(answer) if use == SLAVE_KEYBOARD and b"XTEST" not in name]

    def fake_key(self, kind: int, code: int, keyboard: int) -> None:
        """Send a key event of this keyboard. 0 is the one on which programs type."""
        extension, _ = self.extension(b"XTEST")
        self._send(struct.pack("<BBHBB29xB", extension, FAKE_INPUT, 9, kind, code, keyboard))

    def extension(self, name: bytes) -> tuple[int, int]:
        """Return the numbers of the extension's requests and of its first event."""
        padded = _padded(name)
        head = struct.pack("<BxHHxx", QUERY_EXTENSION, 2 + len(padded) // 4, len(name))
        answer = self._ask(head + padded)
        return answer[9], answer[10]

    def mapping(self) -> dict[int, Symbols]:
        """Return the key symbols by key code; empty for unused codes."""
        answer = self._ask(struct.pack("<BxHBBxx", GET_MAPPING, 2, self.codes.start, len(self.codes)))
        rows = struct.iter_unpack(f"<{answer[1]}I", answer[32:])
        return {code: row if any(row) else () for code, row in zip(self.codes, rows, strict=True)}

    def clear(self, codes: list[int]) -> None:
        for first, count in _runs(codes):
            self._send(struct.pack("<BBHBBxx", CHANGE_MAPPING, count, 2 + count, first, 1) + bytes(4 * count))

    def is_grabbed(self, code: int) -> bool:
        """Return whether a program has asked for all events of this key, as it does for a shortcut."""
        self._send(struct.pack("<BxHIHBBBxxx", GRAB_KEY, 4, self._root, 0, code, ASYNCHRONOUS, ASYNCHRONOUS))
        self._send(struct.pack("<BBHIHxx", UNGRAB_KEY, code, 3, self._root, 0))
        self._ask(struct.pack("<BxH", GET_INPUT_FOCUS, 1))  # the answer follows a refusal
        refusals = [message for message in self._events if message[0] == ERROR]
        self._events = [message for message in self._events if message[0] != ERROR]
        return bool(refusals)

    def pending_presses(self) -> set[int]:
        """Return the codes of the key presses that event() has yet to return."""
        self._ask(struct.pack("<BxH", GET_INPUT_FOCUS, 1))  # the answer follows all earlier events
        return {_pressed_code(event) for event in self._events if event[0] & 0x7F == GENERIC_EVENT}

    def event(self, seconds: float | None) -> bytes:
        """Wait for the next event and return it. Empty if none comes within this time."""
        if self._events:
            return self._events.pop(0)
        return self._message() if select.select([self._socket], [], [], seconds)[0] else b""

    def _ask(self, request: bytes) -> bytes:
        self._send(request)
        while (message := self._message())[0] != REPLY:
            self._events.append(message)
        return message

    def _message(self) -> bytes:
        head = self._exactly(32)
        kind = head[0] & 0x7F
        more = struct.unpack_from("<I", head, 4)[0] if kind in (REPLY, GENERIC_EVENT) else 0
        return head + self._exactly(4 * more)

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the X server has ended")
            data += more
        return data


def _pressed_code(event: bytes) -> int:
    code: int = struct.unpack_from("<I", event, 16)[0]
    return code


def _runs(codes: list[int]) -> list[tuple[int, int]]:
    """Return the first code and length of each contiguous run. Programs read the layout again after each change."""
    starts = [code for code in codes if code - 1 not in codes]
    return [(start, next(end for end in range(start, 257) if end not in codes) - start) for start in starts]


def _hello(cookie: bytes) -> bytes:
    name = b"MIT-MAGIC-COOKIE-1" if cookie else b""
    head = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie))
    return head + _padded(name) + _padded(cookie)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)


def _devices(answer: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number, the use and the name of each input device."""
    at = 32
    for _ in range(struct.unpack_from("<H", answer, 8)[0]):
        device, use, _, classes, size = struct.unpack_from("<5H", answer, at)
        name = answer[at + 12 : at + 12 + size]
        at += 12 + len(_padded(name))
        for _ in range(classes):
            at += 4 * struct.unpack_from("<2H", answer, at)[1]
        yield device, use, name


def _cookie() -> bytes:
    """Return the first cookie of the authority file, which holds only this desktop's. Empty if there is no file."""
    path = os.environ.get("XAUTHORITY", "")
    data, parts, at = Path(path).read_bytes() if path else b"", [b""], 2
    while len(parts) < 5 and at + 2 <= len(data):
        (size,) = struct.unpack_from(">H", data, at)
        parts.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return parts[-1]


class SpareCodes:
    def __init__(self, server: XServer) -> None:
        self._server = server
        self._spare: set[int] = set()  # codes that the keyboard layout does without
        self._taken: dict[int, Symbols] = {}  # spare codes in use, longest unused first
        self._settle_at: float | None = None

    def run(self) -> None:
        self._server.watch_key_presses()
        self._mapping_changed(len(self._server.codes))
        self._settle()
        while True:
            wait = None if self._settle_at is None else self._settle_at - time.monotonic()
            if wait is not None and wait <= 0:
                self._settle()
            elif event := self._server.event(wait):
                self._handle(event)

    def _handle(self, event: bytes) -> None:
        kind = event[0] & 0x7F
        if kind == GENERIC_EVENT:
            self._pressed(_pressed_code(event))
        elif kind == MAPPING_NOTIFY and event[4] == 1:  # of the keyboard
            self._mapping_changed(event[6])

    def _mapping_changed(self, count: int) -> None:
        mapping = self._server.mapping()
        if count > WHOLE_LAYOUT:
            self._learn_layout(mapping)
        known = {code: symbols for code, symbols in self._taken.items() if mapping[code] == symbols}
        # Xvnc takes the highest code first.
        new = {code: mapping[code] for code in sorted(self._spare - {*known}, reverse=True) if mapping[code]}
        self._taken = known | new
        # Before a new layout has settled, few codes are spare, and the latest must keep their meaning.
        if self._settle_at is None and len(self._spare) - len(self._taken) < FREE_AT_LEAST:
            self._free()

    def _learn_layout(self, mapping: dict[int, Symbols]) -> None:
        scales = {code for code, symbols in mapping.items() if symbols and symbols[0] in SCALES}  # about to be pressed
        unused = {code for code, symbols in mapping.items() if not symbols}
        media = _media_keys(mapping)
        self._spare = (self._spare | scales | unused) - media
        self._taken = {code: symbols for code, symbols in self._taken.items() if code not in media}
        if self._settle_at is None:
            self._settle_at = time.monotonic() + SETTLE_AFTER

    def _settle(self) -> None:
        self._settle_at = None
        self._use_keyboard()
        self._release(_media_keys(self._server.mapping()))

    def _use_keyboard(self) -> None:
        """Change to Xvnc's keyboard: release a key of it that does not exist, which no program notices."""
        _, first_event = self._server.extension(b"XInputExtension")
        for keyboard in self._server.keyboards():
            self._server.fake_key(first_event + DEVICE_KEY_RELEASE, self._server.codes.start, keyboard)

    def _pressed(self, code: int) -> None:
        if code in self._taken:
            symbols = self._taken[code] = self._taken.pop(code)  # now the last in order
            if symbols[0] in SCALES:
                _set_scale(SCALES[symbols[0]])

    def _free(self) -> None:
        count = FREE_AFTER - (len(self._spare) - len(self._taken))
        self._release({*list(self._taken)[:count]})

    def _release(self, codes: set[int]) -> None:
        """Free these codes, except shortcuts: the program that has grabbed a code would take its new character."""
        grabbed = {code for code in codes if self._server.is_grabbed(code)}
        codes -= self._server.pending_presses()  # programs have yet to look up their meaning
        self._taken = {code: symbols for code, symbols in self._taken.items() if code not in codes}
        self._spare = (self._spare | codes) - grabbed
        self._server.clear(sorted(codes - grabbed))


def _media_keys(mapping: dict[int, Symbols]) -> set[int]:
    """Return the codes of keys that few keyboards have. Xvnc adds such a key again when it is pressed."""
    return {code for code, symbols in mapping.items() if symbols and symbols[0] in MEDIA_KEYS}


def _set_scale(percent: str) -> None:
    """Start session/scale and do not wait for it."""
    command = ["sh", str(Path(__file__).with_name("scale")), percent]
    os.posix_spawn("/bin/sh", command, os.environ, setsigdef=[signal.SIGCHLD])


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies of _set_scale
    with suppress(ConnectionError):  # the X server has ended
        SpareCodes(XServer()).run()
