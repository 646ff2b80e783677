"""A stage of an HTTP API made ready: every route gets the steps that it needs, bound, in API Gateway's order."""

from __future__ import annotations

import re

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import DEFAULT_KEY, Integration, Route
from wsgw.errors import DefinitionError, NotFound
from wsgw.integrations.aws_actions import AwsActions
from wsgw.integrations.backends import Backends
from wsgw.integrations.base import Invoker
from wsgw.integrations.http import HttpIntegration
from wsgw.integrations.http_events import events_of_1_0, events_of_2_0
from wsgw.integrations.http_results import reply_of_1_0, reply_of_2_0
from wsgw.integrations.lambda_ import LambdaIntegration
from wsgw.integrations.local import PythonIntegration
from wsgw.invocation import HttpInvocation
from wsgw.live.guards import guards
from wsgw.live.parts import Parts
from wsgw.live.path_table import PathTable
from wsgw.live.route_steps import describe, live_routes, timeout_of
from wsgw.live.route_table import LiveHttpStage
from wsgw.live.stages import UNNAMED_STAGE
from wsgw.mapping.http_parameters import compile_request_mapping, compile_response_mappings
from wsgw.mapping.parameters import stage_variables_in
from wsgw.pipeline.forward import http_lines
from wsgw.pipeline.http_answer import answer_as_it_came, map_answer
from wsgw.pipeline.http_cors import cors_preflight, cors_settle
from wsgw.pipeline.http_function import map_to_http_event
from wsgw.pipeline.http_proxy import (
    RequestTarget,
    behind,
    filled,
    map_parameters_to_http_backend,
    map_to_http_backend,
    placeholders,
)
from wsgw.pipeline.http_subtypes import ActionIntegration, compile_action, map_to_action
from wsgw.pipeline.integrate import integrate
from wsgw.pipeline.refuse_http import http_reply
from wsgw.pipeline.run import Step

_VARIABLE = re.compile(r"\{([^{}]+?)\+?\}")


def compile_http_stage(api: Api, stage: Stage, parts: Parts) -> LiveHttpStage:
    """`stage` of `api`, ready to serve. Raises DefinitionError naming the route that cannot be."""
    live = LiveHttpStage()
    describe(live, api, stage, parts)
    live.is_rest = False
    live.not_found = _not_found
    live.preflight = live.settle = None
    if api.cors is not None:
        try:
            live.preflight, live.settle = cors_preflight(api.cors), cors_settle(api.cors)
        except ValueError as error:
            raise DefinitionError([f"apis.{api.id}: {error}"]) from error
    live.refuse = http_reply
    live.ids = http_ids
    routes = live_routes(api, stage, parts, steps_for, _streams)
    live.default = routes.pop(DEFAULT_KEY, None)
    live.paths = PathTable(routes.values(), rest=False)
    return live


def _not_found(_invocation: HttpInvocation) -> NotFound:
    return NotFound()


def http_ids(invocation: HttpInvocation) -> str:
    """The header line that every answer of an HTTP API has."""
    return f"apigw-requestid: {invocation.request_id}\r\n"


def steps_for(api: Api, stage: Stage, route: Route, parts: Parts) -> tuple[Step, ...]:
    """The steps that `route` needs, in API Gateway's order. Raises ValueError for what cannot be made ready."""
    steps = guards(api, stage, route, parts)
    integration = route.integration
    if integration is None:
        raise ValueError("the route has no integration; give it one")
    mappings = compile_response_mappings(integration.response_parameters)
    if integration.subtype is not None:
        steps += _action_steps(stage, integration, parts)
    elif integration.type == "HTTP_PROXY":
        streams = not any(mapping.needs_body for mapping in mappings.values())
        steps += _backend_steps(stage, route, integration, parts, streams=streams)
    elif integration.type in ("AWS_PROXY", "PYTHON"):
        steps += _function_steps(stage, integration, parts)
    else:
        raise ValueError(f"HTTP APIs have no {integration.type} integrations; use HTTP_PROXY or AWS_PROXY")
    steps.append(map_answer(mappings) if mappings else answer_as_it_came())
    return tuple(steps)


def _streams(route: Route) -> bool:
    """Whether no step needs the request's body whole."""
    integration = route.integration
    if integration is None or integration.type != "HTTP_PROXY":
        return False
    return not any("request.body" in value for value in integration.request_parameters.values())


def _backend_steps(stage: Stage, route: Route, integration: Integration, parts: Parts, *, streams: bool) -> list[Step]:
    """streams: no response mapping needs the answer's body whole."""
    private = integration.connection_type == "VPC_LINK"
    url = stage_variables_in(integration.uri)(stage.variables)
    target = Backends(parts.http_pool, parts.settings).target(integration, stage, url)
    request_target: RequestTarget | None = None
    if private:
        # The path of a load balancer's requests has the stage, unless that has no name.
        request_target = behind(target.request_target, "" if stage.name == UNNAMED_STAGE else f"/{stage.name}")
    elif route.key == DEFAULT_KEY:
        if names := placeholders(url):
            raise ValueError(f"{{{names[0]}}} in the integration's URL: a $default route has no path variables")
        request_target = behind(target.request_target)
    elif placeholders(url):
        request_target = filled(target.request_target, _VARIABLE.findall(route.key))
    timeout, lines = timeout_of(stage, integration), http_lines()
    mapping = compile_request_mapping(integration.request_parameters)
    if mapping is None:
        step = map_to_http_backend(target, request_target, integration.method, timeout, lines, streams=streams)
    else:
        step = map_parameters_to_http_backend(
            target, request_target, integration.method, timeout, lines, mapping, streams=streams
        )
    return [step, integrate(HttpIntegration(parts.http_pool))]


def _function_steps(stage: Stage, integration: Integration, parts: Parts) -> list[Step]:
    uri = stage_variables_in(integration.uri)(stage.variables)
    of_2_0 = integration.type == "PYTHON" or integration.payload_format_version == "2.0"
    event = (events_of_2_0 if of_2_0 else events_of_1_0)(parts.settings.account_id)
    answer = reply_of_2_0 if of_2_0 else reply_of_1_0
    mapping = compile_request_mapping(integration.request_parameters)
    invoker: Invoker
    if integration.type == "PYTHON":
        invoker = PythonIntegration(parts.handler(uri), parts.connections, answer=answer)
    else:
        invoker = LambdaIntegration(parts.functions(uri), answer)
    return [map_to_http_event(uri, timeout_of(stage, integration), event, mapping), integrate(invoker)]


def _action_steps(stage: Stage, integration: Integration, parts: Parts) -> list[Step]:
    assert integration.subtype is not None
    action = compile_action(integration.subtype, integration.request_parameters, integration.credentials)
    invoker = ActionIntegration(AwsActions(parts.aws))
    return [map_to_action(action, timeout_of(stage, integration)), integrate(invoker)]
