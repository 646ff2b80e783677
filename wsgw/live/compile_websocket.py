"""A stage of a WebSocket API made ready: every route gets the steps that it needs, bound, in API Gateway's order.

Whatever can be decided at deployment is decided here; what a route doesn't use costs it nothing.
"""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import DEFAULT_KEY, LIFECYCLE_KEYS, Integration, Route
from wsgw.integrations.base import Invoker
from wsgw.integrations.http import HttpIntegration
from wsgw.integrations.lambda_ import LambdaIntegration
from wsgw.integrations.local import PythonIntegration
from wsgw.live.guard_throttles import early_throttles, throttled
from wsgw.live.guard_tokens import keep_true
from wsgw.live.guards import guards
from wsgw.live.parts import Parts
from wsgw.live.route_steps import describe, live_routes, timeout_of
from wsgw.live.route_table import LiveRoute, LiveSocketStage
from wsgw.mapping.parameters import compile_parameters, required_parameters, stage_variables_in
from wsgw.mapping.selection import response_selector, response_template_selector, route_selector
from wsgw.mapping.template import compile_template
from wsgw.pipeline.backend_headers import Lines, connect_lines, disconnect_lines, message_lines, without
from wsgw.pipeline.integrate import integrate
from wsgw.pipeline.run import Step
from wsgw.pipeline.throttle import limit_of
from wsgw.pipeline.transform import (
    MappedResponse,
    Target,
    Templates,
    map_connect_to_http_proxy,
    map_response,
    map_to_event,
    map_to_http,
    map_to_http_proxy,
    mock,
)
from wsgw.pipeline.validate import required, schema_check, validate
from wsgw.settings import Settings


def compile_websocket_stage(api: Api, stage: Stage, parts: Parts) -> LiveSocketStage:
    """`stage` of `api`, ready to serve. Raises DefinitionError naming the route that cannot be."""
    live = LiveSocketStage()
    describe(live, api, stage, parts)
    limits = stage.limits
    live.text_bytes = min(limit or 65_535 for limit in (limits.frame_bytes, limits.message_bytes, 65_535))
    live.select = route_selector(api.route_selection_expression)
    live.management = parts.metrics.route(api.id, stage.name, "POST /@connections/{connectionId}")
    live.allowed_origins = None if stage.allowed_origins is None else frozenset(stage.allowed_origins)
    live.subprotocols = stage.subprotocols
    live.concurrency = stage.concurrency
    live.binary_pass = api.binary_messages == "PASS"
    settings = parts.settings
    live.heartbeat = settings.heartbeat_seconds if stage.heartbeat_seconds is None else stage.heartbeat_seconds
    live.compression = settings.compression if stage.compression is None else stage.compression
    rate = limits.new_connections_per_second
    live.new_connections = limit_of(rate, limits.new_connections_burst)
    keep_true(live, api, stage, parts)
    routes = live_routes(api, stage, parts, steps_for)
    live.connect, live.disconnect = routes.pop("$connect", None), routes.pop("$disconnect", None)
    live.default = routes.pop(DEFAULT_KEY, None)
    live.routes = routes
    if live.connect is None and (steps := throttled(parts, early_throttles(api, stage))):
        # A handshake counts for its source, whether or not a backend is asked about it.
        live.connect = LiveRoute("$connect", steps, parts.metrics.route(api.id, stage.name, "$connect"))
    return live


def steps_for(api: Api, stage: Stage, route: Route, parts: Parts) -> tuple[Step, ...]:
    """The steps that `route` needs, in API Gateway's order. Raises ValueError for what cannot be made ready."""
    steps = guards(api, stage, route, parts)
    if any(route.request_parameters.values()):
        steps.append(required(required_parameters(route.request_parameters)))
    if route.model_selection_expression and route.key not in LIFECYCLE_KEYS:
        checks = {key: schema_check(api.models[name]) for key, name in route.request_models.items()}
        steps.append(validate(route_selector(route.model_selection_expression), checks))
    if route.integration is not None:
        steps += _integration_steps(api, stage, route, route.integration, parts)
    return tuple(steps)


