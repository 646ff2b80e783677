"""A stage of a REST API made ready: every method gets the steps that it needs, bound, in API Gateway's order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from wsgw.authorizers.claims import ALGORITHM, unreadable
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.errors import DefinitionError, GatewayError, MissingAuthenticationToken
from wsgw.invocation import HttpInvocation, Reply
from wsgw.live.guards import guards
from wsgw.live.parts import Parts
from wsgw.live.path_table import PathTable
from wsgw.live.rest_integrations import integration_steps, streams
from wsgw.live.route_steps import deployment_id, describe, live_routes
from wsgw.live.route_table import LiveHttpStage
from wsgw.mapping.rest_parameters import required_request_parameters
from wsgw.pipeline.compression import compressor, decode_body
from wsgw.pipeline.refuse_rest import rest_refuser
from wsgw.pipeline.run import Step
from wsgw.pipeline.validate import required, validate_body

#: What a decoded body may have where the stage sets no limit.
_LARGEST_BODY = 10_485_760


def compile_rest_stage(api: Api, stage: Stage, parts: Parts) -> LiveHttpStage:
    """`stage` of `api`, ready to serve. Raises DefinitionError naming the route that cannot be."""
    live = LiveHttpStage()
    describe(live, api, stage, parts)
    live.deployment_id = deployment_id(api)
    live.is_rest = True
    live.default = None
    live.not_found = _unmatched
    live.preflight = None
    live.refuse = _refuser(api)
    live.ids = rest_ids
    minimum = api.minimum_compression_size
    live.settle = None if minimum is None else compressor(minimum)
    routes = live_routes(api, stage, parts, steps_for, partial(streams, api))
    live.paths = PathTable(routes.values(), rest=True)
    return live


def _unmatched(invocation: HttpInvocation) -> GatewayError:
    """What is not there is treated as if it were for signed requests only: a token of another kind is no signature."""
    authorization = invocation.fields.first("authorization")
    if authorization is None or authorization.partition(" ")[0] == ALGORITHM:
        return MissingAuthenticationToken()
    return unreadable(authorization)


def _refuser(api: Api) -> Callable[[GatewayError, HttpInvocation], Reply]:
    try:
        return rest_refuser(api.gateway_responses)
    except ValueError as error:
        raise DefinitionError([f"apis.{api.id}.gatewayResponses: {error}"]) from error


def rest_ids(invocation: HttpInvocation) -> str:
    """The header lines that every answer of a REST API has."""
    return f"x-amzn-RequestId: {invocation.request_id}\r\nx-amz-apigw-id: {invocation.extended_request_id}\r\n"


def steps_for(api: Api, stage: Stage, route: Route, parts: Parts) -> tuple[Step, ...]:
    """The steps that `route` needs, in API Gateway's order. Raises ValueError for what cannot be made ready."""
    if route.integration is None:
        raise ValueError("the method has no integration")
    steps = guards(api, stage, route, parts)
    if api.minimum_compression_size is not None:
        steps.append(decode_body(stage.limits.payload_bytes or _LARGEST_BODY))
    steps += _validation(api, route)
    steps += integration_steps(api, stage, route, route.integration, parts)
    return tuple(steps)


def _validation(api: Api, route: Route) -> list[Step]:
    """Parameters first, then the body, as far as the method's validator asks for it."""
    steps: list[Step] = []
    validator = route.validator
    if validator is None:
        return steps
    if validator.validate_request_parameters and any(route.request_parameters.values()):
        steps.append(required(required_request_parameters(route.request_parameters)))
    if validator.validate_request_body and route.request_models:
        missing = sorted(set(route.request_models.values()) - api.models.keys())
        if missing:
            raise ValueError(f"request model {missing[0]!r} is not part of the API")
        steps.append(validate_body({kind: api.models[name] for kind, name in route.request_models.items()}))
    return steps
