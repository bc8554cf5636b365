"""Only actions of a user are input, however the bytes are split. The row is updated at most once a minute."""

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktops.models import Desktop
from desktops.proxy.input_counter import NOTIFY, InputCounter
from desktops.tests.proxy.conftest import REQUEST, view

pytestmark = pytest.mark.once

KEY = struct.pack(">BBHI", 4, 1, 0, 0x61)
QEMU_KEY = struct.pack(">BBHII", 255, 0, 1, 0x61, 30)
OFFERS_MORE_BUTTONS = struct.pack(">BBHii", 2, 0, 2, 7, -316)
OFFERS_LITTLE = struct.pack(">BBHi", 2, 0, 1, 7)


def pointer(x: int, y: int = 5, buttons: int = 0) -> bytes:
    return struct.pack(">BBHH", 5, buttons, x, y)


def wide_pointer(x: int, buttons: int) -> bytes:
    return struct.pack(">BBHHB", 5, 0x80 | buttons & 0x7F, x, 5, buttons >> 7)


def cut_text(text: bytes) -> bytes:
    return struct.pack(">BxxxI", 6, len(text)) + text


def extended_clipboard(flags: int, data: bytes = b"") -> bytes:
    return struct.pack(">BxxxiI", 6, -(4 + len(data)), flags) + data


NO_INPUT = [
    bytes(20),  # SetPixelFormat
    REQUEST,
    OFFERS_LITTLE,
    OFFERS_MORE_BUTTONS,
    struct.pack(">BBHHHH", 150, 1, 0, 0, 64, 48),  # EnableContinuousUpdates
    struct.pack(">BxxxIB5s", 248, 1, 5, b"fence"),
    struct.pack(">BxBB", 250, 1, 2),  # xvp
    struct.pack(">BxHHBxIHHHHI", 251, 64, 48, 1, 0, 0, 0, 64, 48, 0),  # SetDesktopSize
    struct.pack(">BBH", 255, 1, 0),  # audio on
    struct.pack(">BBHBBI", 255, 1, 2, 3, 2, 44100),  # audio format
    *(struct.pack(">BBHI", 4, down, 0, keysym) for keysym in (0x1008F000, 0x1008F003) for down in (1, 0)),  # scale
    extended_clipboard(1 << 24 | 1, bytes(4)),  # capabilities
    extended_clipboard(1 << 25 | 1),  # request
    extended_clipboard(1 << 28 | 1, b"deflated \4\4\4"),  # contents
]
MEDIA_KEY = struct.pack(">BBHI", 4, 1, 0, 0x1008FF13)
INPUT = [KEY, MEDIA_KEY, QEMU_KEY, cut_text(b""), cut_text(b"\4\4\4\4 text"), extended_clipboard(NOTIFY | 1)]


def count(*messages: bytes) -> int:
    counter = InputCounter()
    for message in messages:
        counter.feed(message)
    assert not counter.blind
    return counter.count


@pytest.mark.parametrize("message", NO_INPUT, ids=[f"type {message[0]}, {len(message)}" for message in NO_INPUT])
def test_what_a_viewer_sends_by_itself_is_no_input(message):
    assert count(message, KEY) == count(message, message, KEY) == 1


@pytest.mark.parametrize("message", INPUT, ids=[f"type {message[0]}, {len(message)}" for message in INPUT])
def test_what_a_person_does_is_input(message):
    assert count(message) == 1
    assert count(REQUEST, message, REQUEST, message) == 2


def test_a_pointer_that_stays_is_no_input():
    assert count(pointer(1)) == 1
    assert count(pointer(1), pointer(1), REQUEST, pointer(1)) == 1
    assert count(pointer(1), pointer(2), pointer(2, buttons=1), pointer(2)) == 4


def test_seven_byte_pointers_only_where_they_were_offered():
    assert count(OFFERS_MORE_BUTTONS, wide_pointer(1, 0x80), wide_pointer(1, 0x80), wide_pointer(1, 0x100), KEY) == 3
    assert count(OFFERS_MORE_BUTTONS, pointer(1), KEY) == 2
    assert count(OFFERS_LITTLE, pointer(1, buttons=0x80), KEY) == 2
    assert count(OFFERS_MORE_BUTTONS, OFFERS_LITTLE, pointer(1, buttons=0x80), KEY) == 2


def test_a_long_body_is_skipped():
    assert count(*[cut_text(bytes([4]) * 300_000)[n : n + 65536] for n in range(0, 300_008, 65536)], KEY) == 2


def test_beyond_an_unknown_message_it_is_blind():
    counter = InputCounter()
    counter.feed(KEY + b"\x63" + KEY)
    counter.feed(KEY)
    assert counter.blind and counter.count == 1


MESSAGES = st.one_of(
    st.sampled_from(NO_INPUT + INPUT + [b"\x63?"]),
    st.builds(pointer, st.integers(0, 3), st.integers(0, 3), st.integers(0, 255)),
    st.builds(wide_pointer, st.integers(0, 3), st.integers(0, 0x1FF)),
    st.builds(cut_text, st.binary(max_size=40)),
    st.binary(max_size=30),
)


@given(st.lists(MESSAGES, max_size=30).map(b"".join), st.data())
def test_any_split_gives_the_same_result(stream, data):
    whole, split = InputCounter(), InputCounter()
    whole.feed(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=40)))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        split.feed(stream[start:end])
    assert (whole.count, whole.blind) == (split.count, split.blind)


def test_input_reaches_the_row_and_requests_do_not(uvicorn, desktop):
    with view(uvicorn, desktop) as browser:
        browser.send(REQUEST)
        time.sleep(1.3)
        assert last_input(desktop) is None
        browser.send(KEY)
        first = _wait_for_input(desktop)
        browser.send(KEY)
        time.sleep(1.3)
        assert last_input(desktop) == first  # at most once a minute


def last_input(desktop):
    return Desktop.objects.get(pk=desktop.pk).last_input_at


def _wait_for_input(desktop):
    until = time.monotonic() + 3
    while time.monotonic() < until:
        if found := last_input(desktop):
            return found
        time.sleep(0.05)
    raise AssertionError("the input did not reach the row")
