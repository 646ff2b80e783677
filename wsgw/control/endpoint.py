"""The control port's HTTP endpoint: /healthz, /readyz, /metrics, /connections, and what the files beside it add.

It listens on loopback unless told otherwise, and has no authentication of its own: see guard.py for who may use it. A
worker has its own on a Unix socket that only its user reaches, and the supervisor answers the port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from wsgw.authorizers.access import Access
from wsgw.authorizers.results_cache import results_of
from wsgw.control.authorizer_results import AuthorizerResultsEndpoint
from wsgw.control.guard import guard, json_response
from wsgw.control.paging import limit_in
from wsgw.control.revocations import RevocationRoutes
from wsgw.control.usage import UsageEndpoint
from wsgw.control.web_acls import WebAclEndpoint
from wsgw.edge.authority import Authority
from wsgw.edge.push import Push
from wsgw.errors import GatewayError, ServiceUnavailable, StoreUnavailable
from wsgw.live.stages import Stages
from wsgw.mapping.times import iso_ms
from wsgw.observe.metrics import Metrics
from wsgw.stores.base import Connections
from wsgw.stores.records import ConnectionRecord

_PAGE = 1_000


class ControlEndpoint:
    """Answers the control port. `ready` says why the node is not ready, or ""; `host` is "" for a Unix socket."""

    def __init__(
        self,
        registry: Connections,
        push: Push,
        metrics: Metrics,
        ready: Callable[[], str],
        host: str,
        authority: Authority,
        access: Access,
        stages: Stages,
    ) -> None:
        self._registry = registry
        self._push = push
        self._metrics = metrics
        self._ready = ready
        self._host = host
        self._revocations = RevocationRoutes(authority, access.now)
        self._usage = UsageEndpoint(access)
        self._web_acls = WebAclEndpoint(stages)
        self._results = AuthorizerResultsEndpoint(results_of(access))

    def application(self) -> web.Application:
        """The aiohttp application with all its routes."""
        guards = [guard(self._host)] if self._host else []
        app = web.Application(middlewares=[*guards, _refusals], client_max_size=1 << 20)
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/readyz", self.readiness)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_get("/connections", self.list)
        app.router.add_get("/connections/{id}", self.get)
        app.router.add_post("/connections/{id}", self.post)
        app.router.add_delete("/connections/{id}", self.delete)
        self._revocations.add_to(app)
        self._usage.add_to(app.router)
        self._web_acls.add_to(app.router)
        self._results.add_to(app.router)
        return app

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
        """A page of the cluster's live connections. Query: after (what `next` said), limit (≤ 1000), api, stage.

        `lastActiveAt` is null where the connection's node did not say it in time.
        """
        limit = limit_in(request, _PAGE)
        api, stage = request.query.get("api"), request.query.get("stage")
        try:
            page = await self._registry.page(request.query.get("after", ""), limit, api, stage)
        except StoreUnavailable as error:
            return json_response(503, {"message": f"The registry does not answer: {error}"})
        except ValueError:
            return json_response(400, {"message": "after: expected what `next` of another page said"})
        rows = await asyncio.gather(*map(self._row, page.records))
        return json_response(200, {"connections": [row for row in rows if row is not None], "next": page.next or None})

    async def _row(self, record: ConnectionRecord) -> dict[str, Any] | None:
        """What is known of a connection; None if its node says that it is gone."""
        try:
            row = await self._push.row(record.id)
        except ServiceUnavailable:
            row = {
                "apiId": record.api_id,
                "stage": record.stage,
                "identity": {"sourceIp": record.source_ip, "userAgent": record.user_agent},
                "connectedAt": iso_ms(record.connected_at),
                "lastActiveAt": None,
            }
        except GatewayError:
            return None
        return {"connectionId": record.id, **row}

    async def get(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        connection_id = request.match_info["id"]
        return json_response(200, {"connectionId": connection_id, **await self._push.row(connection_id)})

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Send the body to the client; 200 when it is on its socket."""
        await self._push.post(request.match_info["id"], await request.read())
        return json_response(200, {})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Close the connection with 1000."""
        await self._push.delete(request.match_info["id"])
        return web.Response(status=204)


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatewayError as error:
        return json_response(error.status, {"message": error.message or error.error_type})
