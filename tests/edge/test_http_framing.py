"""REST and HTTP APIs in front of a backend: what the gateway reads as one request, the backend reads as that one.

Every attack carries a whole request for `/pets/dev/smuggled` where a reader who is wrong about the framing would find
it. The backend takes apart what it gets byte by byte, and must never see it. Checks S-01 to S-04; RFC 9112.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.harness.framing_attacks import ATTACKS, CHUNKED, CHUNKS, HOSTS, LINES, Attack
from tests.harness.gateway import TestGateway
from tests.harness.other_readers import Read, read_by_aiohttp, read_by_llhttp
from tests.harness.raw_http import authority, request, split_responses, talk
from tests.harness.raw_websocket import WAIT, Response, open_socket
from tests.harness.rest_api import answers, mock
from tests.harness.strict_backend import StrictBackend, strict_backend
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROTOCOLS = ["REST", "HTTP"]


class Front(NamedTuple):
    """A gateway with an API `pets` in front of `backend`: `/up` and `/smuggled` go there as they are."""

    gateway: TestGateway
    backend: StrictBackend

    @property
    def host(self) -> bytes:
        return authority(self.gateway.url).encode()

    @property
    def smuggled(self) -> bytes:
        return request("/pets/dev/smuggled", self.host.decode(), body=b"smuggled", method="POST")

    async def say(self, data: bytes) -> list[Response]:
        return split_responses(await talk(self.gateway.url, data))


def pets(protocol: str, url: str) -> Api:
    routes = [
        Route(
            key=f"ANY /{name}",
            integration=Integration(type="HTTP_PROXY", uri=f"{url}/{name}", method="ANY"),
            resource_id="r1",
        )
        for name in ("up", "smuggled")
    ]
    if protocol == "REST":
        routes.append(mock("ANY /mock", answers(template='{"mocked": true}')))
    return Api(
        id="pets",
        name="pets",
        protocol=protocol,  # type: ignore[arg-type]
        routes={route.key: route for route in routes},
        stages={"dev": Stage(name="dev")},
    )


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[(lanes, protocol) for lanes in (True, False) for protocol in PROTOCOLS],
    ids=lambda param: f"{'lanes' if param[0] else 'aiohttp'}-{param[1]}",
)
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Front]:
    lanes, protocol = request.param
    async with strict_backend() as backend:
        gateway = await TestGateway(lanes).start()
        gateway.deploy(pets(protocol, backend.url))
        yield Front(gateway, backend)
        await gateway.stop()


@pytest.fixture
def front(running: Front) -> Front:
    running.backend.clear()
    return running


async def fails(front: Front, attack: bytes, statuses: tuple[int, ...]) -> None:
    """`attack` gets one answer and the connection closes; the backend gets no whole request, neither it nor another."""
    replies = await front.say(attack)
    assert [answer.status for answer in replies] in [[status] for status in statuses]
    assert replies[0].header("connection") == "close"
    assert front.backend.requests == []
    assert b"smuggled" not in front.backend.pending
    assert front.backend.faults == []
    (fine,) = await front.say(request("/pets/dev/up", "a.example", [("Connection", "close")]))
    assert fine.body == b"fine"


@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.id) for attack in ATTACKS])
async def test_framing_that_can_be_read_in_two_ways_never_reaches_the_backend(front: Front, attack: Attack):
    """S-01"""
    head = b"POST /pets/dev/up HTTP/1.1\r\nHost: " + front.host + b"\r\n" + attack.head + b"\r\n"
    await fails(front, head + attack.body + front.smuggled, attack.statuses)


#: Trailers that look like framing are no fault of the body once its head is read: they mean nothing.
_MALFORMED = [attack for attack in CHUNKS if attack.id not in ("chunk-trailer-host", "chunk-trailer-length")]


@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.id) for attack in _MALFORMED])
async def test_a_body_that_goes_wrong_while_it_is_passed_on_is_never_whole_to_the_backend(front: Front, attack: Attack):
    """S-01: the head is at the backend already when the body turns out to be malformed."""
    head = b"POST /pets/dev/up HTTP/1.1\r\nHost: " + front.host + b"\r\n" + CHUNKED
    async with await open_socket(front.gateway.url) as socket:
        await socket.send(head + b"Expect: 100-continue\r\n\r\n")
        assert await asyncio.wait_for(socket.reader.readuntil(b"\r\n\r\n"), WAIT) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await socket.send(attack.body + front.smuggled)
        replies = split_responses(await socket.receive_to_eof())
    assert [answer.status for answer in replies] == [400]
    assert front.backend.requests == []
    assert b"smuggled" not in front.backend.pending
    assert front.backend.faults == []


@pytest.mark.parametrize("line", [pytest.param(line, id=name) for name, line in LINES])
async def test_a_request_line_that_is_none_never_reaches_the_backend(front: Front, line: bytes):
    """S-01, S-04: versions and what is no HTTP."""
    line = line.replace(b"{target}", b"/pets/dev/up").replace(b"{host}", front.host)
    attack = line + b"\r\nHost: " + front.host + b"\r\nContent-Length: 0\r\n\r\n" + front.smuggled
    await fails(front, attack, (400, 405, 505))


@pytest.mark.parametrize("hosts", [pytest.param(hosts, id=name) for name, hosts in HOSTS])
async def test_a_request_without_exactly_one_host_never_reaches_the_backend(front: Front, hosts: bytes):
    """S-03"""
    line = b"POST /pets/dev/up HTTP/1.1\r\n"
    await fails(front, line + hosts.replace(b"{host}", front.host) + b"\r\n" + front.smuggled, (400,))


async def test_the_backend_gets_its_own_host_whatever_the_client_says(front: Front):
    """S-03"""
    own = front.backend.url.removeprefix("http://")
    for target in ("/pets/dev/up", "http://a.example/pets/dev/up"):
        (answer,) = await front.say(request(target, "a.example", [("Connection", "close")]))
        assert answer.status == 200
    assert [sent.all("host") for sent in front.backend.requests] == [[own], [own]]
    assert [sent.target for sent in front.backend.requests] == ["/up", "/up"]


FORWARDED = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "evil"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-Prefix", "/evil"),
    ("Forwarded", "for=6.6.6.6;host=evil.example"),
    ("X_Forwarded_For", "6.6.6.6"),
    ("X-Forwarded_For", "6.6.6.6"),
    ("X_FORWARDED_HOST", "evil.example"),
    ("Wsgw-Connection-Id", "evil"),
    ("Wsgw_Principal_Id", "evil"),
]


@pytest.mark.parametrize("header", FORWARDED, ids=lambda header: header[0])
async def test_what_only_a_proxy_may_say_is_not_taken_from_a_client(front: Front, header: tuple[str, str]):
    """S-03: in other spellings neither; a backend that speaks CGI reads `-` and `_` as one."""
    (answer,) = await front.say(request("/pets/dev/up", "a.example", [header, ("Connection", "close")]))
    assert answer.status == 200
    (sent,) = front.backend.requests
    assert not [value for _, value in sent.headers if "6.6.6.6" in value or "evil" in value or value == "666"]
    assert sent.all("x-forwarded-for") == ["127.0.0.1"]


# ---- S-04: one hop

ONE_HOP = [
    ("Connection", "X-Secret, close"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("Proxy-Authorization", "Basic eA=="),
    ("TE", "trailers"),
    ("Trailer", "X-Sum"),
    ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ("X-Secret", "named by Connection"),
]


async def test_what_is_of_one_hop_and_what_connection_names_ends_here(front: Front):
    """S-04"""
    (answer,) = await front.say(request("/pets/dev/up", "a.example", [*ONE_HOP, ("X-Kept", "yes")]))
    assert answer.status == 200
    (sent,) = front.backend.requests
    assert sent.names.isdisjoint(name.lower() for name, _ in ONE_HOP)
    assert sent.all("x-kept") == ["yes"]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Amzn-Trace-Id", "Host"])
async def test_connection_names_nothing_away_that_the_gateway_says(front: Front, name: str):
    """S-04"""
    (answer,) = await front.say(request("/pets/dev/up", "a.example", [("Connection", f"{name}, close")]))
    assert answer.status == 200
    (sent,) = front.backend.requests
    assert len(sent.all(name.lower())) == 1


UPGRADES = [
    ("h2c", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]),
    ("websocket-like-another", [("Connection", "Upgrade"), ("Upgrade", "WebSocket2")]),
    (
        "websocket",
        [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ],
    ),
    ("without-an-upgrade-header", [("Connection", "Upgrade")]),
    ("without-connection", [("Upgrade", "h2c")]),
]


@pytest.mark.parametrize("headers", [pytest.param(headers, id=name) for name, headers in UPGRADES])
async def test_an_upgrade_goes_no_further_and_is_never_a_tunnel(front: Front, headers: list[tuple[str, str]]):
    """S-04, S-06: one answer that is no 101; what follows is an HTTP request or is not read at all."""
    last = request("/pets/dev/up?last", "a.example", [("Connection", "close")])
    replies = await front.say(request("/pets/dev/up", "a.example", headers) + last)
    assert [answer.status for answer in replies] in ([200], [200, 200], [400])
    assert len(front.backend.requests) == len([answer for answer in replies if answer.status == 200])
    for sent in front.backend.requests:
        assert sent.names.isdisjoint(("upgrade", "connection", "http2-settings"))


@pytest.mark.parametrize("headers", [pytest.param(headers, id=name) for name, headers in UPGRADES])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_the_body_of_a_request_that_asks_for_an_upgrade_is_passed_on_or_refused(
    front: Front, headers: list[tuple[str, str]], framing: str
):
    """S-01, S-06: never dropped, never taken for the next request."""
    body = front.smuggled
    one = request("/pets/dev/up", "a.example", headers, body=body, method="POST")
    if framing == "chunks":
        length = b"Content-Length: %d" % len(body)
        one = one.replace(length, b"Transfer-Encoding: chunked").replace(
            body, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        )
    last = request("/pets/dev/up?last", "a.example", [("Connection", "close")])
    replies = await front.say(one + last)
    assert [answer.status for answer in replies] in ([200], [200, 200], [400])
    bodies = [sent.body for sent in front.backend.requests]
    assert bodies == {400: [], 200: [body, b""][: len(replies)]}[replies[0].status]


# ---- the answer's framing


@pytest.mark.parametrize("path", ["up", "mock", "nowhere"])
@pytest.mark.parametrize(("method", "override"), [("GET", "HEAD"), ("POST", "HEAD"), ("HEAD", "GET"), ("HEAD", "POST")])
async def test_whether_an_answer_has_a_body_depends_on_what_the_client_sent(
    front: Front, method: str, override: str, path: str
):
    """S-01, S-53: X-HTTP-Method-Override changes what a route sees, not how the client reads the answer."""
    one = request(f"/pets/dev/{path}", "a.example", [("X-HTTP-Method-Override", override)], body=b"", method=method)
    last = request("/pets/dev/nowhere", "a.example", [("Connection", "close")])
    received = await talk(front.gateway.url, one + last)
    head, _, rest = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: ([0-9]+)", head)
    size = int(length[1]) if length is not None and method != "HEAD" else 0
    assert rest[size:].startswith(b"HTTP/1.1 40"), received


# ---- S-02: whatever is generated

_NAMES = ["Content-Length", "content-length", "Transfer-Encoding", "TRANSFER-ENCODING", "Connection", "X-One", "Expect"]
_BODIES = [
    b"",
    b"body",
    b"0\r\n\r\n",
    b"4\r\nbody\r\n0\r\n\r\n",
    b"4\r\nbody\r\n0\r\nX: y\r\n\r\n",
    b"1;x\r\nb\r\n0\r\n\r\n",
]
_VALUES = {
    "content-length": ["0", "4", "5", "4,4", "+4", " 4", "4 ", "04", "\t4", "0x4", ""],
    "transfer-encoding": [
        "chunked",
        "Chunked",
        "chunked ",
        "identity",
        "chunked, chunked",
        "\tchunked",
        "x",
        "gzip, chunked",
    ],
    "connection": ["close", "keep-alive", "Content-Length", "Transfer-Encoding", "X-One, close"],
    "x-one": ["1", "caf\xe9", "a\tb", "\x01", "a\rb"],
    "expect": ["100-continue", "x"],
}
_SEPARATORS = [": ", ":", " : ", ":\t", ":  "]
_ENDS = ["\r\n"] * 12 + ["\n", "\r", "\r\n "]


def generated(choose: random.Random, host: bytes) -> bytes:
    """A request that may be malformed in any way."""
    method = choose.choice(["GET", "POST", "PUT", "DELETE", "PATCH"])
    target = choose.choice(["/pets/dev/up", "/pets/dev/up?a=b", "/pets/dev//up", f"http://{host.decode()}/pets/dev/up"])
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {host.decode()}\r\n"]
    for _ in range(choose.randint(0, 3)):
        name = choose.choice(_NAMES)
        value = choose.choice(_VALUES[name.lower()])
        lines.append(name + choose.choice(_SEPARATORS) + value + choose.choice(_ENDS))
    return "".join(lines).encode("latin-1") + b"\r\n" + choose.choice(_BODIES)


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(8, 84))])
async def test_whatever_a_client_sends_the_backend_reads_the_requests_that_were_answered(front: Front, seed: int):
    """S-02: 60 generated requests, each followed by one that ends the connection; other readers agree with ours.

    480 of them, and 5,040 with the long runs.
    """
    choose = random.Random(seed)
    last = request("/pets/dev/up?last", front.host.decode(), [("Connection", "close")])
    for _ in range(60):
        front.backend.clear()
        one = generated(choose, front.host)
        received = (await talk(front.gateway.url, one + last)).replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        statuses = [answer.status for answer in split_responses(received)]
        shown = (one, statuses, front.backend.requests)
        assert 1 <= len(statuses) <= 2, shown
        assert front.backend.faults == [], shown
        assert len(front.backend.requests) == statuses.count(200), shown
        for sent in front.backend.requests:
            assert sent.target in ("/up", "/up?a=b", "/up?last"), shown
            behind = (one + last).partition(b"\r\n\r\n")[2]
            assert sent.body in (b"body", b"b") or behind.startswith(sent.body), shown
        for sent, raw in zip(front.backend.requests, front.backend.raw, strict=True):
            alike = [Read(sent.method, sent.target, sent.body)]
            assert read_by_llhttp(raw) == alike, (one, raw)
            assert await read_by_aiohttp(raw) == alike, (one, raw)


SOUND = [
    ("chunked", CHUNKED, b"3\r\none\r\n0\r\n\r\n"),
    ("chunk-sizes-in-capitals-with-zeros", CHUNKED, b"00000003\r\none\r\n0000\r\n\r\n"),
    ("chunk-extension", CHUNKED, b'3;a=b;c="d"\r\none\r\n0;e\r\n\r\n'),
    ("trailers", CHUNKED, b"3\r\none\r\n0\r\nX-Sum: 9\r\nX-Evil: 1\r\n\r\n"),
    ("coding-in-other-case", b"transfer-encoding: Chunked\r\n", b"3\r\none\r\n0\r\n\r\n"),
    ("length-with-zeros", b"Content-Length: 0003\r\n", b"one"),
    ("length-between-blanks", b"Content-Length: \t 3 \t\r\n", b"one"),
    ("header-that-looks-like-a-length", b"Content_Length: 9\r\nContent-Length: 3\r\n", b"one"),
    ("length-named-by-connection", b"Connection: Content-Length\r\nContent-Length: 3\r\n", b"one"),
    ("coding-named-by-connection", b"Connection: Transfer-Encoding\r\n" + CHUNKED, b"3\r\none\r\n0\r\n\r\n"),
]


@pytest.mark.parametrize(("head", "body"), [pytest.param(head, body, id=name) for name, head, body in SOUND])
async def test_sound_framing_reaches_the_backend_with_the_same_body(front: Front, head: bytes, body: bytes):
    """S-01, S-02: framed anew, extensions and trailers left behind."""
    first = b"POST /pets/dev/up HTTP/1.1\r\nHost: " + front.host + b"\r\n" + head + b"\r\n" + body
    second = request("/pets/dev/up", front.host.decode(), [("Connection", "close")], b"two", method="POST")
    replies = await front.say(first + second)
    # Behind chunks the connection may end: see aiohttp_handler.
    assert [answer.status for answer in replies] in ([200, 200], [200])
    assert len(replies) == 2 or replies[0].header("connection") == "close"
    assert [sent.body for sent in front.backend.requests] == [b"one", b"two"][: len(replies)]
    assert len(replies) == 2 or b"chunked" in head.lower()
    assert front.backend.faults == []
    for sent in front.backend.requests:
        assert not {"x-sum", "x-evil", "connection"} & sent.names


async def test_a_connection_is_kept_behind_a_body_in_chunks(front: Front):
    """What ended by itself and without trailers is followed by the next request."""
    chunked = b"POST /pets/dev/up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with await open_socket(front.gateway.url) as socket:
        for pieces in ([chunked + b"3\r\none\r\n0\r\n\r\n"], [chunked, b"3\r\none\r\n0", b"\r\n", b"\r\n"]):
            for piece in pieces:
                await socket.send(piece)
                await asyncio.sleep(0.01)
            answer = await socket.receive_response()
            assert (answer.status, answer.header("connection")) == (200, "keep-alive")
    assert [sent.body for sent in front.backend.requests] == [b"one", b"one"]


TRAILERS = ["X-Evil: 1", "Host: evil", "Authorization: evil", "Content-Length: 9", "Transfer-Encoding: chunked"]


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("cut", ["together", "apart", "in-the-next-head", "byte-by-byte"])
async def test_a_trailer_is_never_a_header_of_the_next_request(front: Front, trailer: str, cut: str):
    """S-01, S-21: CVE-2025-69224's kind."""
    first = b"POST /pets/dev/up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n"
    first += trailer.encode() + b"\r\n\r\n"
    second = request("/pets/dev/up?last", "a", [("Connection", "close")], b"\r\n0\r\n\r\n", method="POST")
    whole = first + second
    at = {"together": [], "apart": [len(first)], "in-the-next-head": [len(first) + 20]}.get(cut, range(1, len(whole)))
    cuts = [0, *at, len(whole)]
    async with await open_socket(front.gateway.url) as socket:
        for start, end in pairwise(cuts):
            if socket.writer.is_closing():
                break
            socket.writer.write(whole[start:end])
            await asyncio.sleep(0 if cut == "byte-by-byte" else 0.01)
        replies = split_responses(await socket.receive_to_eof())
    assert {answer.status for answer in replies} <= {200, 400}
    for sent in front.backend.requests:
        assert "evil" not in str(sent.headers)
        assert not {"x-evil", "authorization"} & sent.names
    assert [sent.target for sent in front.backend.requests] in (["/up"], ["/up", "/up?last"], [])
