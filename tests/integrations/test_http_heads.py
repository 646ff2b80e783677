"""Heads that are known: they mean what the parser would say, and nothing else passes for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.bad_backend import Exchange, answer, bad_backend
from wsgw.integrations.http_answer import AnswerReader
from wsgw.integrations.http_heads import KnownHeads
from wsgw.integrations.http_pool import HttpPool

WIRES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nX-b: 1\r\nx-B: caf\xe9\r\nContent-Length: 6\r\n\r\n\r\n\r\nab",
    b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi",
]
NOT_PLAIN = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more",
]


def parse(wire: bytes) -> AnswerReader:
    reader = AnswerReader(1000)
    assert reader.feed(wire) is not None
    return reader


def learnt(wire: bytes) -> KnownHeads:
    heads = KnownHeads()
    reply = AnswerReader(1000).feed(wire)
    assert reply is not None
    heads.learn(wire, reply)
    return heads


@pytest.mark.parametrize("wire", WIRES)
def test_a_known_head_says_what_the_parser_said(wire):
    parsed = AnswerReader(1000).feed(wire)
    known = learnt(wire).reply(wire)
    assert parsed is not None
    assert known is not None
    assert (known.status, known.body, list(known.headers)) == (parsed.status, parsed.body, parsed.headers)


@pytest.mark.parametrize("wire", WIRES)
def test_only_one_whole_answer_passes(wire):
    heads = learnt(wire)
    for cut in range(len(wire)):
        assert heads.reply(wire[:cut]) is None
    for extra in (b"x", b"\r\n", wire):
        assert heads.reply(wire + extra) is None


@given(st.sampled_from(WIRES), st.binary(max_size=40))
def test_another_body_of_the_same_length_is_this_answers(wire, data):
    head, _, body = wire.partition(b"\r\n\r\n")
    other = (data + bytes(len(body)))[: len(body)]
    known = learnt(wire).reply(head + b"\r\n\r\n" + other)
    assert known is not None
    assert known.body == other


@pytest.mark.parametrize("wire", NOT_PLAIN)
def test_what_ends_a_connection_or_has_more_than_a_head_and_a_body_is_not_plain(wire):
    assert not parse(wire).plain


def test_what_the_parser_passes_over_is_not_learnt():
    """Line ends between head and body, say: the body would begin too early."""
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    reply = AnswerReader(1000).feed(wire)
    assert reply is not None
    heads = KnownHeads()
    heads.learn(wire + b"\r\n", reply)
    assert heads.reply(wire) is None


def test_long_heads_are_not_kept():
    wire = b"HTTP/1.1 200 OK\r\nA: " + b"x" * 2000 + b"\r\nContent-Length: 2\r\n\r\nhi"
    assert learnt(wire).reply(wire) is None


def numbered(number: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nX-Id: %d\r\nContent-Length: 2\r\n\r\nhi" % number


def test_a_backend_that_never_repeats_itself_is_soon_left_to_the_parser():
    heads = KnownHeads()
    for number in range(200):
        wire = numbered(number)
        reply = AnswerReader(1000).feed(wire)
        assert reply is not None
        heads.learn(wire, reply)
    assert heads.reply(numbered(199)) is None
    assert heads.reply(numbered(100)) is None


def test_a_backend_whose_heads_change_now_and_then_is_learnt_anew():
    heads = KnownHeads()
    for number in range(1000):
        wire = numbered(number)
        reply = AnswerReader(1000).feed(wire)
        assert reply is not None
        heads.learn(wire, reply)
        for _ in range(3):
            heads.reply(wire)
    assert heads.reply(numbered(999)) is not None


async def test_over_a_connection_known_and_unknown_answers_take_turns():
    wires = [
        answer(b"a"),
        answer(b"b"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n",
        answer(b"d"),
        answer(b"ee", headers=b"X: y\r\n"),
        answer(b"f"),
    ]

    async def by_turns(exchange: Exchange) -> None:
        count = 0
        while await exchange.request() is not None:
            await exchange.send(wires[count % len(wires)])
            count += 1

    pool = HttpPool()
    async with bad_backend(by_turns) as backend:
        target = pool.target(backend.url)
        for _ in range(4):
            said = [(await pool.send_to(target, "GET", b"", b"", 5)).body for _ in wires]
            assert said == [b"a", b"b", b"c", b"d", b"ee", b"f"]
        assert backend.connections == 1
    await pool.close()


async def test_an_answer_to_head_is_not_taken_for_the_known_one():
    same = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    async def empty(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            await exchange.send(same)

    pool = HttpPool()
    async with bad_backend(empty) as backend:
        target = pool.target(backend.url)
        for verb in ("GET", "HEAD", "GET", "HEAD"):
            assert (await pool.send_to(target, verb, b"", b"", 5)).status == 200
    await pool.close()
