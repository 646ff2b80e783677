"""Answers in bytes: what is read, in whatever pieces it comes, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.integrations.http_answer import MAX_HEAD, AnswerReader, Refused
from wsgw.invocation import Reply


def read(*pieces: bytes, max_body: int = 100, head_only: bool = False) -> tuple[Reply | None, AnswerReader]:
    reader = AnswerReader(max_body)
    reader.head_only = head_only
    reply = None
    for piece in pieces:
        reply = reader.feed(piece)
    return reply, reader


COMPLETE = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", True),
    (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", True),
    (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503, b"", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", 200, b"hi", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi", 200, b"hi", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n", 200, b"abcd", True),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0\r\nT: x\r\n\r\n", 200, b"", True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x", True),
    (
        b"HTTP/1.1 103 E\r\nLink: a\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n",
        201,
        b"",
        True,
    ),
    (b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", True),
]


@pytest.mark.parametrize(("wire", "status", "body", "keep"), COMPLETE)
def test_an_answer_is_read_whole(wire, status, body, keep):
    reply, reader = read(wire)
    assert reply is not None
    assert (reply.status, reply.body, reader.keep) == (status, body, keep)


@pytest.mark.parametrize(("wire", "status", "body", "keep"), COMPLETE)
def test_an_answer_is_read_byte_by_byte(wire, status, body, keep):
    reply, reader = read(*(bytes([byte]) for byte in wire))
    assert reply is not None
    assert (reply.status, reply.body, reader.keep) == (status, body, keep)


@given(st.sampled_from(COMPLETE), st.data())
def test_how_an_answer_is_cut_makes_no_difference(row, data):
    wire, status, body, keep = row
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=8)))
    reply, reader = read(*(wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)))
    assert reply is not None
    assert (reply.status, reply.body, reader.keep) == (status, body, keep)


BODY = bytes(range(256)) * 100
PASSED_ON = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 25600\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%b\r\n" % (256, BODY[at : at + 256]) for at in range(0, 25600, 256))
    + b"0\r\nLate: x\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 25600\r\n\r\n" + BODY,
]


@given(st.sampled_from(PASSED_ON), st.data())
def test_how_an_answer_that_is_passed_on_is_cut_makes_no_difference(wire, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=20)))
    reader = AnswerReader(10**6)
    head = None
    body = bytearray()
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        reply = reader.feed(wire[start:end])
        if reply is not None:
            body += reply.body
        elif head is None:
            head = reader.head()
            body += head[0].body if head is not None else b""
        else:
            body += reader.take()
    assert reply is not None
    assert body == BODY
    assert reader.keep
    if head is not None:
        assert (head[0].status, head[1]) == (200, None if b"chunked" in wire else len(BODY))
        assert len(head[0].headers) == 1


def test_a_trailer_is_not_taken_for_a_header():
    reply, _ = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nSet-Cookie: a\r\n\r\n")
    assert reply is not None
    assert reply.headers == [("Transfer-Encoding", "chunked")]


@pytest.mark.parametrize("passed_on", [True, False])
@pytest.mark.parametrize("piece", [b"A: " + b"x" * 995 + b"\r\n", b"x" * 1000], ids=["lines", "one line"])
def test_a_trailer_beyond_the_bound_is_refused(piece, passed_on):
    reader = AnswerReader(100)
    reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    if passed_on:
        assert reader.head() is not None
    reader.feed(b"1\r\nx\r\n0\r\nA: ")
    with pytest.raises(Refused) as refusal:
        feed_often(reader, piece)
    assert refusal.value.reason == "response_head_too_large"


def feed_often(reader: AnswerReader, piece: bytes) -> None:
    for _ in range(100):
        reader.feed(piece)


def test_headers_are_kept_as_received_repeats_included():
    reply, _ = read(b"HTTP/1.1 200 OK\r\nX-b:  1 \t\r\nx-B: caf\xe9\r\nE:\r\nContent-Length: 0\r\n\r\n")
    assert reply is not None
    assert reply.headers == [("X-b", "1"), ("x-B", "caf\xe9"), ("E", ""), ("Content-Length", "0")]


def test_headers_of_interim_answers_are_not_passed_on():
    reply, _ = read(b"HTTP/1.1 103 E\r\nLink: a\r\n\r\nHTTP/1.1 204 N\r\nA: b\r\n\r\n")
    assert reply is not None
    assert reply.headers == [("A", "b")]


REFUSED = [
    b"junk\r\n\r\n",
    b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b" HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\x00\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\rX: y\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
    b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 C\r\n\r\nHTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize("wire", REFUSED)
def test_what_is_no_sound_answer_is_refused(wire):
    with pytest.raises(Refused) as refusal:
        read(wire)
    assert refusal.value.reason == "invalid_response"


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x00",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
def test_a_change_of_protocol_that_nobody_asked_for_is_refused(wire):
    with pytest.raises(Refused) as refusal:
        read(wire)
    assert refusal.value.reason == "unexpected_upgrade"


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + b"x" * 101,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 101,
    ],
)
def test_a_body_beyond_the_bound_is_refused(wire):
    with pytest.raises(Refused) as refusal:
        read(wire)
    assert refusal.value.reason == "response_too_large"
    reply, _ = read(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100)
    assert reply is not None


LINE = b"A: " + b"x" * 995 + b"\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n" + LINE * 70 + b"\r\n"],
        [b"HTTP/1.1 200 OK\r\n", *[LINE] * 70],
        [b"HTTP/1.1 200 OK\r\nA: ", *[b"x" * 1000] * 70],
        [b"HTTP/1.1 100 C\r\n\r\n" * 1000] * 5,
    ],
)
def test_a_head_beyond_the_bound_is_refused(pieces):
    with pytest.raises(Refused) as refusal:
        read(*pieces)
    assert refusal.value.reason == "response_head_too_large"


def test_a_large_body_does_not_count_as_head():
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    reply, _ = read(wire, max_body=200_000)
    assert reply is not None
    assert len(reply.body) == 200_000 > MAX_HEAD


@pytest.mark.parametrize(
    "extra",
    [
        b"xx",
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
        b"H",
        b"HTTP/1.1 101 S\r\n\r\n",
    ],
)
def test_bytes_after_an_answer_neither_change_it_nor_let_the_connection_be_used_again(extra):
    reply, reader = read(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + extra)
    assert reply is not None
    assert (reply.status, reply.body, reply.headers) == (200, b"good", [("Content-Length", "4")])
    assert not reader.keep


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"", b"Content-Length: 0\r\n"],
)
def test_an_answer_to_head_ends_with_its_head_and_its_connection_is_not_used_again(head):
    reply, reader = read(b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n" + head + b"\r\n", head_only=True)
    assert reply is not None
    assert (reply.status, reply.body, reader.keep) == (200, b"", False)


def test_an_answer_without_a_length_ends_with_its_connection():
    reply, reader = read(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nsome", b" more")
    assert reply is None
    reply = reader.end()
    assert reply is not None
    assert (reply.body, reply.headers) == (b"some more", [("A", "b")])


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1",
        b"HTTP/1.1 200 OK\r\nA: b\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsome",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_an_answer_that_is_cut_off_is_none(wire):
    reply, reader = read(wire)
    assert reply is None
    assert reader.end() is None


def test_a_reader_reads_one_answer_after_another():
    reader = AnswerReader(100)
    for body in (b"a", b"", b"ccc"):
        reply = reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert reply is not None
        assert reply.body == body
        reader.reset()


@given(st.binary(max_size=300))
def test_any_bytes_end_in_an_answer_a_refusal_or_patience(data):
    reader = AnswerReader(100)
    try:
        reply = reader.feed(b"HTTP/1.1 " + data)
    except Refused:
        return
    assert reply is None or 200 <= reply.status <= 999
