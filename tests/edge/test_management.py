"""@connections over raw HTTP: statuses, headers and bodies as the service gives them, and what clients receive.

Expected answers were recorded on the service in September 2026; where nothing was recorded, the developer guide's "Use
@connections commands in your backend service" decides.
"""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import quote

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.management import call, call_once, fill, manage
from tests.harness.raw_websocket import TEXT, RawWebSocket, Response, open_socket
from wsgw import ids
from wsgw.definitions.api import Stage, StageLimits

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{15}=")
ISO_MS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
PING = route("ping", mock('{"pong":true}'), two_way=True)
CLOSED = (1000, "Connection Closed Normally")


async def one_client(gateway: TestGateway, path: str = "/prod", **options: object) -> tuple[RawWebSocket, str]:
    """A client that has just connected, and its id."""
    known = {connection.id for connection in gateway.connections}
    client = await gateway.connect(path, **options)
    (id,) = {connection.id for connection in gateway.connections} - known
    return client, id


def unknown_id(api_id: str = "chat") -> str:
    """A well-formed id of a connection that never was."""
    return ids.connection_id("beef", ids.api_tag(api_id))


def names(response: Response) -> set[str]:
    return {name for name, _ in response.headers}


def error_of(response: Response) -> tuple[int, str | None, bytes]:
    return response.status, response.header("x-amzn-ErrorType"), response.body


async def last_active(gateway: TestGateway, id: str) -> str:
    return str(json.loads((await manage(gateway, "GET", id)).body)["lastActiveAt"])


# ---- success


