"""The raw client shows what is on the wire; checked against the codec's echo server."""

from __future__ import annotations

import pytest

from tests.autobahn.echo_server import codec_echo
from tests.autobahn.targets import aiohttp_echo
from tests.harness.raw_websocket import (
    PING,
    PONG,
    TEXT,
    Frame,
    HandshakeRefused,
    RawWebSocket,
    client_frame,
    exchange,
    handshake,
)


async def test_messages_frames_and_closes_are_shown_as_they_are():
    async with codec_echo() as url, await RawWebSocket.connect(url) as client:
        assert client.response.header("Upgrade") == "websocket"
        await client.send_json({"text": "Grüße"})
        assert await client.receive_json() == {"text": "Grüße"}
        await client.send_frame(PING, b"?")
        assert await client.receive_frame() == Frame(True, 0, PONG, b"?")
        await client.send(client_frame(TEXT, b"one ", fin=False) + client_frame(0, b"message" * 9000))
        assert await client.receive() == b"one " + b"message" * 9000
        assert not client.closed
        assert await client.close(4000, "enough") == (4000, "enough")
        assert client.closed


async def test_a_failed_connection_shows_its_code_and_its_end():
    async with codec_echo() as url, await RawWebSocket.connect(url) as client:
        await client.send_frame(TEXT, b"hi", mask=None)
        assert await client.receive_close() == (1002, "Frame without mask")
        assert await client.receive_eof() == b""
        assert await client.receive_frame() is None


async def test_a_close_without_a_code_is_1005():
    async with codec_echo() as url, await RawWebSocket.connect(url) as client:
        assert await client.close(None) == (1005, "")


async def test_a_refused_handshake_shows_the_answer():
    async with aiohttp_echo() as url:
        with pytest.raises(HandshakeRefused) as refused:
            await RawWebSocket.connect(url + "nowhere")
        assert refused.value.response.status == 404
        assert refused.value.response.body == b"404: Not Found"
        response = await exchange(url, handshake("/", "example.com", without=["Sec-WebSocket-Key"]))
        assert response.status == 400
