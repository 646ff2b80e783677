"""Requests whose end can be read in two ways: one answer, a close, and nothing behind it is ever taken for a request.

Every attack carries a whole request to @connections where a reader who is wrong about the framing would find it. It
would push `smuggled` to a connection; that connection must stay silent. Sources: RFC 9112 sections 2.2, 3, 5.1, 5.2,
6.1, 6.3, 7.1 and 11.2; check S-01.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.harness.framing_attacks import ATTACKS, CHUNKED, CHUNKS, HOSTS, LINES, Attack
from tests.harness.gateway import TestGateway
from tests.harness.raw_http import authority, request, split_responses, talk
from tests.harness.raw_websocket import WAIT, RawWebSocket, open_socket

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Aim(NamedTuple):
    """What an attack is made of: the request line's target, the Host, and the request to smuggle."""

    target: bytes
    host: bytes
    smuggled: bytes


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[True, False], ids=["lanes", "aiohttp"])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[TestGateway]:
    """One gateway for all attacks, and with it one connection that would get what is smuggled."""
    one = await TestGateway(request.param).start()
    one.serve()
    yield one
    await one.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def victim(gateway: TestGateway) -> RawWebSocket:
    return await gateway.connect()


def aim_at(gateway: TestGateway) -> Aim:
    target = f"/prod/@connections/{gateway.connections[0].id.replace('=', '%3D')}"
    host = authority(gateway.url)
    return Aim(target.encode(), host.encode(), request(target, host, body=b"smuggled", method="POST"))


async def fails(gateway: TestGateway, victim: RawWebSocket, attack: bytes, statuses: tuple[int, ...]) -> None:
    """`attack` gets one answer, with one of `statuses`, then the connection closes; the victim gets nothing of it."""
    answers = split_responses(await talk(gateway.url, attack))
    assert len(answers) == 1
    assert answers[0].status in statuses
    assert answers[0].header("connection") == "close"
    assert b"smuggled" not in answers[0].body
    gateway.connections[0].send(b"first")
    assert await victim.receive() == b"first"


@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.id) for attack in ATTACKS])
async def test_framing_that_can_be_read_in_two_ways_gets_one_answer_and_the_connection_closes(
    gateway: TestGateway, victim: RawWebSocket, attack: Attack
):
    aim = aim_at(gateway)
    head = b"POST " + aim.target + b" HTTP/1.1\r\nHost: " + aim.host + b"\r\n" + attack.head + b"\r\n"
    await fails(gateway, victim, head + attack.body + aim.smuggled, attack.statuses)


#: Trailers that look like framing are no fault of the body once its head is read: they mean nothing.
_MALFORMED = [attack for attack in CHUNKS if attack.id not in ("chunk-trailer-host", "chunk-trailer-length")]


@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.id) for attack in _MALFORMED])
async def test_a_body_that_goes_wrong_after_its_head_was_read_gets_one_answer_at_once(
    gateway: TestGateway, victim: RawWebSocket, attack: Attack
):
    aim = aim_at(gateway)
    head = b"POST " + aim.target + b" HTTP/1.1\r\nHost: " + aim.host + b"\r\n" + attack.head
    async with await open_socket(gateway.url) as socket:
        await socket.send(head + b"Expect: 100-continue\r\n\r\n")
        assert await asyncio.wait_for(socket.reader.readuntil(b"\r\n\r\n"), WAIT) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await socket.send(attack.body + aim.smuggled)
        answers = split_responses(await socket.receive_to_eof())
    assert [answer.status for answer in answers] == [400]
    gateway.connections[0].send(b"first")
    assert await victim.receive() == b"first"


@pytest.mark.parametrize("line", [pytest.param(line, id=name) for name, line in LINES])
async def test_a_request_line_that_is_none_gets_one_answer_and_the_connection_closes(
    gateway: TestGateway, victim: RawWebSocket, line: bytes
):
    aim = aim_at(gateway)
    line = line.replace(b"{target}", aim.target).replace(b"{host}", aim.host)
    attack = line + b"\r\nHost: " + aim.host + b"\r\nContent-Length: 0\r\n\r\n" + aim.smuggled
    await fails(gateway, victim, attack, (400, 405, 505))


@pytest.mark.parametrize("hosts", [pytest.param(hosts, id=name) for name, hosts in HOSTS])
async def test_a_request_without_exactly_one_host_gets_one_answer_and_the_connection_closes(
    gateway: TestGateway, victim: RawWebSocket, hosts: bytes
):
    aim = aim_at(gateway)
    line = b"POST " + aim.target + b" HTTP/1.1\r\n"
    await fails(gateway, victim, line + hosts.replace(b"{host}", aim.host) + b"\r\n" + aim.smuggled, (400,))


