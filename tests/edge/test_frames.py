"""The frame codec: RFC 6455's rules, its limits, and that no cut of a stream and no garbage changes what is read."""

from __future__ import annotations

import struct
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.raw_websocket import client_frame
from wsgw.edge.frame_reader import FrameReader, whole_text
from wsgw.edge.frames import (
    Close,
    Event,
    FrameRules,
    Message,
    Ping,
    Pong,
    ProtocolFailure,
    close_frame,
    frames_for,
    is_close_code,
    ping_frame,
    pong_frame,
)

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def read(stream: bytes, rules: FrameRules | None = None, step: int | None = None) -> list[Event]:
    reader = FrameReader(rules or FrameRules())
    events: list[Event] = []
    for start in range(0, len(stream), step or max(len(stream), 1)):
        events += reader.feed(stream[start : start + step] if step else stream)
    return events


def failure(code: int, reason: str) -> list[Event]:
    return [ProtocolFailure(code, reason)]


# ---- what is read


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 255, 256, 32_767, 32_768])
def test_a_whole_text_frame_is_read_without_a_reader_and_alike_with_one(size):
    payload = (b"0123456789" * 3277)[:size]
    frame = client_frame(TEXT, payload)
    assert whole_text(frame, 65_535) == payload
    assert read(frame) == [Message(payload)]


@pytest.mark.parametrize("payload", ["Grüße 👋".encode(), b"\xef\xbf\xbf", "κόσμε".encode() * 40])
def test_a_text_that_is_not_ascii_is_read_as_its_bytes(payload):
    assert whole_text(client_frame(TEXT, payload), 65_535) == payload
    assert read(client_frame(TEXT, payload)) == [Message(payload)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        client_frame(TEXT, b"hello")[:-1],
        client_frame(TEXT, b"hello") + b"\x81",
        client_frame(TEXT, b"hello", fin=False),
        client_frame(TEXT, b"hello", rsv=4),
        client_frame(TEXT, b"hello", mask=None),
        client_frame(TEXT, b"hello", length_bytes=2),
        client_frame(TEXT, b"hello", length_bytes=8),
        client_frame(TEXT, b"\xff"),
        client_frame(TEXT, b"stops short \xe2\x82"),
        client_frame(TEXT, b"x" * 70_000),
        client_frame(BINARY, b"hello"),
        client_frame(PING, b"hello"),
        client_frame(CLOSE),
    ],
)
def test_what_is_not_one_good_text_frame_is_left_to_the_reader(data):
    assert whole_text(data, 65_535) is None


def test_the_stateless_read_keeps_to_the_limit():
    assert whole_text(client_frame(TEXT, b"x" * 200), 200) is not None
    assert whole_text(client_frame(TEXT, b"x" * 201), 200) is None
    assert whole_text(client_frame(TEXT, b"xx"), 1) is None


@pytest.mark.parametrize(
    ("rules", "largest"), [(FrameRules(), 32_768), (FrameRules(0, 100), 100), (FrameRules(0, 0), 65_535)]
)
def test_the_rules_say_how_large_a_text_in_one_frame_may_be(rules, largest):
    assert rules.text_bytes == largest


def test_a_mask_of_zeros_is_a_mask():
    """T-03."""
    frame = client_frame(TEXT, b"hello", mask=bytes(4))
    assert whole_text(frame, 65_535) == b"hello"
    assert read(frame) == [Message(b"hello")]


def test_fragments_are_joined_and_control_frames_between_them_come_first():
    """T-03."""
    stream = (
        client_frame(TEXT, b"one ", fin=False)
        + client_frame(PING, b"?")
        + client_frame(CONT, b"two ", fin=False)
        + client_frame(PONG)
        + client_frame(CONT, b"three")
    )
    assert read(stream) == [Ping(b"?"), Pong(b""), Message(b"one two three")]


def test_a_binary_message_says_that_it_is_binary():
    stream = client_frame(BINARY, b"\xff", fin=False) + client_frame(CONT, b"\x00") + client_frame(BINARY, b"\xfe")
    assert read(stream) == [Message(b"\xff\x00", True), Message(b"\xfe", True)]


def test_a_character_may_be_cut_between_fragments():
    payload = "κόσμε".encode()
    stream = client_frame(TEXT, payload[:1], fin=False) + client_frame(CONT, payload[1:])
    assert read(stream) == [Message(payload)]


