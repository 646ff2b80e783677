"""The baseline of a cluster: the naive gateway, whose pushes reach clients of other nodes by one PUBLISH each.

python loadtest/cluster_baseline.py redis://127.0.0.1:6379     prints `ready data=http://127.0.0.1:<port>`

An id names its node, as wsgw's do. The answer is 200 once Redis says that somebody listens: whether the client got the
message it cannot know, and that is what makes it simple.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid

import redis.asyncio
import uvloop
from aiohttp import WSMsgType, web

NODE = uuid.uuid4().hex[:4]
REDIS = web.AppKey("redis", redis.asyncio.Redis)
SOCKETS = web.AppKey("sockets", dict[str, web.WebSocketResponse])


async def websocket(request: web.Request) -> web.WebSocketResponse:
    sockets = request.app[SOCKETS]
    id = NODE + uuid.uuid4().hex
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    sockets[id] = socket
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(json.dumps({"connectionId": id}))
    finally:
        del sockets[id]
    return socket


async def push(request: web.Request) -> web.Response:
    id = request.match_info["id"]
    text = (await request.read()).decode()
    if id[:4] != NODE:
        if not await request.app[REDIS].publish(f"node:{id[:4]}", json.dumps({"id": id, "text": text})):
            raise web.HTTPGone
        return web.Response()
    socket = request.app[SOCKETS].get(id)
    if socket is None:
        raise web.HTTPGone
    await socket.send_str(text)
    return web.Response()


async def listen(app: web.Application, ready: asyncio.Event) -> None:
    async with app[REDIS].pubsub() as channel:
        await channel.subscribe(f"node:{NODE}")
        async for message in channel.listen():
            ready.set()
            if message["type"] == "message":
                told = json.loads(message["data"])
                socket = app[SOCKETS].get(told["id"])
                if socket is not None:
                    await socket.send_str(told["text"])


async def main(url: str) -> None:
    app = web.Application()
    app.add_routes([web.get("/prod", websocket), web.post("/prod/@connections/{id}", push)])
    # The default pool raises for the 101st command at once.
    pool = redis.asyncio.BlockingConnectionPool.from_url(url, max_connections=64, timeout=None)
    app[REDIS], app[SOCKETS] = redis.asyncio.Redis(connection_pool=pool), {}
    ready = asyncio.Event()
    listening = asyncio.create_task(listen(app, ready))
    await ready.wait()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(f"ready data=http://127.0.0.1:{runner.addresses[0][1]} node={NODE} pid={os.getpid()}", flush=True)
    await listening


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
