"""The control port's way to flush what authorizers have answered, at the addresses that the service has for it.

DELETE /restapis/{api}/stages/{stage}/cache/authorizers   FlushStageAuthorizersCache
DELETE /v2/apis/{api}/stages/{stage}/cache/authorizers    ResetAuthorizersCache
Source: API references of both versions.
"""

from __future__ import annotations

from aiohttp import web

from wsgw.authorizers.results_cache import Results
from wsgw.control.guard import json_response
from wsgw.errors import StoreUnavailable


class AuthorizerResultsEndpoint:
    """Answers them for the whole cluster, on whichever node is asked."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_delete("/restapis/{api}/stages/{stage}/cache/authorizers", self.flush)
        router.add_delete("/v2/apis/{api}/stages/{stage}/cache/authorizers", self.flush)

    async def flush(self, request: web.Request) -> web.StreamResponse:
        """Whoever calls from now on is asked about anew."""
        api, stage = request.match_info["api"], request.match_info["stage"]
        try:
            found = await self._results.flush(api, stage)
        except StoreUnavailable as error:
            return json_response(503, {"message": f"What nodes share does not answer: {error}"})
        if not found:
            return json_response(404, {"message": f"No authorizer keeps results for the stage {stage} of {api}"})
        return web.Response(status=204 if request.path.startswith("/v2/") else 202)