def test_a_64_bit_length_is_read():
    rules = FrameRules(frame_bytes=0)
    assert read(client_frame(TEXT, b"x" * 70_000), rules) == [Message(b"x" * 70_000)]


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (b"", Close(1005, "")),
        (b"\x03\xe8", Close(1000, "")),
        (b"\x03\xe9bye", Close(1001, "bye")),
        (b"\x0f\xa0" + "tschüß".encode(), Close(4000, "tschüß")),
        (b"\x03\xe8" + b"x" * 123, Close(1000, "x" * 123)),
    ],
)
def test_a_close_frame_gives_code_and_reason_and_ends_reading(payload, event):
    reader = FrameReader(FrameRules())
    assert reader.feed(client_frame(CLOSE, payload) + client_frame(TEXT, b"late")) == [event]
    assert reader.ended
    assert reader.feed(client_frame(TEXT, b"later")) == []


# ---- what is refused


REFUSED = [
    ("no mask", client_frame(TEXT, b"hi", mask=None), 1002, "Frame without mask"),
    ("no mask, control", client_frame(PING, mask=None), 1002, "Frame without mask"),
    ("RSV1", client_frame(TEXT, b"hi", rsv=4), 1002, "Reserved bits set"),
    ("RSV2", client_frame(TEXT, b"hi", rsv=2), 1002, "Reserved bits set"),
    ("RSV3 on a ping", client_frame(PING, b"hi", rsv=1), 1002, "Reserved bits set"),
    ("long ping", client_frame(PING, b"x" * 126), 1002, "Control frame too long"),
    ("ping in fragments", client_frame(PING, b"hi", fin=False), 1002, "Fragmented control frame"),
    ("close in fragments", client_frame(CLOSE, fin=False), 1002, "Fragmented control frame"),
    ("continuation first", client_frame(CONT, b"hi"), 1002, "Continuation without a message"),
    (
        "message in a message",
        client_frame(TEXT, b"hi", fin=False) + client_frame(TEXT, b"hi"),
        1002,
        "Message within a message",
    ),
    ("top bit of a length", client_frame(TEXT, length=2**63 + 5), 1002, "Invalid payload length"),
    ("long form of a short length", client_frame(TEXT, b"x" * 125, length_bytes=2), 1002, "Invalid payload length"),
    ("longest form of a length", client_frame(TEXT, b"x" * 65_535, length_bytes=8), 1002, "Invalid payload length"),
    ("long form, control", client_frame(PING, b"hi", length_bytes=2), 1002, "Control frame too long"),
    ("close with half a code", client_frame(CLOSE, b"\x03"), 1002, "Invalid close code"),
    ("close with a bad reason", client_frame(CLOSE, b"\x03\xe8\xff"), 1007, "Invalid UTF-8"),
    ("bad text", client_frame(TEXT, b"hi\xff"), 1007, "Invalid UTF-8"),
    ("surrogate", client_frame(TEXT, b"\xed\xa0\x80"), 1007, "Invalid UTF-8"),
    ("overlong", client_frame(TEXT, b"\xc0\xaf"), 1007, "Invalid UTF-8"),
    ("text that stops short", client_frame(TEXT, b"hi\xe2\x82"), 1007, "Invalid UTF-8"),
    ("frame too big", client_frame(TEXT, b"", length=32_769), 1009, "Frame too big"),
]
REFUSED += [
    (f"opcode {opcode}", client_frame(opcode), 1002, "Reserved opcode") for opcode in (3, 4, 5, 6, 7, 11, 12, 15)
]
REFUSED += [
    (f"close code {code}", client_frame(CLOSE, struct.pack("!H", code)), 1002, "Invalid close code")
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
]


@pytest.mark.parametrize(("stream", "code", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_breaks_the_protocol_fails_the_connection(stream, code, reason):
    """T-03. The same whether it comes at once or byte by byte; nothing is read after it."""
    assert read(stream + client_frame(TEXT, b"late")) == failure(code, reason)
    assert read(stream + client_frame(TEXT, b"late"), step=1) == failure(code, reason)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999])
def test_registered_and_private_close_codes_are_good(code):
    assert is_close_code(code)
    assert read(client_frame(CLOSE, struct.pack("!H", code))) == [Close(code, "")]


