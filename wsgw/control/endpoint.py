"""The control port's HTTP endpoint: /healthz, /readyz, /metrics and /connections.

It listens on loopback unless told otherwise, and has no authentication of its own: whoever reaches it from another
machine gets health and metrics, but no connections. So that no web page can use it through a browser on this machine, a
request that names a foreign Host or carries an Origin is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import orjson
from aiohttp import web

from wsgw.authorizers.management import is_loopback
from wsgw.edge.connection import Connection
from wsgw.edge.node import Node
from wsgw.edge.push import Push
from wsgw.errors import GatewayError
from wsgw.observe.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PAGE = 1_000


class ControlEndpoint:
    """Answers the control port. `ready` says why the node is not ready, or ""."""

    def __init__(self, node: Node, push: Push, metrics: Metrics, ready: Callable[[], str], host: str) -> None:
        self._node = node
        self._push = push
        self._metrics = metrics
        self._ready = ready
        self._hosts = {host, f"[{host}]", "127.0.0.1", "localhost", "[::1]"}
        self._on_all_addresses = host in ("0.0.0.0", "::")

    def application(self) -> web.Application:
        """The aiohttp application with all its routes."""
        app = web.Application(middlewares=[self._guard], client_max_size=1 << 20)
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/readyz", self.readiness)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_get("/connections", self.list)
        app.router.add_get("/connections/{id}", self.get)
        app.router.add_post("/connections/{id}", self.post)
        app.router.add_delete("/connections/{id}", self.delete)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._is_own(request.host) or "Origin" in request.headers:
            return _json(403, {"message": "The control port answers no web page: wrong Host, or an Origin"})
        if request.path.startswith("/connections") and not is_loopback(request.remote or ""):
            return _json(403, {"message": "Connections are for callers on the gateway's own machine"})
        try:
            return await handler(request)
        except GatewayError as error:
            return _json(error.status, {"message": error.message or error.error_type})

    def _is_own(self, host: str) -> bool:
        """Whether a Host header names this machine. Only names can be made to lead here: an address is what it is."""
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return name in self._hosts or (self._on_all_addresses and _is_address(name))

    async def health(self, request: web.Request) -> web.StreamResponse:
        """200 as long as the event loop turns."""
        return web.Response(text="ok\n")

    async def readiness(self, request: web.Request) -> web.StreamResponse:
        """200 when new connections are welcome, else 503 with the reason."""
        reason = self._ready()
        return web.Response(status=503 if reason else 200, text=(reason or "ready") + "\n")

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Prometheus's text format."""
        return web.Response(
            body=self._metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def list(self, request: web.Request) -> web.StreamResponse:
        """A page of the live connections, ordered by id. Query: after, limit (≤ 1000), api, stage."""
        after = request.query.get("after", "")
        try:
            limit = min(int(request.query.get("limit", _PAGE)), _PAGE)
        except ValueError:
            return _json(400, {"message": "limit: expected a whole number"})
        api, stage = request.query.get("api"), request.query.get("stage")
        found = sorted(
            (
                connection
                for connection in self._node
                if connection.id > after
                and connection.slot.live is not None
                and api in (None, connection.slot.live.api_id)
                and stage in (None, connection.slot.live.stage)
            ),
            key=lambda connection: connection.id,
        )
        page = [self._row(connection) for connection in found[: max(limit, 0)]]
        more = page[-1]["connectionId"] if len(found) > len(page) and page else None
        return _json(200, {"connections": page, "next": more})

    def _row(self, connection: Connection) -> dict[str, Any]:
        live = connection.slot.live
        return {
            "connectionId": connection.id,
            "apiId": live.api_id if live else None,
            "stage": live.stage if live else None,
            **self._push.describe(connection),
        }

    async def get(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        return _json(200, self._row(self._push.find(request.match_info["id"])))

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Send the body to the client; 200 when it is on its socket."""
        await self._push.post(request.match_info["id"], await request.read())
        return _json(200, {})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Close the connection with 1000."""
        await self._push.delete(request.match_info["id"])
        return web.Response(status=204)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _json(status: int, document: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")