def _integration_steps(api: Api, stage: Stage, route: Route, integration: Integration, parts: Parts) -> list[Step]:
    if integration.type == "MOCK":
        return [mock(_request_templates(integration)), *_response_steps(route, integration)]
    if integration.type in ("AWS_PROXY", "PYTHON"):
        uri = stage_variables_in(integration.uri)(stage.variables)
        invoker: Invoker
        if integration.type == "AWS_PROXY":
            invoker = LambdaIntegration(parts.functions(uri))
        else:
            invoker = PythonIntegration(parts.handler(uri), parts.connections)
        return [map_to_event(uri, timeout_of(stage, integration)), integrate(invoker)]
    if integration.type == "AWS":
        raise ValueError("AWS integrations are not served by this version; use HTTP, AWS_PROXY or MOCK")
    mapping = _http_mapping(api, stage, route, integration, parts)
    steps = [mapping, integrate(HttpIntegration(parts.http_pool))]
    return steps if integration.type == "HTTP_PROXY" else [*steps, *_response_steps(route, integration)]


def _http_mapping(api: Api, stage: Stage, route: Route, integration: Integration, parts: Parts) -> Step:
    """The map_request step of an HTTP or HTTP_PROXY integration."""
    url = stage_variables_in(integration.uri)(stage.variables)
    if "{" not in url:
        parts.http_pool.target(url)  # a URL that cannot be called is found out now, not with the first message
    target = Target(integration.method, url, timeout_of(stage, integration))
    parameters = None
    if integration.request_parameters:
        parameters = compile_parameters(integration.request_parameters, route.key in LIFECYCLE_KEYS)
    lines = _lines(api, stage, route, integration, parts.settings)
    if integration.type == "HTTP":
        return map_to_http(target, lines, _request_templates(integration), parameters, integration.content_handling)
    if route.key == "$connect":
        return map_connect_to_http_proxy(target, lines, parameters)
    return map_to_http_proxy(target, lines, parameters, integration.content_handling)


def _lines(api: Api, stage: Stage, route: Route, integration: Integration, settings: Settings) -> Lines:
    # Of the lifecycle, only what a template makes has a body: an HTTP_PROXY's is empty.
    content_type = "application/json" if integration.type == "HTTP" else None
    strict = settings.strict
    if route.key == "$connect":
        lines = connect_lines(api.id, stage.name, content_type=content_type, strict=strict)
    elif route.key == "$disconnect":
        lines = disconnect_lines(api.id, stage.name, content_type=content_type, strict=strict)
    else:
        lines = message_lines(api.id, stage.name, route.key, strict=strict)
    header = "integration.request.header."
    mapped = frozenset(key.removeprefix(header).lower() for key in integration.request_parameters if header in key)
    return without(lines, mapped)


def _request_templates(integration: Integration) -> Templates:
    expression = integration.template_selection_expression
    return Templates(
        {key: compile_template(text) for key, text in integration.request_templates.items()},
        route_selector(expression) if expression else None,
        integration.passthrough_behavior,
    )


def _response_steps(route: Route, integration: Integration) -> list[Step]:
    """Nothing where nobody will see the result: a one-way message, `$disconnect`, a `$connect` that maps nothing."""
    if route.key == "$disconnect" or (route.key != "$connect" and not route.two_way):
        return []
    if route.key == "$connect" and not integration.responses:
        return []
    responses = []
    for response in integration.responses:
        expression = response.template_selection_expression
        templates = Templates(
            {key: compile_template(text) for key, text in response.response_templates.items()},
            response_template_selector(expression) if expression else None,
            "WHEN_NO_MATCH",
        )
        responses.append(MappedResponse(templates, response.content_handling))
    return [map_response(response_selector([response.key for response in integration.responses]), responses)]