def test_bad_text_is_refused_before_its_frame_ends():
    frame = client_frame(TEXT, "κόσμε".encode() + b"\xf4\x90" + b"x" * 50)
    reader = FrameReader(FrameRules())
    assert reader.feed(frame[: 6 + 10]) == []
    assert reader.feed(frame[16:18]) == failure(1007, "Invalid UTF-8")


def test_bad_text_is_refused_before_its_message_ends():
    reader = FrameReader(FrameRules())
    assert reader.feed(client_frame(TEXT, b"fine", fin=False)) == []
    assert reader.feed(client_frame(CONT, b"\xf4\x90", fin=False)) == failure(1007, "Invalid UTF-8")


def test_events_before_a_failure_are_kept():
    stream = client_frame(TEXT, b"first") + client_frame(PING, b"?") + client_frame(3)
    assert read(stream) == [Message(b"first"), Ping(b"?"), ProtocolFailure(1002, "Reserved opcode")]


# ---- limits


def test_a_frame_may_be_as_large_as_the_limit_and_no_larger():
    """T-10."""
    assert read(client_frame(TEXT, b"x" * 32_768)) == [Message(b"x" * 32_768)]
    head = client_frame(TEXT, length=32_769)[:4]
    assert read(head) == failure(1009, "Frame too big")


def test_a_message_may_be_as_large_as_the_limit_and_no_larger():
    """T-10. The frame that makes it too large is refused at its head."""
    parts = client_frame(TEXT, b"x" * 32_768, fin=False) + client_frame(CONT, b"x" * 32_768, fin=False) * 2
    assert read(parts + client_frame(CONT, b"x" * 32_768)) == [Message(b"x" * 131_072)]
    almost = parts + client_frame(CONT, b"x" * 32_768, fin=False)
    assert read(almost + client_frame(CONT, b"")) == [Message(b"x" * 131_072)]
    assert read(almost + client_frame(CONT, length=1)[:2]) == failure(1009, "Message too big")


def test_without_limits_anything_goes():
    rules = FrameRules(0, 0, 0)
    stream = client_frame(TEXT, b"x" * 200_000, fin=False) + client_frame(CONT, b"y" * 200_000)
    assert read(stream, rules) == [Message(b"x" * 200_000 + b"y" * 200_000)]


def test_endless_empty_fragments_come_to_an_end():
    """S-26."""
    rules = FrameRules(fragments=100)
    stream = client_frame(TEXT, fin=False) + client_frame(CONT, fin=False) * 98
    assert read(stream + client_frame(CONT), rules) == [Message(b"")]
    assert read(stream + client_frame(CONT, fin=False) * 2, rules) == failure(1009, "Too many fragments")


def test_binary_is_refused_at_its_first_bytes_where_it_is_not_wanted():
    rules = FrameRules(reject_binary=True)
    assert read(client_frame(BINARY, b"hi")[:2], rules) == failure(1003, "Binary is not supported")
    assert read(client_frame(TEXT, b"hi"), rules) == [Message(b"hi")]


def test_a_dribbled_frame_costs_no_more_than_twice_its_size():
    """S-26: the head says 128 KiB, the payload comes byte by byte."""
    size = 131_072
    reader = FrameReader(FrameRules(frame_bytes=size))
    frame = client_frame(TEXT, b"x" * size)
    tracemalloc.start()
    try:
        reader.feed(frame[:14])
        assert tracemalloc.get_traced_memory()[0] < 4096, "memory is not set aside for what was only announced"
        for at in range(14, len(frame) - 1):
            assert reader.feed(frame[at : at + 1]) == []
        assert tracemalloc.get_traced_memory()[1] < 2 * size
    finally:
        tracemalloc.stop()
    assert reader.feed(frame[-1:]) == [Message(b"x" * size)]


# ---- idle


def test_a_reader_is_idle_only_between_messages():
    reader = FrameReader(FrameRules())
    assert reader.idle
    for data, idle in [
        (client_frame(TEXT, b"hi")[:1], False),
        (client_frame(TEXT, b"hi")[1:], True),
        (client_frame(TEXT, b"hi", fin=False), False),
        (client_frame(PING), False),
        (client_frame(CONT, b"hi")[:7], False),
        (client_frame(CONT, b"hi")[7:], True),
        (client_frame(PING, b"hi")[:7], False),
        (client_frame(PING, b"hi")[7:], True),
        (client_frame(CLOSE), False),
    ]:
        reader.feed(data)
        assert reader.idle is idle


