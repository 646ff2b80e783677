"""`GET /webacls/{api}/{stage}/samples?rule&limit`: requests that the rules of a stage's web ACL have matched."""

from __future__ import annotations

from aiohttp import web

from wsgw.control.guard import json_response
from wsgw.control.paging import limit_in
from wsgw.live.stages import Stages

#: Samples of one answer.
MOST_AT_ONCE = 500


class WebAclEndpoint:
    """Answers for the stages that are served now."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/webacls/{api}/{stage}/samples", self.samples)

    async def samples(self, request: web.Request) -> web.StreamResponse:
        """The latest first, of this process. Query: rule (all of them), limit (≤ 500)."""
        limit = limit_in(request, MOST_AT_ONCE)
        key = (request.match_info["api"], request.match_info["stage"])
        live = next((slot.live for name, slot in self._stages.slots() if name == key), None)
        firewall = None if live is None else live.firewall
        if firewall is None:
            return json_response(404, {"message": "No such stage, or it has no web ACL"})
        samples = firewall.samples(request.query.get("rule", ""))[:limit]
        return json_response(200, {"webAcl": firewall.name, "arn": firewall.arn, "samples": samples})
