"""A stage of an HTTP API made ready: every route gets the steps that it needs, bound, in API Gateway's order."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import DEFAULT_KEY, Integration, Route
from wsgw.errors import NotFound
from wsgw.ids import api_tag
from wsgw.invocation import Headers, HttpInvocation
from wsgw.live.parts import Parts
from wsgw.live.path_table import PathTable
from wsgw.live.route_steps import live_route, throttles
from wsgw.live.route_table import LiveHttpStage
from wsgw.pipeline.refuse_http import http_reply
from wsgw.pipeline.run import Step


def compile_http_stage(api: Api, stage: Stage, parts: Parts) -> LiveHttpStage:
    """`stage` of `api`, ready to serve. Raises DefinitionError naming the route that cannot be."""
    live = LiveHttpStage()
    live.api_id = api.id
    live.api_tag = api_tag(api.id)
    live.stage = stage.name
    live.stage_variables = stage.variables
    live.limits = stage.limits
    live.log_line = None
    live.unmatched = parts.metrics.route(api.id, stage.name, "")
    live.is_rest = False
    live.not_found = NotFound
    live.preflight = None
    live.refuse = http_reply
    live.ids = http_ids
    live.settle = None
    routes = {key: live_route(api, stage, route, parts, steps_for) for key, route in api.routes.items()}
    live.default = routes.pop(DEFAULT_KEY, None)
    live.paths = PathTable(routes.values(), rest=False)
    return live


def http_ids(invocation: HttpInvocation) -> Headers:
    """The header that every answer of an HTTP API has."""
    return (("apigw-requestid", invocation.request_id),)


def steps_for(api: Api, stage: Stage, route: Route, parts: Parts) -> tuple[Step, ...]:
    """The steps that `route` needs, in API Gateway's order. Raises ValueError for what cannot be made ready."""
    steps = throttles(api, stage, route, parts)
    if route.integration is not None:
        steps += _integration_steps(api, stage, route, route.integration, parts)
    return tuple(steps)


def _integration_steps(api: Api, stage: Stage, route: Route, integration: Integration, parts: Parts) -> list[Step]:
    raise ValueError(f"{integration.type} integrations of HTTP APIs are not served by this version")
