"""The baseline: the gateway that everybody would write with aiohttp; wsgw's figures are given as multiples of its.

python loadtest/baseline.py http://127.0.0.1:9000/     prints `ready data=http://127.0.0.1:<port>`
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid

import uvloop
from aiohttp import ClientSession, TCPConnector, WSMsgType, web

BACKEND = web.AppKey("backend", str)
HTTP = web.AppKey("http", ClientSession)
SOCKETS = web.AppKey("sockets", dict[str, web.WebSocketResponse])


async def websocket(request: web.Request) -> web.WebSocketResponse:
    app = request.app
    id = uuid.uuid4().hex
    if "connect" in request.query:
        async with app[HTTP].post(app[BACKEND] + "connect") as answer:
            if answer.status != 200:
                raise web.HTTPForbidden
    heartbeat = request.query.get("heartbeat")
    socket = web.WebSocketResponse(heartbeat=float(heartbeat) if heartbeat else None)
    await socket.prepare(request)
    app[SOCKETS][id] = socket
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            if json.loads(message.data).get("action") == "whoami":
                await socket.send_str(json.dumps({"connectionId": id}))
                continue
            async with app[HTTP].post(app[BACKEND], data=message.data) as answer:
                await socket.send_str(await answer.text())
    finally:
        del app[SOCKETS][id]
    return socket


async def push(request: web.Request) -> web.Response:
    socket = request.app[SOCKETS].get(request.match_info["id"])
    if socket is None:
        raise web.HTTPGone
    await socket.send_str((await request.read()).decode())
    return web.Response()


async def main(backend: str) -> None:
    app = web.Application()
    app.add_routes([web.get("/prod", websocket), web.post("/prod/@connections/{id}", push)])
    async with ClientSession(connector=TCPConnector(limit=512)) as http:
        app[BACKEND], app[HTTP], app[SOCKETS] = backend, http, {}
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
        await site.start()
        print(f"ready data=http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
