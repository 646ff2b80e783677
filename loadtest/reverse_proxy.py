"""The baseline of HTTP proxying: the reverse proxy that everybody would write with aiohttp's server and client.

python loadtest/reverse_proxy.py http://127.0.0.1:9000     prints `ready data=http://127.0.0.1:<port>`
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import ClientSession, TCPConnector, web

BACKEND = web.AppKey("backend", str)
HTTP = web.AppKey("http", ClientSession)
#: What ends at a proxy (RFC 9110 §7.6.1).
HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "TE", "Trailer", "Content-Length", "Host")


async def proxy(request: web.Request) -> web.Response:
    app = request.app
    headers = request.headers.copy()
    for name in HOP_BY_HOP:
        headers.popall(name, None)
    url = app[BACKEND] + request.raw_path
    async with app[HTTP].request(
        request.method, url, headers=headers, data=await request.read(), allow_redirects=False
    ) as answer:
        answered = answer.headers.copy()
        for name in HOP_BY_HOP:
            answered.popall(name, None)
        return web.Response(status=answer.status, body=await answer.read(), headers=answered)


async def main(backend: str) -> None:
    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", proxy)])
    async with ClientSession(connector=TCPConnector(limit=512), auto_decompress=False) as http:
        app[BACKEND], app[HTTP] = backend, http
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"ready data=http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
