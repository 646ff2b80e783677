"""The same conversation held by WebSocket clients of several makers: each function is one of them.

A conversation sends its messages, each when the one before it was answered, and then closes with a code and a reason.
Or the last message is what makes the server close.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp
import picows
from websockets.asyncio.client import connect

from tests.sdk.conftest import program, run

Payload = str | bytes


class Talk(NamedTuple):
    """What to say to `url`. `close` None: the server answers the last message by closing."""

    url: str
    messages: Sequence[Payload]
    close: tuple[int, str] | None
    deflate: bool
    tls: ssl.SSLContext | None
    ca_file: str

    @property
    def answered(self) -> Sequence[Payload]:
        return self.messages if self.close else self.messages[:-1]


class Heard(NamedTuple):
    """What came back. `deflate`: whether compression was agreed on; `code` and `reason` are the server's close."""

    received: list[Payload]
    deflate: bool
    code: int
    reason: str


async def by_websockets(talk: Talk) -> Heard:
    compression = "deflate" if talk.deflate else None
    received: list[Payload] = []
    async with connect(talk.url, ssl=talk.tls, compression=compression, proxy=None) as socket:
        extensions = socket.protocol.extensions
        for message in talk.answered:
            await socket.send(message)
            received.append(await socket.recv())
        if talk.close:
            await socket.close(*talk.close)
        else:
            await socket.send(talk.messages[-1])
            await socket.wait_closed()
    return Heard(received, bool(extensions), socket.close_code or 0, socket.close_reason or "")


async def by_aiohttp(talk: Talk) -> Heard:
    received: list[Payload] = []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(talk.url, ssl=talk.tls or True, compress=15 if talk.deflate else 0) as socket,
    ):
        for message in talk.answered:
            await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
            received.append((await socket.receive()).data)
        if talk.close:
            await socket.close(code=talk.close[0], message=talk.close[1].encode())
            # aiohttp keeps to itself what reason the server gave.
            return Heard(received, bool(socket.compress), socket.close_code or 0, talk.close[1])
        await socket.send_str(str(talk.messages[-1]))
        last = await socket.receive()
        assert last.type is aiohttp.WSMsgType.CLOSE
        return Heard(received, bool(socket.compress), last.data, last.extra or "")


class _PicowsListener(picows.WSListener):  # type: ignore[misc]  # compiled, without types
    def __init__(self) -> None:
        self.came: asyncio.Queue[Any] = asyncio.Queue()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.TEXT:
            self.came.put_nowait(frame.get_payload_as_utf8_text())
        elif frame.msg_type is picows.WSMsgType.BINARY:
            self.came.put_nowait(frame.get_payload_as_bytes())
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            self.came.put_nowait((int(frame.get_close_code()), frame.get_close_message() or ""))


async def by_picows(talk: Talk) -> Heard:
    transport, listener = await picows.ws_connect(_PicowsListener, talk.url, ssl_context=talk.tls)
    received: list[Payload] = []
    for message in talk.answered:
        kind = picows.WSMsgType.TEXT if isinstance(message, str) else picows.WSMsgType.BINARY
        transport.send(kind, message.encode() if isinstance(message, str) else message)
        received.append(await listener.came.get())
    if talk.close:
        transport.send_close(talk.close[0], talk.close[1].encode())
    else:
        transport.send(picows.WSMsgType.TEXT, str(talk.messages[-1]).encode())
    code, reason = await listener.came.get()
    transport.disconnect()
    await transport.wait_disconnected()
    return Heard(received, False, code, reason if isinstance(reason, str) else reason.decode())


async def by_ws(talk: Talk) -> Heard:
    """npm's ws, in a process of its own."""
    node = program("node")
    assert node is not None
    said = {
        "url": talk.url,
        "deflate": talk.deflate,
        "messages": [{"text": one} if isinstance(one, str) else {"hex": one.hex()} for one in talk.messages],
        "close": talk.close,
    }
    code, out, err = await run(node, "ws_client.mjs", json.dumps(said), NODE_EXTRA_CA_CERTS=talk.ca_file)
    assert code == 0, err
    heard = json.loads(out)
    received = [one["text"] if "text" in one else bytes.fromhex(one["hex"]) for one in heard["received"]]
    return Heard(received, "permessage-deflate" in heard["extensions"], heard["code"], heard["reason"])
