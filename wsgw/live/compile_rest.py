"""A stage of a REST API made ready: every method gets the steps that it needs, bound, in API Gateway's order."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route
from wsgw.errors import MissingAuthenticationToken
from wsgw.ids import api_tag
from wsgw.integrations.http import HttpIntegration
from wsgw.invocation import Headers, HttpInvocation
from wsgw.live.parts import Parts
from wsgw.live.path_table import PathTable
from wsgw.live.route_steps import live_route, throttles, timeout_of
from wsgw.live.route_table import LiveHttpStage
from wsgw.mapping.parameters import stage_variables_in
from wsgw.pipeline.forward import rest_lines
from wsgw.pipeline.integrate import integrate
from wsgw.pipeline.refuse_rest import rest_refuser
from wsgw.pipeline.rest_proxy import map_rest_answer, map_to_rest_proxy
from wsgw.pipeline.run import Step


def compile_rest_stage(api: Api, stage: Stage, parts: Parts) -> LiveHttpStage:
    """`stage` of `api`, ready to serve. Raises DefinitionError naming the route that cannot be."""
    live = LiveHttpStage()
    live.api_id = api.id
    live.api_tag = api_tag(api.id)
    live.stage = stage.name
    live.stage_variables = stage.variables
    live.limits = stage.limits
    live.log_line = None
    live.unmatched = parts.metrics.route(api.id, stage.name, "")
    live.is_rest = True
    live.default = None
    live.not_found = MissingAuthenticationToken
    live.preflight = None
    live.refuse = rest_refuser(api.gateway_responses)
    live.ids = rest_ids
    live.settle = None
    routes = [live_route(api, stage, route, parts, steps_for, streams=_streams(route)) for route in api.routes.values()]
    live.paths = PathTable(routes, rest=True)
    return live


def rest_ids(invocation: HttpInvocation) -> Headers:
    """The headers that every answer of a REST API has."""
    return (("x-amzn-RequestId", invocation.request_id), ("x-amz-apigw-id", invocation.extended_request_id))


def steps_for(api: Api, stage: Stage, route: Route, parts: Parts) -> tuple[Step, ...]:
    """The steps that `route` needs, in API Gateway's order. Raises ValueError for what cannot be made ready."""
    steps = throttles(api, stage, route, parts)
    if route.integration is not None:
        steps += _integration_steps(api, stage, route, route.integration, parts)
    return tuple(steps)


def _streams(route: Route) -> bool:
    """Whether no step needs the request's body whole."""
    integration = route.integration
    return integration is not None and integration.type == "HTTP_PROXY" and route.validator is None


def _integration_steps(api: Api, stage: Stage, route: Route, integration: Integration, parts: Parts) -> list[Step]:
    if integration.type == "HTTP_PROXY":
        url = stage_variables_in(integration.uri)(stage.variables)
        target = parts.http_pool.target(url)
        return [
            map_to_rest_proxy(target, integration.method, timeout_of(stage, integration), rest_lines(api.id)),
            integrate(HttpIntegration(parts.http_pool)),
            map_rest_answer(),
        ]
    raise ValueError(f"{integration.type} integrations of REST APIs are not served by this version")