_UPGRADES = [
    ("with-a-length", b"Content-Length: 4\r\n", (400,)),
    ("with-two-lengths", b"Content-Length: 0\r\nContent-Length: 4\r\n", (400,)),
    ("chunked", b"Transfer-Encoding: chunked\r\n", (400,)),
    ("of-an-unknown-version", b"Sec-WebSocket-Version: 777\r\n", (400, 426)),
    ("with-a-second-key", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", (400,)),
]


@pytest.mark.parametrize(
    ("head", "statuses"), [pytest.param(head, statuses, id=name) for name, head, statuses in _UPGRADES]
)
async def test_what_follows_a_handshake_that_is_none_is_not_taken_for_a_request(
    gateway: TestGateway, victim: RawWebSocket, head: bytes, statuses: tuple[int, ...]
):
    aim = aim_at(gateway)
    attack = (
        b"GET /prod HTTP/1.1\r\nHost: " + aim.host + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    await fails(gateway, victim, attack + head + b"\r\n" + aim.smuggled, statuses)


async def test_what_follows_a_handshake_is_frames_and_never_a_request(gateway: TestGateway, victim: RawWebSocket):
    aim = aim_at(gateway)
    upgrade = request(
        "/prod",
        aim.host.decode(),
        [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ],
    )
    received = await talk(gateway.url, upgrade + aim.smuggled)
    head, _, frames = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert frames[:1] == b"\x88", "a close frame and nothing else"
    assert frames[2:4] == (1002).to_bytes(2, "big")
    gateway.connections[0].send(b"first")
    assert await victim.receive() == b"first"


_HTTP_1_0 = [
    ("chunked", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ("chunked-and-kept-alive", b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
]


@pytest.mark.parametrize(("head", "body"), [pytest.param(head, body, id=name) for name, head, body in _HTTP_1_0])
async def test_http_1_0_has_no_codings(gateway: TestGateway, victim: RawWebSocket, head: bytes, body: bytes):
    aim = aim_at(gateway)
    line = b"POST " + aim.target + b" HTTP/1.0\r\nHost: " + aim.host + b"\r\n"
    await fails(gateway, victim, line + head + b"\r\n" + body + aim.smuggled, (400,))


async def test_header_lines_that_were_sound_once_do_not_make_a_bad_request_line_sound(
    gateway: TestGateway, victim: RawWebSocket
):
    aim = aim_at(gateway)
    good = aim.smuggled.replace(b"smuggled", b"welcomed")
    last = request(aim.target.decode(), aim.host.decode(), [("Connection", "close")], b"welcomed", method="POST")
    await talk(gateway.url, good + good + last)
    assert [await victim.receive() for _ in range(3)] == [b"welcomed"] * 3
    await fails(gateway, victim, good.replace(b"POST ", b"POST \x0b", 1) + aim.smuggled, (400,))
    await fails(gateway, victim, good.replace(b"POST ", b"POST http://other", 1) + aim.smuggled, (400,))


#: Unusual and right: each is one request, and what follows it is the next.
SOUND = [
    ("chunked", CHUNKED, b"3\r\none\r\n0\r\n\r\n"),
    ("chunk-sizes-in-capitals-with-zeros", CHUNKED, b"00000003\r\none\r\n0000\r\n\r\n"),
    ("chunk-extension", CHUNKED, b'3;a=b;c="d"\r\none\r\n0;e\r\n\r\n'),
    ("trailers", CHUNKED, b"3\r\none\r\n0\r\nX-Sum: 9\r\n\r\n"),
    ("coding-in-other-case", b"transfer-encoding: Chunked\r\n", b"3\r\none\r\n0\r\n\r\n"),
    ("length-with-zeros", b"Content-Length: 0003\r\n", b"one"),
    ("length-between-blanks", b"Content-Length: \t 3 \t\r\n", b"one"),
    ("header-with-obs-text", b"X: \xe9\xff\r\nContent-Length: 3\r\n", b"one"),
    ("header-that-looks-like-a-length", b"Content_Length: 9\r\nContent-Length: 3\r\n", b"one"),
    ("header-without-value", b"X:\r\nContent-Length: 3\r\n", b"one"),
]


@pytest.mark.parametrize(("head", "body"), [pytest.param(head, body, id=name) for name, head, body in SOUND])
async def test_sound_framing_is_read_as_it_is_meant_and_the_next_request_is_found(
    gateway: TestGateway, victim: RawWebSocket, head: bytes, body: bytes
):
    aim = aim_at(gateway)
    first = b"POST " + aim.target + b" HTTP/1.1\r\nHost: " + aim.host + b"\r\n" + head + b"\r\n" + body
    second = request(aim.target.decode(), aim.host.decode(), [("Connection", "close")], b"two", method="POST")
    chunked = b"chunked" in head.lower()
    answers = split_responses(await talk(gateway.url, first + second))
    assert await victim.receive() == b"one"
    if chunked:
        # Their end is known by nothing following it; else the connection ends, see aiohttp_handler.
        assert [(answer.status, answer.header("connection")) for answer in answers] == [(200, "close")]
        await talk(gateway.url, second)
    else:
        assert [answer.status for answer in answers] == [200, 200]
    assert await victim.receive() == b"two"


async def test_blanks_before_the_target_are_skipped_and_the_next_request_is_found(
    gateway: TestGateway, victim: RawWebSocket
):
    # RFC 9112 §3 lets a recipient take blanks together; where the request ends does not depend on them.
    aim = aim_at(gateway)
    last = request(aim.target.decode(), aim.host.decode(), [("Connection", "close")], b"two", method="POST")
    first = aim.smuggled.replace(b"POST ", b"POST   ").replace(b"smuggled", b"one-more")
    assert [answer.status for answer in split_responses(await talk(gateway.url, first + last))] == [200, 200]
    assert [await victim.receive(), await victim.receive()] == [b"one-more", b"two"]
