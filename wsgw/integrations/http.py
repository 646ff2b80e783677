"""HTTP integrations: the backend's answer as it came, over the shared pool."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from wsgw.errors import ApiConfigurationError, IntegrationFailure
from wsgw.integrations.http_pool import HttpPool, header_block
from wsgw.invocation import IntegrationRequest, Reply


class HttpIntegration:
    """Calls an HTTP backend. `pool` is shared by all routes; whoever opened it closes it."""

    __slots__ = ("_pool",)

    def __init__(self, pool: HttpPool) -> None:
        self._pool = pool

    def invoke(self, request: IntegrationRequest) -> Coroutine[Any, Any, Reply]:
        """Raises what HttpPool.send raises: all of it is GatewayErrors already."""
        pool = self._pool
        lines = request.lines + header_block(request.headers) if request.headers else request.lines
        target = request.target or pool.target(request.url)
        return pool.send_to(
            target, request.method, lines, request.body, request.timeout, request.stream, request.streams
        )


class WholeHttpIntegration:
    """As HttpIntegration, for REST APIs' mapped answers: one that is too large is no failure of the network."""

    __slots__ = ("_http",)

    def __init__(self, pool: HttpPool) -> None:
        self._http = HttpIntegration(pool)

    async def invoke(self, request: IntegrationRequest) -> Reply:
        """Raises what HttpIntegration.invoke raises; ApiConfigurationError, which is a 500, for such an answer."""
        try:
            return await self._http.invoke(request)
        except IntegrationFailure as error:
            if error.detail != "response_too_large":
                raise
            raise ApiConfigurationError(detail=error.detail) from error
