"""The steps of a REST API's integrations, by type: map_request, integrate, map_response.

What cannot work in any request, but is a definition that API Gateway takes, becomes a step that refuses each one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route
from wsgw.errors import ApiConfigurationError
from wsgw.integrations.aws_request import aws_uri
from wsgw.integrations.aws_service import AwsIntegration
from wsgw.integrations.backends import Backends
from wsgw.integrations.base import Invoker
from wsgw.integrations.http import HttpIntegration, WholeHttpIntegration
from wsgw.integrations.http_pool import Target
from wsgw.integrations.lambda_ import LambdaIntegration
from wsgw.integrations.local import PythonIntegration
from wsgw.integrations.rest_events import rest_events, rest_proxy_answer
from wsgw.live.parts import Parts
from wsgw.live.route_steps import timeout_of
from wsgw.mapping.binary_types import binary_matcher
from wsgw.mapping.rest_parameters import compile_request_parameters
from wsgw.pipeline.forward import rest_lines
from wsgw.pipeline.integrate import integrate
from wsgw.pipeline.rest_function import call_by_method, map_function_answer, map_to_rest_event
from wsgw.pipeline.rest_headers import TO_AWS, TO_HTTP, allowed_mapping, reserved_for
from wsgw.pipeline.rest_mock import mock
from wsgw.pipeline.rest_proxy import (
    convert_proxied_body,
    map_parameters_to_rest_proxy,
    map_rest_answer,
    map_to_rest_proxy,
)
from wsgw.pipeline.rest_request import RequestMapping, fail_always, map_to_rest_http, map_to_service
from wsgw.pipeline.rest_response import Respond, map_response, responder
from wsgw.pipeline.rest_templates import RequestTemplates
from wsgw.pipeline.rest_url import with_stage_variables
from wsgw.pipeline.run import Step

_BODY_SOURCE = "method.request.body"


def integration_steps(api: Api, stage: Stage, route: Route, integration: Integration, parts: Parts) -> list[Step]:
    """The steps from a valid request to the answer. Raises ValueError for what cannot be made ready."""
    if integration.type == "MOCK":
        return [_mock(api, route, integration)]
    mapping, refused = allowed_mapping(integration.request_parameters, reserved_for(integration.type))
    if refused is not None:
        # Found out by the first request, as on the service; here the log of the deployment has it, too.
        return [fail_always(f"{refused} cannot be mapped")]
    if integration.type in ("AWS_PROXY", "PYTHON"):
        return _function(api, stage, route, integration, parts)
    parameters = compile_request_parameters(mapping) if mapping else None
    timeout = timeout_of(stage, integration)
    if integration.type == "AWS":
        requests = RequestMapping(
            _templates(integration), parameters, integration.content_handling, _binary(api), TO_AWS
        )
        uri = with_stage_variables(integration.uri, stage.variables)
        try:
            # Region and service are the definition's: a `{name}` there would let a client choose what is signed for.
            aws_uri(uri.partition("?")[0])
        except ApiConfigurationError as error:
            if "${" not in integration.uri:
                raise
            return [fail_always(error.detail)]
        credentials = with_stage_variables(integration.credentials or "", stage.variables) or None
        return [
            map_to_service(uri, integration.method, timeout, requests),
            integrate(AwsIntegration(parts.aws, credentials)),
            map_response(_responder(api, route, integration)),
        ]
    try:
        target = _target(stage, integration, parts)
    except ApiConfigurationError as error:
        if "${" not in integration.uri:
            raise
        # The URI may be sound with the variables of another stage.
        return [fail_always(f"invalid endpoint address: {error.detail}")]
    if integration.type == "HTTP":
        requests = RequestMapping(
            _templates(integration), parameters, integration.content_handling, _binary(api), TO_HTTP
        )
        step = map_to_rest_http(target, integration.method, timeout, requests, api.id)
        invoker = WholeHttpIntegration(parts.http_pool)
        return [step, integrate(invoker), map_response(_responder(api, route, integration))]
    lines = rest_lines(api.id)
    if parameters is None and "{" not in target.request_target:
        step = map_to_rest_proxy(target, integration.method, timeout, lines)
    else:
        parameters = parameters or compile_request_parameters({})
        step = map_parameters_to_rest_proxy(target, integration.method, timeout, lines, parameters)
    steps = [step, integrate(HttpIntegration(parts.http_pool)), map_rest_answer()]
    if integration.content_handling is not None:
        steps.insert(0, convert_proxied_body(integration.content_handling, _binary(api)))
    return steps


def streams(api: Api, route: Route) -> bool:
    """Whether no step needs the request's body whole."""
    integration = route.integration
    return (
        integration is not None
        and integration.type == "HTTP_PROXY"
        and integration.content_handling is None
        and not any(source.startswith(_BODY_SOURCE) for source in integration.request_parameters.values())
        and not (route.validator is not None and route.validator.validate_request_body)
        and api.minimum_compression_size is None
    )


def _target(stage: Stage, integration: Integration, parts: Parts) -> Target:
    url = with_stage_variables(integration.uri, stage.variables)
    return Backends(parts.http_pool, parts.settings).target(integration, stage, url)


def _templates(integration: Integration) -> RequestTemplates:
    return RequestTemplates(integration.request_templates, integration.passthrough_behavior)


@lru_cache(maxsize=64)
def _matcher(binary_media_types: tuple[str, ...]) -> Callable[[str | None], bool]:
    return binary_matcher(binary_media_types)


def _binary(api: Api) -> Callable[[str | None], bool]:
    return _matcher(api.binary_media_types)


def _responder(api: Api, route: Route, integration: Integration) -> Respond:
    binary = _binary(api) if api.binary_media_types else None
    return responder(integration.responses, frozenset(route.responses), binary)


def _mock(api: Api, route: Route, integration: Integration) -> Step:
    templates = _templates(integration)
    requests = RequestMapping(templates, None, integration.content_handling, _binary(api), TO_HTTP)
    constant = not api.binary_media_types and integration.content_handling != "CONVERT_TO_BINARY"
    return mock(templates.chosen, requests.body, _responder(api, route, integration), constant_bodies=constant)


def _function(api: Api, stage: Stage, route: Route, integration: Integration, parts: Parts) -> list[Step]:
    uri = with_stage_variables(integration.uri, stage.variables)
    answer = rest_proxy_answer(_binary(api))
    invoker: Invoker
    if integration.type == "PYTHON":
        invoker = PythonIntegration(parts.handler(uri), parts.connections, answer=answer)
    else:
        invoker = LambdaIntegration(parts.functions(uri), answer)
    event = rest_events(_binary(api))
    steps = [
        map_to_rest_event(uri, timeout_of(stage, integration), event),
        integrate(invoker),
        map_function_answer(),
    ]
    if integration.type == "AWS_PROXY" and integration.method != "POST":
        steps.insert(0, call_by_method(integration.method))
    return steps
