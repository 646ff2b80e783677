"""Pushes of bytes: binary frames where an API passes binary messages, text as on the service where it doesn't."""

from __future__ import annotations

import pytest

from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.management import call, call_once, manage
from tests.harness.raw_websocket import BINARY, TEXT, Frame, RawWebSocket

PING = route("ping", mock('{"pong":true}'), two_way=True)
BYTES = b"\x00\xff\xfe{}\xc3"
AS_TEXT = "\x00\ufffd\ufffd{}\ufffd".encode()


async def client_of(gateway: TestGateway, binary_messages: str) -> tuple[RawWebSocket, str]:
    gateway.deploy(api(PING, binary_messages=binary_messages))
    client = await gateway.connect()
    return client, gateway.connections[0].id


CASES = [
    pytest.param("PASS", "application/octet-stream", BINARY, BYTES, id="pass-octet-stream"),
    pytest.param("PASS", "application/octet-stream; x=y", BINARY, BYTES, id="pass-octet-stream-with-parameter"),
    pytest.param("PASS", "Application/Octet-Stream", BINARY, BYTES, id="pass-octet-stream-in-capitals"),
    pytest.param("PASS", "application/octet-streams", TEXT, AS_TEXT, id="pass-a-longer-type"),
    pytest.param("PASS", "application/json", TEXT, AS_TEXT, id="pass-json"),
    pytest.param("PASS", None, TEXT, AS_TEXT, id="pass-no-type"),
    pytest.param("REJECT", "application/octet-stream", TEXT, AS_TEXT, id="reject-octet-stream"),
    pytest.param("REJECT", None, TEXT, AS_TEXT, id="reject-no-type"),
]


@pytest.mark.parametrize(("binary_messages", "content_type", "opcode", "payload"), CASES)
async def test_the_api_and_the_content_type_decide_on_the_kind_of_frame(
    gateway: TestGateway, binary_messages: str, content_type: str | None, opcode: int, payload: bytes
):
    client, id = await client_of(gateway, binary_messages)
    headers = [] if content_type is None else [("Content-Type", content_type)]
    assert (await manage(gateway, "POST", id, BYTES, headers)).status == 200
    assert await client.receive_frame() == Frame(True, 0, opcode, payload)


async def test_an_empty_push_of_bytes_is_an_empty_binary_frame(gateway: TestGateway):
    client, id = await client_of(gateway, "PASS")
    octets = [("Content-Type", "application/octet-stream")]
    assert (await manage(gateway, "POST", id, b"", octets)).status == 200
    assert await client.receive_frame() == Frame(True, 0, BINARY, b"")


async def test_a_large_push_of_bytes_is_fragmented_and_whole(gateway: TestGateway):
    client, id = await client_of(gateway, "PASS")
    payload = bytes(range(256)) * 512
    octets = [("Content-Type", "application/octet-stream")]
    assert (await manage(gateway, "POST", id, payload, octets)).status == 200
    frames = [await client.receive_frame() for _ in range(4)]
    assert [(frame.fin, frame.opcode) for frame in frames if frame] == [
        (False, BINARY),
        (False, 0),
        (False, 0),
        (True, 0),
    ]
    assert b"".join(frame.payload for frame in frames if frame) == payload


async def test_bytes_in_chunks_stay_bytes(gateway: TestGateway):
    client, id = await client_of(gateway, "PASS")
    headers = [("Transfer-Encoding", "chunked"), ("Content-Type", "application/octet-stream")]
    head = call(gateway, "POST", f"/prod/@connections/{id}", headers=headers).replace(b"Content-Length: 0\r\n", b"")
    assert (await call_once(gateway, head + b"3\r\n\xff\x00\xfe\r\n0\r\n\r\n")).status == 200
    assert await client.receive_frame() == Frame(True, 0, BINARY, b"\xff\x00\xfe")


async def test_a_new_deployment_changes_what_open_connections_get(gateway: TestGateway):
    client, id = await client_of(gateway, "REJECT")
    gateway.deploy(api(PING, binary_messages="PASS"))
    octets = [("Content-Type", "application/octet-stream")]
    assert (await manage(gateway, "POST", id, BYTES, octets)).status == 200
    assert await client.receive_frame() == Frame(True, 0, BINARY, BYTES)
