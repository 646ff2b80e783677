"""Requests whose end can be read in two ways: one answer, a close, and nothing behind it is ever taken for a request.

Every attack carries a whole request to @connections where a reader who is wrong about the framing would find it. It
would push `smuggled` to a connection; that connection must stay silent. Sources: RFC 9112 sections 2.2, 3, 5.1, 5.2,
6.1, 6.3, 7.1 and 11.2; check S-01.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.harness.gateway import TestGateway
from tests.harness.raw_http import authority, request, split_responses, talk
from tests.harness.raw_websocket import WAIT, RawWebSocket, open_socket

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Aim(NamedTuple):
    """What an attack is made of: the request line's target, the Host, and the request to smuggle."""

    target: bytes
    host: bytes
    smuggled: bytes


class Attack(NamedTuple):
    """`head`: header lines after the Host line, each with its ending; `body`: what follows the empty line.

    `{smuggled}` in the body stands for the request to smuggle, which is behind the body in any case.
    """

    id: str
    head: bytes
    body: bytes = b""
    statuses: tuple[int, ...] = (400,)


CL_AND_TE = [
    Attack("length-then-chunked", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("chunked-then-length", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    Attack("chunked-and-length-0", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("length-and-identity", b"Content-Length: 4\r\nTransfer-Encoding: identity\r\n", b"body"),
    Attack("length-and-unknown-coding", b"Content-Length: 4\r\nTransfer-Encoding: cow\r\n", b"body"),
    Attack("length-and-empty-coding", b"Content-Length: 4\r\nTransfer-Encoding:\r\n", b"body"),
    Attack("length-and-chunked-in-capitals", b"Content-Length: 5\r\nTRANSFER-ENCODING: CHUNKED\r\n", b"0\r\n\r\n"),
]

LENGTHS = [
    Attack("two-different-lengths", b"Content-Length: 0\r\nContent-Length: 4\r\n", b"body"),
    Attack("two-different-lengths-longer-first", b"Content-Length: 4\r\nContent-Length: 0\r\n", b"body"),
    Attack("two-equal-lengths", b"Content-Length: 4\r\nContent-Length: 4\r\n", b"body"),
    Attack("two-lengths-in-other-cases", b"content-length: 0\r\nCONTENT-LENGTH: 4\r\n", b"body"),
    *(
        Attack(f"length-{name}", b"Content-Length: " + value + b"\r\n", b"body")
        for name, value in (
            ("list-of-equals", b"4, 4"),
            ("list-of-different-ones", b"0, 4"),
            ("ends-in-comma", b"4,"),
            ("begins-with-comma", b",4"),
            ("plus", b"+4"),
            ("minus", b"-4"),
            ("minus-zero", b"-0"),
            ("hexadecimal", b"0x4"),
            ("hexadecimal-digit", b"a"),
            ("octal-prefix", b"0o4"),
            ("with-blank-inside", b"0 4"),
            ("with-underscore", b"0_4"),
            ("fraction", b"4.0"),
            ("exponent", b"4e0"),
            ("empty", b""),
            ("word", b"four"),
            ("in-quotes", b'"4"'),
            ("with-parameter", b"4;q=1"),
            ("arabic-indic-digit", "٤".encode()),
            ("fullwidth-digit", "４".encode()),
            ("latin-1-superscript", b"\xb2"),
            ("after-no-break-space", b"\xa04"),
            ("after-vertical-tab", b"\x0b4"),
            ("before-form-feed", b"4\x0c"),
            ("with-nul", b"4\x00"),
            ("beyond-64-bits", b"18446744073709551620"),
            ("of-two-thousand-digits", b"4" * 2000),
        )
    ),
    Attack("length-with-blank-before-colon", b"Content-Length : 4\r\n", b"body"),
    Attack("length-with-tab-before-colon", b"Content-Length\t: 4\r\n", b"body"),
    Attack("length-on-a-folded-line", b"Content-Length:\r\n 4\r\n", b"body"),
    Attack("length-continued", b"Content-Length: 0\r\n 4\r\n", b"body"),
    Attack("length-name-after-nul", b"\x00Content-Length: 4\r\n", b"body"),
]

CODINGS = [
    *(
        Attack(f"coding-{name}", b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n", statuses)
        for name, value, statuses in (
            ("unknown", b"xchunked", (400, 501)),
            ("unknown-after", b"chunkedx", (400, 501)),
            ("identity", b"identity", (400, 501)),
            ("chunked-not-last", b"chunked, identity", (400,)),
            ("chunked-twice", b"chunked, chunked", (400,)),
            ("chunked-with-parameter", b"chunked;a=b", (400, 501)),
            ("in-quotes", b'"chunked"', (400, 501)),
            ("after-vertical-tab", b"\x0bchunked", (400,)),
            ("before-form-feed", b"chunked\x0c", (400,)),
            ("after-no-break-space", b"\xa0chunked", (400, 501)),
            ("with-nul", b"chunked\x00", (400,)),
            ("with-bare-cr", b"\rchunked", (400,)),
            ("with-bare-lf", b"\nchunked", (400,)),
            ("empty", b"", (400, 501)),
            ("comma-alone", b",", (400, 501)),
            ("with-kelvin-sign", "chun\N{KELVIN SIGN}ed".encode(), (400, 501)),
        )
    ),
    Attack("codings-on-two-lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    Attack("identity-then-chunked", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("chunked-on-two-lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("coding-with-blank-before-colon", b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    Attack("coding-on-a-folded-line", b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    Attack("coding-continued", b"Transfer-Encoding: chunked\r\n , identity\r\n", b"0\r\n\r\n"),
    Attack("coding-hidden-by-bare-cr", b"X: y\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("coding-hidden-by-bare-lf", b"X: y\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
]

_CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = [
    Attack(f"chunk-{name}", _CHUNKED, body)
    for name, body in (
        ("size-hexadecimal-prefix", b"0x4\r\nbody\r\n0\r\n\r\n"),
        ("size-plus", b"+4\r\nbody\r\n0\r\n\r\n"),
        ("size-minus", b"-4\r\nbody\r\n0\r\n\r\n"),
        ("size-underscore", b"0_4\r\nbody\r\n0\r\n\r\n"),
        ("size-empty", b"\r\nbody\r\n0\r\n\r\n"),
        ("size-after-blank", b" 4\r\nbody\r\n0\r\n\r\n"),
        ("size-word", b"four\r\nbody\r\n0\r\n\r\n"),
        ("size-arabic-indic-digit", "٤".encode() + b"\r\nbody\r\n0\r\n\r\n"),
        ("size-with-nul", b"4\x00\r\nbody\r\n0\r\n\r\n"),
        ("size-beyond-64-bits", b"10000000000000004\r\nbody\r\n0\r\n\r\n"),
        ("size-ends-in-bare-lf", b"4\nbody\r\n0\r\n\r\n"),
        ("size-ends-in-bare-cr", b"4\rbody\r\n0\r\n\r\n"),
        ("longer-than-its-size", b"2\r\nbody\r\n0\r\n\r\n"),
        ("shorter-than-its-size", b"6\r\nbody\r\n0\r\n\r\n"),
        ("without-line-end", b"4\r\nbody0\r\n\r\n"),
        ("data-ends-in-bare-lf", b"4\r\nbody\n0\r\n\r\n"),
        ("data-ends-in-bare-cr", b"4\r\nbody\r0\r\n\r\n"),
        ("data-ends-in-other-bytes", b"4\r\nbodyxx0\r\n\r\n"),
        ("last-ends-in-bare-lf", b"0\n\r\n"),
        ("last-and-empty-line-in-bare-lf", b"0\n\n"),
        ("extension-with-bare-lf", b"4;a\nx\r\nbody\r\n0\r\n\r\n"),
        ("extension-with-bare-cr", b"4;a\rx\r\nbody\r\n0\r\n\r\n"),
        ("extension-with-nul", b"4;a\x00\r\nbody\r\n0\r\n\r\n"),
        ("trailer-with-bare-lf", b"0\r\nX: y\nZ: w\r\n\r\n"),
        ("trailer-with-bare-cr", b"0\r\nX: y\rZ: w\r\n\r\n"),
        ("trailer-with-nul", b"0\r\nX: \x00\r\n\r\n"),
        ("trailer-without-colon", b"0\r\nnothing\r\n\r\n"),
        ("trailer-with-blank-before-colon", b"0\r\nX : y\r\n\r\n"),
        ("trailer-folded", b"0\r\nX: y\r\n z\r\n\r\n"),
        ("trailer-host", b"0\r\nHost: other\r\n\r\n"),
        ("trailer-length", b"0\r\nContent-Length: 4\r\n\r\nbody"),
        ("trailer-coding", b"0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    )
]

HEADS = [
    Attack(f"header-{name}", line)
    for name, line in (
        ("with-bare-lf-at-its-end", b"X: y\n"),
        ("with-bare-cr-inside", b"X: y\rz\r\n"),
        ("with-bare-cr-at-its-end", b"X: y\rZ: w\r\n"),
        ("with-nul-in-its-value", b"X: \x00\r\n"),
        ("with-nul-in-its-name", b"X\x00: y\r\n"),
        ("with-control-character", b"X: \x01\r\n"),
        ("with-delete-character", b"X: \x7f\r\n"),
        ("without-colon", b"nothing\r\n"),
        ("without-name", b": y\r\n"),
        ("with-blank-in-its-name", b"X Y: z\r\n"),
        ("with-blank-before-colon", b"X : y\r\n"),
        ("with-tab-before-colon", b"X\t: y\r\n"),
        ("with-latin-1-name", b"X\xe9: y\r\n"),
        ("with-slash-in-its-name", b"X/Y: z\r\n"),
        ("with-brackets-in-its-name", b"X[0]: y\r\n"),
        ("folded-with-blank", b"X: y\r\n z\r\n"),
        ("folded-with-tab", b"X: y\r\n\tz\r\n"),
        ("that-ends-the-head-with-bare-lf", b"X: y\n\n"),
        ("that-ends-the-head-with-lf-crlf", b"X: y\n\r\n"),
        ("of-a-second-host", b"Host: other\r\n"),
        ("of-a-second-host-before-a-colon-blank", b"Host : other\r\n"),
        ("of-a-second-authorization", b"Authorization: a\r\nAuthorization: b\r\n"),
    )
]

ATTACKS = CL_AND_TE + LENGTHS + CODINGS + CHUNKS + HEADS


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


_LINES = [
    ("tabs", b"POST\t{target}\tHTTP/1.1"),
    ("vertical-tab", b"POST\x0b{target} HTTP/1.1"),
    ("blank-at-its-end", b"POST {target} HTTP/1.1 "),
    ("blank-at-its-start", b" POST {target} HTTP/1.1"),
    ("no-version", b"POST {target}"),
    ("no-target", b"POST HTTP/1.1"),
    ("version-0.9", b"POST {target} HTTP/0.9"),
    ("version-1.2", b"POST {target} HTTP/1.2"),
    ("version-2.0", b"POST {target} HTTP/2.0"),
    ("version-1.10", b"POST {target} HTTP/1.10"),
    ("version-01.1", b"POST {target} HTTP/01.1"),
    ("version-with-comma", b"POST {target} HTTP/1,1"),
    ("version-in-small-letters", b"POST {target} http/1.1"),
    ("version-in-arabic-indic-digits", b"POST {target} HTTP/" + "١.١".encode()),
    ("method-with-at-sign", b"PO@ST {target} HTTP/1.1"),
    ("method-in-latin-1", b"POST\xe9 {target} HTTP/1.1"),
    ("method-with-nul", b"PO\x00ST {target} HTTP/1.1"),
    ("target-with-blank", b"POST {target} x HTTP/1.1"),
    ("target-with-nul", b"POST {target}\x00 HTTP/1.1"),
    ("target-with-bare-cr", b"POST {target}\r HTTP/1.1"),
    ("target-with-bare-lf", b"POST {target}\n HTTP/1.1"),
    ("target-with-delete-character", b"POST {target}\x7f HTTP/1.1"),
    ("target-with-another-authority", b"POST http://other{target} HTTP/1.1"),
    ("target-with-user-information", b"POST http://a@{host}{target} HTTP/1.1"),
    ("target-of-another-scheme", b"POST ftp://{host}{target} HTTP/1.1"),
    ("target-without-slash", b"POST prod HTTP/1.1"),
    ("http-2-preface", b"PRI * HTTP/2.0"),
    ("tls-client-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("ssh-greeting", b"SSH-2.0-OpenSSH_9.6"),
]


@pytest.mark.parametrize("line", [pytest.param(line, id=name) for name, line in _LINES])
async def test_a_request_line_that_is_none_gets_one_answer_and_the_connection_closes(
    gateway: TestGateway, victim: RawWebSocket, line: bytes
):
    aim = aim_at(gateway)
    line = line.replace(b"{target}", aim.target).replace(b"{host}", aim.host)
    attack = line + b"\r\nHost: " + aim.host + b"\r\nContent-Length: 0\r\n\r\n" + aim.smuggled
    await fails(gateway, victim, attack, (400, 405, 505))


_HOSTS = [
    ("none", b""),
    ("empty", b"Host: \r\n"),
    ("two-equal", b"Host: {host}\r\nHost: {host}\r\n"),
    ("list", b"Host: {host}, {host}\r\n"),
    ("user-information", b"Host: a@{host}\r\n"),
    ("path", b"Host: {host}/prod\r\n"),
    ("blank", b"Host: a b\r\n"),
    ("folded", b"Host: a\r\n b\r\n"),
]


@pytest.mark.parametrize("hosts", [pytest.param(hosts, id=name) for name, hosts in _HOSTS])
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
    ("chunked", _CHUNKED, b"3\r\none\r\n0\r\n\r\n"),
    ("chunk-sizes-in-capitals-with-zeros", _CHUNKED, b"00000003\r\none\r\n0000\r\n\r\n"),
    ("chunk-extension", _CHUNKED, b'3;a=b;c="d"\r\none\r\n0;e\r\n\r\n'),
    ("trailers", _CHUNKED, b"3\r\none\r\n0\r\nX-Sum: 9\r\n\r\n"),
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
    answers = split_responses(await talk(gateway.url, first + second))
    assert [answer.status for answer in answers] == [200, 200]
    assert [await victim.receive(), await victim.receive()] == [b"one", b"two"]


async def test_blanks_before_the_target_are_skipped_and_the_next_request_is_found(
    gateway: TestGateway, victim: RawWebSocket
):
    # RFC 9112 §3 lets a recipient take blanks together; where the request ends does not depend on them.
    aim = aim_at(gateway)
    last = request(aim.target.decode(), aim.host.decode(), [("Connection", "close")], b"two", method="POST")
    first = aim.smuggled.replace(b"POST ", b"POST   ").replace(b"smuggled", b"one-more")
    assert [answer.status for answer in split_responses(await talk(gateway.url, first + last))] == [200, 200]
    assert [await victim.receive(), await victim.receive()] == [b"one-more", b"two"]


async def test_a_gateway_does_not_start_with_the_lenient_parser():
    program = (
        "import asyncio; from wsgw.app import App; from wsgw.settings import Settings; "
        "asyncio.run(App(Settings(port=0, control_port=0)).start())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"NotSafe: aiohttp runs without its parser in C" in errors