# ---- properties

# A busy machine must not fail them.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text("aZ\x00ü€\uffff👋", max_size=60)
payloads = st.one_of(texts.map(str.encode), st.binary(max_size=40), st.just(b"x" * 300))


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A frame that is often good, sometimes not."""
    opcode = draw(st.sampled_from([TEXT, TEXT, TEXT, CONT, CONT, BINARY, PING, PONG, CLOSE, 3]))
    payload = draw(payloads)
    if opcode == CLOSE:
        payload = draw(st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x00\x00", b"x"]))
    return client_frame(
        opcode,
        payload,
        fin=draw(st.sampled_from([True, True, False])),
        rsv=draw(st.sampled_from([0, 0, 0, 0, 0, 0, 4])),
        mask=draw(st.binary(min_size=4, max_size=4)),
    )


streams = st.lists(frames(), max_size=8).map(b"".join)


@unhurried
@given(streams, st.lists(st.integers(0, 400), max_size=12))
def test_no_cut_of_a_stream_changes_what_is_read(stream, cuts):
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    reader = FrameReader(FrameRules(message_bytes=400))
    pieces = [event for a, b in pairwise(edges) for event in reader.feed(stream[a:b])]
    assert pieces == read(stream, FrameRules(message_bytes=400)) == read(stream, FrameRules(message_bytes=400), step=1)


@unhurried
@given(st.lists(st.tuples(st.booleans(), texts, st.integers(0, 5)), max_size=6))
def test_whatever_a_good_client_sends_is_read(messages):
    stream, wanted = b"", []
    for binary, text, cuts in messages:
        payload = text.encode()
        size = len(payload) // (cuts + 1) + 1
        parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
        for number, part in enumerate(parts):
            opcode = CONT if number else BINARY if binary else TEXT
            stream += client_frame(opcode, part, fin=number == len(parts) - 1)
        wanted.append(Message(payload, binary))
    assert read(stream) == wanted


@unhurried
@given(st.binary(max_size=300), st.booleans())
def test_garbage_ends_in_a_documented_failure_or_in_waiting(garbage, compression):
    whole_text(garbage, 65_535)
    reader = FrameReader(FrameRules(compression=compression))
    events = reader.feed(garbage)
    assert [event for event in events[:-1] if isinstance(event, Close | ProtocolFailure)] == []
    if events and isinstance(events[-1], ProtocolFailure):
        assert events[-1].code in (1002, 1003, 1007, 1009)


# ---- what is written


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_lengths_are_written_in_their_shortest_form(size, head):
    assert frames_for(b"x" * size, fragment_bytes=0) == head + b"x" * size


def test_large_messages_are_written_in_fragments():
    assert frames_for(b"abcdefg", fragment_bytes=3) == b"\x01\x03abc\x00\x03def\x80\x01g"
    assert frames_for(b"abcdef", BINARY, 3) == b"\x02\x03abc\x80\x03def"
    assert frames_for(b"abc", fragment_bytes=3) == b"\x81\x03abc"


def test_a_compressed_message_says_so_in_its_first_frame_only():
    assert frames_for(b"abcd", fragment_bytes=2, compressed=True) == b"\x41\x02ab\x80\x02cd"
    assert frames_for(b"ab", compressed=True) == b"\xc1\x02ab"


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (close_frame(), b"\x88\x02\x03\xe8"),
        (close_frame(1001, "Going away"), b"\x88\x0c\x03\xe9Going away"),
        (close_frame(1005), b"\x88\x00"),
        (close_frame(1006, "lost"), b"\x88\x00"),
        (close_frame(1000, "x" * 200), b"\x88\x7d\x03\xe8" + b"x" * 123),
        (close_frame(1000, "x" * 122 + "ü"), b"\x88\x7c\x03\xe8" + b"x" * 122),
        (close_frame(1000, "\ud800"), b"\x88\x03\x03\xe8?"),
        (ping_frame(), b"\x89\x00"),
        (ping_frame(b"hi"), b"\x89\x02hi"),
        (pong_frame(b"hi"), b"\x8a\x02hi"),
    ],
)
def test_control_frames_on_the_wire(frame, wire):
    assert frame == wire
