"""A gateway in a few lines, with faults to order: what the load generator must find out."""

from __future__ import annotations

import itertools
import json

from aiohttp import WSMsgType, web


class Gateway:
    """`fault` names what goes wrong, "" for nothing; `each` is how often, every so many messages or pushes."""

    def __init__(self) -> None:
        self.fault = ""
        self.each = 5
        self.url = self.base = ""
        self.handshakes: list[dict[str, str]] = []
        self.peers: set[str] = set()
        self.posts: list[dict[str, str]] = []
        self._count = itertools.count(1)
        self._sockets: dict[str, web.WebSocketResponse] = {}

    def _now(self, fault: str) -> bool:
        return self.fault == fault and next(self._count) % self.each == 0

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        self.handshakes.append(dict(request.headers))
        if request.remote:
            self.peers.add(request.remote)
        if self._now("refuse"):
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(protocols=["chat"])
        await socket.prepare(request)
        id = f"id{len(self.handshakes)}="
        self._sockets[id] = socket
        if self.fault == "ping":
            await socket.ping(b"are you there")
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._message(socket, id, message.data)
        del self._sockets[id]
        return socket

    async def _message(self, socket: web.WebSocketResponse, id: str, text: str) -> None:
        if json.loads(text)["action"] == "whoami":
            await socket.send_json({"connectionId": id})
        elif self._now("drop"):
            await socket.close(code=1001, message=b"Going away")
        elif self._now("error"):
            await socket.send_json({"message": "Internal server error", "connectionId": id, "requestId": "r"})
        elif not self._now("lose"):
            await socket.send_str(f'{{"pong":{text}}}')
            if self._now("duplicate"):
                await socket.send_str(f'{{"pong":{text}}}')
            if self._now("fragment"):
                await socket.send_str(text)

    async def push(self, request: web.Request) -> web.Response:
        self.posts.append(dict(request.headers))
        id = request.match_info["id"]
        if self._now("gone"):
            raise web.HTTPGone
        if self._now("misroute"):
            id = next(other for other in self._sockets if other != id)
        text = (await request.read()).decode()
        if not self._now("lose push"):
            await self._sockets[id].send_str(text)
        if self._now("push twice"):
            await self._sockets[id].send_str(text)
        response = web.Response()
        if self.fault == "close":
            response.force_close()
        return response

    async def echo(self, request: web.Request) -> web.Response:
        if self._now("error"):
            raise web.HTTPInternalServerError
        return web.Response(text="{}" if self._now("forget") else await request.text())
