"""The two services behind the shop: `python services.py`, then `wsgw serve wsgw.yaml` beside it."""

from __future__ import annotations

import asyncio

from aiohttp import web

CATALOGUE_PORT, ORDERS_PORT = 8092, 8093
ITEMS = {"tea": 4, "cup": 9}


async def items(request: web.Request) -> web.Response:
    most = int(request.query.get("most", "1000"))
    return web.json_response([name for name, price in ITEMS.items() if price <= most])


async def item(request: web.Request) -> web.Response:
    name = request.match_info["item"]
    return web.json_response({"name": name, "price": ITEMS[name]}) if name in ITEMS else web.Response(status=404)


async def order(request: web.Request) -> web.Response:
    if request.match_info["rest"] != "new":
        return web.Response(status=404)
    return web.json_response({"ordered": await request.text(), "requestId": request.headers["x-request-id"]})


def catalogue() -> web.Application:
    app = web.Application()
    app.router.add_get("/items", items)
    app.router.add_get("/items/{item}", item)
    return app


def orders() -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", order)
    return app


async def main() -> None:
    for application, port in ((catalogue(), CATALOGUE_PORT), (orders(), ORDERS_PORT)):
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
