"""The service behind the pets API: `python backend.py`, then `wsgw serve wsgw.yaml` beside it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

PORT = 8091
ANIMALS = web.AppKey("animals", dict[int, dict[str, Any]])


async def animal(request: web.Request) -> web.Response:
    found = request.app[ANIMALS].get(int(request.match_info["id"]))
    return web.json_response(found) if found else web.Response(status=404)


async def add(request: web.Request) -> web.Response:
    animals = request.app[ANIMALS]
    number = max(animals, default=0) + 1
    animals[number] = {"id": number, **await request.json()}
    return web.json_response({"id": number}, status=201, headers={"Location": f"/pets/{number}"})


async def photo(request: web.Request) -> web.Response:
    return web.Response(text=f"a photo of {request.match_info['name']}, {request.query.get('width', 'any')} wide")


def application() -> web.Application:
    app = web.Application()
    app[ANIMALS] = {1: {"id": 1, "name": "Rex", "species": "dog", "cents": 24_999}}
    app.router.add_get(r"/animals/{id:\d+}", animal)
    app.router.add_post("/animals", add)
    app.router.add_get("/photos/{name}", photo)
    return app


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=PORT)
