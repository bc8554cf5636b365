"""Splitting frames: any fragmentation gives the same messages, and all other bytes pass unchanged."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from portal.websocket_frames import LARGE, FrameSplitter

pytestmark = pytest.mark.once

BINARY = st.binary(max_size=300).map(lambda payload: Frame(Opcode.BINARY, payload))
OTHER = st.one_of(
    st.binary(max_size=125).map(lambda payload: Frame(Opcode.PING, payload)),
    st.binary(max_size=300).map(lambda payload: Frame(Opcode.BINARY, payload, fin=False)),
    st.binary(max_size=300).map(lambda payload: Frame(Opcode.CONT, payload)),
    st.binary(max_size=300).map(lambda payload: Frame(Opcode.TEXT, payload)),
)


def split(data: bytes, cuts: list[int], *, ready: bool = True) -> tuple[list[bytes], bytes]:
    """Return the messages that were taken, and the bytes that passed."""
    taken: list[bytes] = []
    other = bytearray()
    splitter = FrameSplitter(lambda: ready, taken.append, other.extend)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in pairwise(edges):
        splitter.feed(data[begin:end])
    return taken, bytes(other)


@given(st.lists(st.one_of(BINARY, OTHER), max_size=8), st.lists(st.integers(0, 10_000), max_size=12))
def test_any_pieces_give_the_same(frames, cuts):
    wire = [frame.serialize(mask=True) for frame in frames]
    whole = [frame.opcode == Opcode.BINARY and frame.fin for frame in frames]
    taken, other = split(b"".join(wire), cuts)
    assert taken == [bytes(frame.data) for frame, is_whole in zip(frames, whole, strict=True) if is_whole]
    assert other == b"".join(bits for bits, is_whole in zip(wire, whole, strict=True) if not is_whole)


@given(st.lists(BINARY, max_size=5), st.lists(st.integers(0, 10_000), max_size=5))
def test_nothing_is_taken_before_somebody_is_ready(frames, cuts):
    wire = b"".join(frame.serialize(mask=True) for frame in frames)
    assert split(wire, cuts, ready=False) == ([], wire)


@given(st.binary(max_size=400), st.lists(st.integers(0, 10_000), max_size=8))
def test_nonsense_is_handed_on_or_waited_for(data, cuts):
    taken, other = split(data, cuts)
    assert len(other) + sum(map(len, taken)) <= len(data)


def test_sizes_at_their_limits():
    for size in (0, 125, 126, 0xFFFF, 0x10000, LARGE):
        payload = bytes(size)
        assert split(Frame(Opcode.BINARY, payload).serialize(mask=True), [3, 7, 9]) == ([payload], b"")
    wire = Frame(Opcode.BINARY, bytes(LARGE + 1)).serialize(mask=True)
    assert split(wire, [5, 70_000]) == ([], wire)


def test_what_is_not_masked_is_for_the_library_to_refuse():
    wire = Frame(Opcode.BINARY, b"hello").serialize(mask=False)
    assert split(wire, [3]) == ([], wire)
