"""permessage-deflate: negotiation, messages, bombs and floods."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.raw_websocket import client_frame
from wsgw.edge.deflate import Agreement, InflateError, Inflater, deflated, negotiate
from wsgw.edge.frame_reader import FrameReader
from wsgw.edge.frames import Event, FrameRules, Message, Ping, ProtocolFailure

RULES = FrameRules(compression=True)
RSV1 = 4
# A busy machine must not fail the properties.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PLAIN = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def read(stream: bytes, rules: FrameRules = RULES) -> list[Event]:
    return FrameReader(rules).feed(stream)


# ---- negotiation


@pytest.mark.parametrize(
    ("offers", "agreement"),
    [
        ("permessage-deflate", Agreement(PLAIN, 15)),
        ("Permessage-Deflate", Agreement(PLAIN, 15)),
        ("permessage-deflate; client_max_window_bits", Agreement(PLAIN, 15)),
        ("permessage-deflate; client_max_window_bits=8", Agreement(PLAIN, 15)),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", Agreement(PLAIN, 15)),
        ("permessage-deflate; server_max_window_bits=10", Agreement(PLAIN + "; server_max_window_bits=10", 10)),
        ('permessage-deflate; server_max_window_bits="9"', Agreement(PLAIN + "; server_max_window_bits=9", 9)),
        ("x-webkit-deflate-frame, permessage-deflate", Agreement(PLAIN, 15)),
        ("permessage-deflate; unknown, permessage-deflate", Agreement(PLAIN, 15)),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", Agreement(PLAIN, 15)),
    ],
)
def test_the_first_offer_that_can_be_met_is_accepted(offers, agreement):
    assert negotiate(offers) == agreement


@pytest.mark.parametrize(
    "offers",
    [
        "",
        ",;=",
        "permessage-bzip2",
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=٩",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ],
)
def test_what_cannot_be_met_is_declined(offers):
    assert negotiate(offers) is None


@unhurried
@given(st.text(alphabet="permessage-deflate;,=_windowbits0189 \"'"))
def test_no_offer_is_too_strange(offers):
    negotiate(offers)


# ---- messages


@unhurried
@given(st.binary(max_size=2000), st.integers(9, 15), st.lists(st.integers(1, 60), max_size=5))
def test_what_is_deflated_is_inflated_again_in_any_fragments(payload, bits, sizes):
    wire = deflated(payload, bits)
    frames, at = b"", 0
    for number, size in enumerate(sizes):
        frames += client_frame(0 if number else 2, wire[at : at + size], fin=False, rsv=0 if number else RSV1)
        at += size
    frames += client_frame(0 if sizes else 2, wire[at:], rsv=0 if sizes else RSV1)
    assert read(frames) == [Message(payload, True)]


def test_a_message_need_not_be_compressed():
    assert read(client_frame(1, b"plain") + client_frame(1, deflated(b"small"), rsv=RSV1)) == [
        Message(b"plain"),
        Message(b"small"),
    ]


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (bytes.fromhex("f248cdc9c90700"), b"Hello"),
        (bytes.fromhex("000500faff48656c6c6f00"), b"Hello"),
        (bytes.fromhex("f348cdc9c9070000"), b"Hello"),
        (bytes.fromhex("f248050000 00ffffcac9c90700"), b"Hello"),
        (b"\x00", b""),
    ],
    ids=["one block", "no compression", "final block", "two blocks", "empty"],
)
def test_the_examples_of_the_rfc_are_read(wire, text):
    """RFC 7692 section 7.2.3."""
    assert read(client_frame(1, wire, rsv=RSV1)) == [Message(text)]
    reader = FrameReader(RULES)
    frame = client_frame(1, wire, rsv=RSV1)
    assert [event for byte in frame for event in reader.feed(bytes((byte,)))] == [Message(text)]


def test_messages_share_no_window():
    """The second message refers to the first one: context takeover, which was not agreed on."""
    stream = zlib.compressobj(wbits=-15)
    parts = []
    for _ in range(2):
        data = stream.compress(b"the same words again and again") + stream.flush(zlib.Z_SYNC_FLUSH)
        parts.append(client_frame(1, data[:-4], rsv=RSV1))
    first, second = read(b"".join(parts))
    assert first == Message(b"the same words again and again")
    assert second == ProtocolFailure(1007, "Invalid compressed data")


# ---- what is refused


@pytest.mark.parametrize(
    ("rules", "stream", "failure"),
    [
        (FrameRules(), client_frame(1, b"x", rsv=RSV1), ProtocolFailure(1002, "Reserved bits set")),
        (RULES, client_frame(9, b"x", rsv=RSV1), ProtocolFailure(1002, "Reserved bits set")),
        (RULES, client_frame(1, b"x", rsv=2), ProtocolFailure(1002, "Reserved bits set")),
        (
            RULES,
            client_frame(1, b"", rsv=RSV1, fin=False) + client_frame(0, b"", rsv=RSV1),
            ProtocolFailure(1002, "Reserved bits set"),
        ),
        (RULES, client_frame(1, b"\xff\xff\xff", rsv=RSV1), ProtocolFailure(1007, "Invalid compressed data")),
        (RULES, client_frame(1, deflated(b"\xff"), rsv=RSV1), ProtocolFailure(1007, "Invalid UTF-8")),
        (
            RULES,
            client_frame(1, bytes.fromhex("f348cdc9c907000000"), rsv=RSV1),
            ProtocolFailure(1007, "Invalid compressed data"),
        ),
        (
            FrameRules(compression=True, reject_binary=True),
            client_frame(2, b"x", rsv=RSV1),
            ProtocolFailure(1003, "Binary is not supported"),
        ),
    ],
)
def test_bad_compressed_frames_fail_the_connection(rules, stream, failure):
    """S-27."""
    assert read(stream, rules) == [failure]


def test_control_frames_come_between_compressed_fragments():
    wire = deflated(b"some words")
    stream = client_frame(1, wire[:3], fin=False, rsv=RSV1) + client_frame(9, b"?") + client_frame(0, wire[3:])
    assert read(stream) == [Ping(b"?"), Message(b"some words")]


@pytest.mark.parametrize("size", [1, 1000, 131_071, 131_072])
def test_the_limit_counts_inflated_bytes_exactly(size):
    assert read(client_frame(1, deflated(b"x" * size), rsv=RSV1)) == [Message(b"x" * size)]


@pytest.mark.parametrize("size", [131_073, 131_074, 131_400, 10_000_000])
def test_a_message_that_inflates_beyond_the_limit_is_refused(size):
    frame = client_frame(1, deflated(b"x" * size), rsv=RSV1)
    assert read(frame) == [ProtocolFailure(1009, "Message too big")]


def test_a_bomb_costs_no_memory():
    """S-27: 200 KiB on the wire, 200 MiB inflated."""
    stream = zlib.compressobj(9, wbits=-15)
    wire = b"".join(stream.compress(bytes(2**20)) for _ in range(200)) + stream.flush(zlib.Z_SYNC_FLUSH)
    frames = client_frame(1, wire[:30_000], fin=False, rsv=RSV1) + client_frame(0, wire[30_000:60_000])
    tracemalloc.start()
    try:
        assert read(frames) == [ProtocolFailure(1009, "Message too big")]
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_flood_of_empty_blocks_comes_to_an_end():
    """S-27: each frame holds nothing but empty blocks, and the message never ends."""
    blocks = b"\x00\x00\x00\xff\xff" * 6000
    reader = FrameReader(RULES)
    assert reader.feed(client_frame(1, blocks, fin=False, rsv=RSV1)) == []
    for _ in range(3):
        assert reader.feed(client_frame(0, blocks, fin=False)) == []
    assert reader.feed(client_frame(0, blocks, fin=False)) == [ProtocolFailure(1009, "Message too big")]


@unhurried
@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_inflates_or_is_refused(garbage, room):
    inflater = Inflater()
    try:
        assert len(inflater.inflate(garbage, room)) <= room
        assert len(inflater.finish(room)) <= room
    except InflateError:
        pass
