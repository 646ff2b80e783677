"""The bus's messages: what is written is read, and whatever else arrives is refused in one way."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsgw.stores.base import Answer, Question
from wsgw.stores.redis.wire import MOST_BYTES, VERSION, Announcement, Batch, Forged, Senders, Unreadable, Wire

NUMBERS = st.integers(0, 2**63 - 1)
TEXTS = st.text(max_size=40)
QUESTIONS = st.builds(Question, TEXTS, TEXTS, TEXTS, st.binary(max_size=300), st.booleans())
ANSWERS = st.builds(Answer, st.integers(100, 599), st.binary(max_size=300))
BATCHES = st.builds(
    Batch,
    sender=TEXTS,
    nonce=NUMBERS,
    sequence=NUMBERS,
    sent=st.floats(allow_nan=False),
    seconds=st.floats(0, 1e6),
    questions=st.lists(st.tuples(NUMBERS, QUESTIONS), max_size=5),
    answers=st.lists(st.tuples(NUMBERS, ANSWERS), max_size=5),
)
BATCH = Batch("aaaa", 1, 2, 3.0, 4.0, [(5, Question("POST", "c", "api", b"data"))], [(6, Answer(200))])
OPEN, SECRET = Wire(""), Wire("secret")


@settings(deadline=None)
@given(BATCHES, st.sampled_from([OPEN, SECRET]))
def test_a_batch_is_read_as_it_was_written(batch, wire):
    assert wire.read_batch("channel", wire.write("channel", batch)) == batch


@settings(deadline=None)
@given(st.none() | TEXTS, st.sampled_from([OPEN, SECRET]))
def test_an_announcement_is_read_as_it_was_written(topic, wire):
    assert wire.read_announcement("channel", wire.write("channel", Announcement(topic))).topic == topic


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([OPEN, SECRET]))
@example(b"", OPEN)
@example(bytes((VERSION, 0)), OPEN)
@example(bytes((VERSION, 1)), OPEN)
@example(bytes((VERSION, 1)) + bytes(10), SECRET)
@example(bytes((VERSION, 0)) + b"\xdd\xff\xff\xff\xff", OPEN)
@example(bytes((VERSION, 0)) + b"\x91" * 100_000, OPEN)
@example(bytes((VERSION, 0)) + msgspec.msgpack.encode(["aaaa", 1, 2, 3.0, 4.0, [], [], [[[[]]] * 9] * 9]), OPEN)
def test_whatever_arrives_is_read_or_refused(data, wire):
    for read in (wire.read_batch, wire.read_announcement):
        for begin in (b"", bytes((VERSION, 0)), bytes((VERSION, 1))):
            try:
                read("channel", begin + data)
            except (Unreadable, Forged):
                pass


@settings(deadline=None)
@given(BATCHES, st.data())
def test_a_signed_message_cannot_be_changed(batch, data):
    message = bytearray(SECRET.write("channel", batch))
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Unreadable, Forged)):
        SECRET.read_batch("channel", bytes(message))


REFUSED = [
    ("unsigned", OPEN.write("channel", BATCH), Forged),
    ("signed with another secret", Wire("another").write("channel", BATCH), Forged),
    ("signed for another channel", SECRET.write("channel2", BATCH), Forged),
    ("cut off", SECRET.write("channel", BATCH)[:-1], Forged),
    ("another version", bytes((VERSION + 1, 1)) + SECRET.write("channel", BATCH)[2:], Unreadable),
    ("too large", bytes((VERSION, 1)) + bytes(MOST_BYTES), Unreadable),
]


@pytest.mark.parametrize(("message", "error"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_node_with_a_secret_refuses(message, error):
    with pytest.raises(error):
        SECRET.read_batch("channel", message)


def test_a_node_without_a_secret_reads_signed_messages():
    assert OPEN.read_batch("channel", SECRET.write("channel", BATCH)) == BATCH


@pytest.mark.parametrize("length", [1, 64, 65, 1000])
def test_a_secret_may_have_any_length(length):
    wire = Wire("s" * length)
    assert wire.read_batch("c", wire.write("c", BATCH)) == BATCH


def test_a_batch_is_new_once_and_only_in_order():
    senders = Senders()
    told = [senders.is_new(nonce, sequence) for nonce, sequence in [(1, 1), (1, 1), (1, 3), (1, 2), (2, 1), (1, 4)]]
    assert told == [True, False, True, False, True, True]


def test_the_senders_heard_last_are_remembered():
    senders = Senders(most=2)
    for nonce in (1, 2, 1, 3):
        senders.is_new(nonce, 7)
    assert not senders.is_new(1, 7)
    assert senders.is_new(2, 7)