async def test_a_post_reaches_the_client_and_is_answered_200_without_a_body(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    response = await manage(gateway, "POST", id, '{"text":"Grüße"}'.encode())
    assert (response.status, response.body) == (200, b"")
    frame = await client.receive_frame()
    assert frame is not None
    assert (frame.opcode, frame.payload.decode()) == (TEXT, '{"text":"Grüße"}')


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_success_has_the_services_headers(gateway: TestGateway, method: str):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    response = await manage(gateway, method, id)
    usual = {"date", "content-type", "connection", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"}
    # A 204 has no Content-Length: RFC 9110, section 8.6.
    assert names(response) == usual | (set() if method == "DELETE" else {"content-length"})
    assert len(response.headers) == len(names(response))
    assert response.header("content-type") == "application/json"
    assert response.header("connection") == "keep-alive"
    assert UUID.fullmatch(response.header("x-amzn-requestid") or "")
    assert REQUEST_ID.fullmatch(response.header("x-amz-apigw-id") or "")
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", response.header("x-amzn-trace-id") or "")


async def test_get_tells_about_the_connection_in_the_services_layout(gateway: TestGateway):
    gateway.serve(PING)
    _, id = await one_client(gateway, headers=[("User-Agent", 'agent "one"')])
    connected_at = datetime.fromtimestamp(gateway.connections[0].connected_at / 1000, UTC)
    iso = connected_at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{connected_at.microsecond // 1000:03d}Z"
    response = await manage(gateway, "GET", id)
    assert response.status == 200
    layout = (
        "{\n"
        '  "identity" : {\n'
        '    "sourceIp" : "127.0.0.1",\n'
        '    "userAgent" : "agent \\"one\\""\n'
        "  },\n"
        f'  "connectedAt" : "{iso}",\n'
        '  "lastActiveAt" : "TIME"\n'
        "}"
    )
    assert re.sub(rf'("lastActiveAt" : "){ISO_MS}"', r'\1TIME"', response.body.decode()) == layout


async def test_the_user_agent_is_null_where_the_client_sent_none(gateway: TestGateway):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert b'"userAgent" : null\n' in (await manage(gateway, "GET", id)).body


async def test_delete_is_answered_204_and_the_client_sees_a_normal_close(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$disconnect", http(f"{backend.url}/gone")))
    client, id = await one_client(gateway)
    response = await manage(gateway, "DELETE", id)
    assert (response.status, response.body) == (204, b"")
    assert await client.receive_close() == CLOSED
    await client.send_close(1000)
    await client.drop()
    (told,) = await backend.wait_for("/gone")
    assert (told.header("Wsgw-Disconnect-Code"), told.header("Wsgw-Disconnect-Reason")) == ("1000", CLOSED[1])


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_deleted_connection_is_gone_at_once(gateway: TestGateway, method: str):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    # The client has not answered the close yet.
    assert (await manage(gateway, "DELETE", id)).status == 204
    assert error_of(await manage(gateway, method, id)) == (410, "GoneException", b"")


# ---- the connection in the path

ENDPOINTS = [
    pytest.param("/prod", None, id="stage"),
    pytest.param("/chat/prod", None, id="api-and-stage"),
    pytest.param("/prod", "chat.localhost", id="api-as-host"),
    pytest.param("/prod", "chat.execute-api.us-east-1.amazonaws.com", id="execute-api-host"),
    pytest.param("/prod", "chat.execute-api.localhost:1234", id="execute-api-host-and-port"),
]


@pytest.mark.parametrize(("base", "host"), ENDPOINTS)
async def test_every_form_of_the_endpoint_leads_to_the_connection(gateway: TestGateway, base: str, host: str | None):
    # Two APIs have the stage: the first form finds the API by the connection's id.
    gateway.deploy(api(PING, id="other"), api(PING))
    client, id = await one_client(gateway, "/chat/prod")
    target = f"{base}/@connections/{quote(id, safe='')}"
    assert (await call_once(gateway, call(gateway, "POST", target, b"hello", host=host))).status == 200
    assert await client.receive_text() == "hello"
    assert (await call_once(gateway, call(gateway, "GET", target, host=host))).status == 200


@pytest.mark.parametrize("at", ["@", "%40"])
@pytest.mark.parametrize("padding", ["=", "%3D", "%3d"])
async def test_at_and_equals_may_be_escaped_or_not(gateway: TestGateway, at: str, padding: str):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    assert id.endswith("=")
    target = f"/prod/{at}connections/{id.replace('=', padding)}"
    assert (await call_once(gateway, call(gateway, "POST", target, b"hello"))).status == 200
    assert await client.receive_text() == "hello"
    assert (await call_once(gateway, call(gateway, "GET", target))).status == 200
    assert (await call_once(gateway, call(gateway, "DELETE", target))).status == 204


async def test_every_character_of_an_id_may_be_escaped_and_a_query_may_follow(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    escaped = "".join(f"%{ord(character):02x}" for character in id)
    assert (await call_once(gateway, call(gateway, "POST", f"/prod/@connections/{escaped}?a=b/c", b"hi"))).status == 200
    assert await client.receive_text() == "hi"


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_another_stage_of_the_same_api_reaches_the_connection(gateway: TestGateway, method: str):
    gateway.deploy(api(PING, stages={name: Stage(name=name) for name in ("prod", "test")}))
    client, id = await one_client(gateway)
    assert (await manage(gateway, method, id, base="/test")).status in (200, 204)
    if method == "POST":
        assert await client.receive() == b""
    if method == "DELETE":
        assert await client.receive_close() == CLOSED


# ---- refusals

MALFORMED = [
    pytest.param("garbage", id="garbage"),
    pytest.param("R1kmxc2VNjMCFIA=", id="an-id-of-another-service"),
    pytest.param("a" * 36, id="the-right-length"),
    pytest.param("a/b", id="a-slash"),
    pytest.param('"}\r\nX: y', id="what-would-break-json-and-headers"),
    pytest.param("é", id="not-ascii"),
]


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("id", MALFORMED)
async def test_what_is_no_connection_id_is_a_bad_request(gateway: TestGateway, method: str, id: str):
    gateway.serve(PING)
    response = await manage(gateway, method, id)
    body = json.dumps({"message": f"Invalid connectionId: {id}"}, separators=(",", ":"), ensure_ascii=False)
    assert error_of(response) == (400, "BadRequestException", body.encode())


async def test_an_altered_id_is_a_bad_request_wherever_it_was_altered(gateway: TestGateway):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    for at in range(len(id)):
        altered = id[:at] + ("B" if id[at] != "B" else "C") + id[at + 1 :]
        assert (await manage(gateway, "GET", altered)).status == 400, altered
    assert (await manage(gateway, "GET", id[:-1])).status == 400
    assert (await manage(gateway, "GET", id + "=")).status == 400


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_connection_that_never_was_is_gone(gateway: TestGateway, method: str):
    gateway.serve(PING)
    assert error_of(await manage(gateway, method, unknown_id())) == (410, "GoneException", b"")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_connection_that_its_client_closed_is_gone(gateway: TestGateway, method: str):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    assert await client.close() == (1000, "")
    assert error_of(await manage(gateway, method, id)) == (410, "GoneException", b"")


NOWHERE = [
    pytest.param("/prod", "PUT", id="PUT"),
    pytest.param("/prod", "PATCH", id="PATCH"),
    pytest.param("/prod", "OPTIONS", id="OPTIONS"),
    pytest.param("/test", "POST", id="unknown-stage"),
    pytest.param("/other/prod", "POST", id="unknown-api"),
    pytest.param("/chat", "POST", id="no-stage"),
    pytest.param("", "POST", id="no-base-path"),
    pytest.param("/base/chat/prod", "POST", id="wrong-base-path"),
    pytest.param("/prod/", "POST", id="two-slashes"),
    pytest.param("/prod/more", "POST", id="more-behind-the-stage"),
    pytest.param("/PROD", "POST", id="stage-in-capitals"),
]


@pytest.mark.parametrize(("base", "method"), NOWHERE)
async def test_a_wrong_address_or_method_is_forbidden(gateway: TestGateway, base: str, method: str):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    response = await manage(gateway, method, id, b"hello", base=base)
    assert error_of(response) == (403, "ForbiddenException", b'{"message":"Forbidden"}')


@pytest.mark.parametrize("rest", ["", "/", "/{id}/", "/{id}/more"])
async def test_a_path_that_names_no_connection_is_forbidden(gateway: TestGateway, rest: str):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    response = await call_once(gateway, call(gateway, "GET", f"/prod/@connections{rest.format(id=id)}"))
    assert error_of(response) == (403, "ForbiddenException", b'{"message":"Forbidden"}')


async def test_the_answer_to_a_head_has_no_body(gateway: TestGateway):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    async with await open_socket(gateway.url) as socket:
        await socket.send(call(gateway, "HEAD", f"/prod/@connections/{id}"))
        head = await asyncio.wait_for(socket.reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 403 ")
        # Whatever came behind that head would be taken for the next answer.
        await socket.send(call(gateway, "GET", f"/prod/@connections/{id}"))
        assert (await asyncio.wait_for(socket.reader.readuntil(b"\r\n"), 5)) == b"HTTP/1.1 200 OK\r\n"


REFUSALS = [
    pytest.param("GET", "garbage", 400, id="400"),
    pytest.param("PUT", "", 403, id="403"),
    pytest.param("GET", "", 410, id="410"),
]


@pytest.mark.parametrize(("method", "id", "status"), REFUSALS)
async def test_a_refusal_carries_both_request_ids(gateway: TestGateway, method: str, id: str, status: int):
    gateway.serve(PING)
    response = await manage(gateway, method, id or unknown_id())
    assert response.status == status
    assert UUID.fullmatch(response.header("x-amzn-requestid") or "")
    assert REQUEST_ID.fullmatch(response.header("x-amz-apigw-id") or "")
    assert response.header("content-type") == "application/json"
    assert response.header("content-length") == str(len(response.body))


# ---- size


async def test_a_post_of_131072_bytes_is_delivered(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    assert (await manage(gateway, "POST", id, b"x" * 131_072)).status == 200
    assert await client.receive() == b"x" * 131_072


async def test_one_byte_more_is_413_with_neither_body_nor_amazon_headers(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    response = await manage(gateway, "POST", id, b"x" * 131_073)
    assert (response.status, response.body) == (413, b"")
    assert response.header("content-length") == "0"
    assert names(response) <= {"date", "connection", "content-length"}
    assert (await manage(gateway, "POST", id, b"the next")).status == 200
    assert await client.receive_text() == "the next"


async def test_a_stages_own_limit_counts_though_another_api_allows_more(gateway: TestGateway):
    small = Stage(name="prod", limits=StageLimits(message_bytes=10))
    gateway.deploy(api(PING, stage=small), api(PING, id="other"))
    client, id = await one_client(gateway, "/chat/prod")
    response = await manage(gateway, "POST", id, b"x" * 11, base="/chat/prod")
    assert (response.status, response.body) == (413, b"")
    assert names(response) <= {"date", "connection", "content-length"}
    assert (await manage(gateway, "POST", id, b"x" * 10, base="/chat/prod")).status == 200
    assert await client.receive() == b"x" * 10


async def test_a_limit_of_0_is_no_limit(gateway: TestGateway):
    gateway.serve(PING, stage=Stage(name="prod", limits=StageLimits(message_bytes=0)))
    client, id = await one_client(gateway)
    assert (await manage(gateway, "POST", id, b"x" * 500_000)).status == 200
    assert await client.receive() == b"x" * 500_000


async def test_a_large_payload_comes_in_frames_of_32_kib_at_most(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    await manage(gateway, "POST", id, bytes(range(48, 112)) * 2048)
    frames = []
    while not frames or not frames[-1].fin:
        frame = await client.receive_frame()
        assert frame is not None
        frames.append(frame)
    assert [frame.opcode for frame in frames] == [TEXT] + [0] * (len(frames) - 1)
    assert len(frames) >= 4
    assert max(len(frame.payload) for frame in frames) <= 32_768
    assert b"".join(frame.payload for frame in frames) == bytes(range(48, 112)) * 2048


# ---- what is sent

PAYLOADS = [
    pytest.param(b"", "", id="empty"),
    pytest.param(b"not json", "not json", id="not-json"),
    pytest.param("Grüße 👋".encode(), "Grüße 👋", id="utf-8"),
    pytest.param(b"a\xffb", "a\ufffdb", id="a-byte-that-is-no-utf-8"),
    pytest.param(b"end \xe2\x82", "end \ufffd", id="a-character-cut-off"),
    pytest.param(b"\xed\xa0\x80", "\ufffd\ufffd\ufffd", id="a-surrogate"),
    pytest.param(b"\0\r\n", "\0\r\n", id="control-characters"),
]


@pytest.mark.parametrize(("payload", "text"), PAYLOADS)
async def test_a_payload_goes_out_as_text_whatever_its_bytes(gateway: TestGateway, payload: bytes, text: str):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    assert (await manage(gateway, "POST", id, payload)).status == 200
    frame = await client.receive_frame()
    assert frame is not None
    assert (frame.opcode, frame.payload.decode()) == (TEXT, text)


async def test_a_body_in_chunks_is_a_body(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    head = call(gateway, "POST", f"/prod/@connections/{id}", headers=[("Transfer-Encoding", "chunked")])
    head = head.replace(b"Content-Length: 0\r\n", b"")
    assert (await call_once(gateway, head + b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n")).status == 200
    assert await client.receive_text() == "hello world"


async def test_a_post_without_any_length_is_an_empty_message(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    request = call(gateway, "POST", f"/prod/@connections/{id}").replace(b"Content-Length: 0\r\n", b"")
    assert (await call_once(gateway, request)).status == 200
    assert await client.receive() == b""


async def test_a_body_that_waits_for_100_continue_is_asked_for(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    request = call(gateway, "POST", f"/prod/@connections/{id}", b"hello", [("Expect", "100-continue")])
    async with await open_socket(gateway.url) as socket:
        await socket.send(request.removesuffix(b"hello"))
        assert (await socket.receive_response()).status == 100
        await socket.send(b"hello")
        assert (await socket.receive_response()).status == 200
    assert await client.receive_text() == "hello"


# ---- one after the other


async def test_posts_one_after_the_other_arrive_in_order(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    for number in range(10):
        assert (await manage(gateway, "POST", id, str(number).encode())).status == 200
    assert [await client.receive_text() for _ in range(10)] == [str(number) for number in range(10)]


async def test_a_connection_is_kept_and_pipelined_posts_are_answered_in_order(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    requests = []
    for number in range(30):
        wanted = [id, unknown_id(), f"no-id-{number}"][number % 3]
        requests.append(call(gateway, "POST", f"/prod/@connections/{wanted}", f"message {number}".encode()))
    async with await open_socket(gateway.url) as socket:
        for _ in range(2):
            await socket.send(b"".join(requests))
            answers = [await socket.receive_response() for _ in requests]
            assert [answer.status for answer in answers] == [200, 410, 400] * 10
            refused = [json.loads(answer.body)["message"] for answer in answers[2::3]]
            assert refused == [f"Invalid connectionId: no-id-{number}" for number in range(2, 30, 3)]
    received = [await client.receive_text() for _ in range(20)]
    assert received == [f"message {number}" for number in range(0, 30, 3)] * 2


async def test_pipelined_calls_of_all_methods_are_answered_in_order(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    target = f"/prod/@connections/{id}"
    calls = [("POST", b"one"), ("GET", None), ("POST", b"two"), ("DELETE", None), ("POST", b"three"), ("GET", None)]
    async with await open_socket(gateway.url) as socket:
        await socket.send(b"".join(call(gateway, method, target, body) for method, body in calls))
        statuses = [(await socket.receive_response()).status for _ in calls]
    assert statuses == [200, 200, 200, 204, 410, 410]
    assert [await client.receive_text(), await client.receive_text()] == ["one", "two"]
    assert await client.receive_close() == CLOSED


async def test_a_post_that_arrives_byte_by_byte_is_one_post(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    async with await open_socket(gateway.url) as socket:
        for byte in call(gateway, "POST", f"/prod/@connections/{id}", b"hello"):
            await socket.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await socket.receive_response()).status == 200
    assert await client.receive_text() == "hello"


async def test_a_caller_that_asks_to_close_is_answered_and_closed(gateway: TestGateway):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    async with await open_socket(gateway.url) as socket:
        await socket.send(call(gateway, "POST", f"/prod/@connections/{id}", b"hello", [("Connection", "close")]))
        response = await socket.receive_response()
        assert (response.status, response.header("connection")) == (200, "close")
        assert await socket.receive_to_eof() == b""


# ---- before the connection is open


async def test_inside_its_own_connect_a_connection_is_gone_and_afterwards_it_is_there(
    gateway: TestGateway, backend: Backend
):
    early: list[Response] = []

    async def call_back(request: Received):
        id = request.header("Wsgw-Connection-Id") or ""
        early.extend([await manage(gateway, method, id) for method in ("POST", "GET", "DELETE")])
        return backend.nothing()

    backend.answer("/connect", call_back)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    client, id = await one_client(gateway)
    assert [error_of(response) for response in early] == [(410, "GoneException", b"")] * 3
    assert backend.got("/connect")[0].header("Wsgw-Connection-Id") == id
    assert (await manage(gateway, "POST", id, b"welcome")).status == 200
    assert await client.receive_text() == "welcome"


async def test_a_message_posted_while_a_route_runs_comes_before_its_answer(gateway: TestGateway, backend: Backend):
    async def call_back(request: Received):
        id = request.header("Wsgw-Connection-Id") or ""
        assert (await manage(gateway, "POST", id, b"first")).status == 200
        return backend.nothing(b"second")

    backend.answer("/ask", call_back)
    gateway.serve(route("ask", http(f"{backend.url}/ask"), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": "ask"})
    assert [await client.receive_text(), await client.receive_text()] == ["first", "second"]


# ---- lastActiveAt


async def test_last_active_moves_with_messages_of_the_client_and_accepted_posts(gateway: TestGateway, backend: Backend):
    gateway.clock.stand_still()
    gateway.serve(route("note", http(f"{backend.url}/note")))
    client, id = await one_client(gateway)
    seen = [await last_active(gateway, id)]

    gateway.advance(10)
    await client.send_json({"action": "note"})
    await backend.wait_for("/note")
    seen.append(await last_active(gateway, id))

    gateway.advance(10)
    assert (await manage(gateway, "POST", id, b"hello")).status == 200
    seen.append(await last_active(gateway, id))

    moments = [datetime.fromisoformat(text) for text in seen]
    steps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    assert steps == [pytest.approx(10, abs=0.01)] * 2


STILL = [
    pytest.param("GET", None, 200, id="GET"),
    pytest.param("POST", b"x" * 131_073, 413, id="a-post-that-is-too-large"),
    pytest.param("PUT", b"x", 403, id="another-method"),
]


@pytest.mark.parametrize(("method", "body", "status"), STILL)
async def test_last_active_stays_where_nothing_was_sent(
    gateway: TestGateway, method: str, body: bytes | None, status: int
):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    before = await last_active(gateway, id)
    for _ in range(5):
        gateway.advance(10.0004)
        assert (await manage(gateway, method, id, body)).status == status
        assert await last_active(gateway, id) == before


async def test_a_post_keeps_a_connection_from_idling_and_a_refused_one_does_not(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    gateway.advance(500)
    assert (await manage(gateway, "POST", id, b"hello")).status == 200
    gateway.advance(500)
    assert (await manage(gateway, "POST", id, b"x" * 131_073)).status == 413
    assert (await manage(gateway, "GET", id)).status == 200
    gateway.advance(101)
    assert await client.receive_text() == "hello"
    assert await client.receive_close() == (1001, "Going away")


# ---- clients that do not read


async def test_a_post_to_a_full_outbox_is_429_and_the_connection_stays(make_gateway: MakeGateway):
    gateway = await make_gateway(outbox_bytes=1024)
    gateway.serve(PING)
    _, id = await one_client(gateway, limit=1024)
    await fill(gateway, id)
    assert error_of(await manage(gateway, "POST", id, b"y" * 2000)) == (
        429,
        "LimitExceededException",
        b'{"message":"Limit Exceeded"}',
    )
    assert (await manage(gateway, "GET", id)).status == 200


async def test_a_post_that_waits_for_its_client_is_answered_when_it_is_taken(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway, limit=1024)
    await fill(gateway, id)
    async with await open_socket(gateway.url) as socket:
        target = f"/prod/@connections/{id}"
        await socket.send(call(gateway, "POST", target, b"waits") + call(gateway, "POST", target, b"behind"))
        # Another caller is answered meanwhile, so the gateway has read what waits.
        assert (await manage(gateway, "GET", id)).status == 200
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.reader.readexactly(1), 0.05)
        texts = []
        while not texts or texts[-1] != b"behind":
            texts.append(await client.receive())
        assert [(await socket.receive_response()).status for _ in range(2)] == [200, 200]
        assert texts[-2:] == [b"waits", b"behind"]


async def test_a_post_that_waits_for_a_client_that_leaves_is_gone(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway, limit=1024)
    await fill(gateway, id)
    async with await open_socket(gateway.url) as socket:
        await socket.send(call(gateway, "POST", f"/prod/@connections/{id}", b"never read"))
        assert (await manage(gateway, "GET", id)).status == 200
        client.reset()
        assert error_of(await socket.receive_response()) == (410, "GoneException", b"")


async def test_a_post_that_waits_ends_when_its_client_is_given_up(gateway: TestGateway):
    gateway.serve(PING)
    _, id = await one_client(gateway, limit=1024)
    await fill(gateway, id)
    async with await open_socket(gateway.url) as socket:
        await socket.send(call(gateway, "POST", f"/prod/@connections/{id}", b"never read"))
        assert (await manage(gateway, "GET", id)).status == 200
        gateway.advance(11)
        assert (await manage(gateway, "GET", id)).status == 410
        gateway.advance(6)
        assert error_of(await socket.receive_response()) == (410, "GoneException", b"")


# ---- what the operator sees


async def test_posts_count_as_messages_and_refusals_as_client_errors(gateway: TestGateway):
    gateway.serve(PING)
    client, id = await one_client(gateway)
    for _ in range(3):
        await manage(gateway, "POST", id, b"hello")
        await client.receive()
    await manage(gateway, "POST", unknown_id(), b"hello")
    counted = gateway.app.metrics.route("chat", "prod", "POST /@connections/{connectionId}")
    assert (counted.messages, counted.client_errors) == (3, 1)
