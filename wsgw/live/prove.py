"""Whether everything that an Api says can be compiled: expressions, templates, mappings, schemas, log formats.

`definitions/check.py` tells what can be told without a compiler; together they find what a deployment would fail on.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.check_integration import DEFAULT_KEYS, NON_PROXY
from wsgw.definitions.finding import Finding, Path
from wsgw.definitions.route import LIFECYCLE_KEYS, Integration, Route
from wsgw.firewall.compile import proved
from wsgw.live.prove_access import prove_access
from wsgw.live.prove_http import prove_http
from wsgw.live.prove_parts import prove_models, prove_templates, prove_url, tried
from wsgw.live.prove_rest import prove_rest
from wsgw.mapping.log_format import compile_log_format
from wsgw.mapping.parameters import compile_parameters, stage_variables_in
from wsgw.mapping.selection import compile_selection, response_selector, response_template_selector, route_selector


def prove(api: Api) -> list[Finding]:
    """A finding for each text of `api` that does not compile, with the compiler's own words."""
    path: Path = ("apis", api.id)
    findings: list[Finding] = []
    findings += prove_access(path, api)
    findings += prove_models((*path, "models"), api.models)
    if api.protocol == "REST":
        findings += prove_rest(path, api)
    elif api.protocol == "HTTP":
        findings += prove_http(path, api)
    else:
        findings += _websocket(path, api)
    for name, stage in api.stages.items():
        findings += _stage((*path, "stages", name), api, stage)
    return findings


def _websocket(path: Path, api: Api) -> Iterator[Finding]:
    if api.route_selection_expression:
        yield from tried((*path, "routeSelectionExpression"), route_selector, api.route_selection_expression)
    for key, route in api.routes.items():
        yield from _route((*path, "routes", key), route)


def _route(path: Path, route: Route) -> Iterator[Finding]:
    if route.model_selection_expression:
        yield from tried((*path, "modelSelectionExpression"), compile_selection, route.model_selection_expression)
    if route.integration is not None:
        yield from _integration((*path, "integration"), route, route.integration)


def _integration(path: Path, route: Route, integration: Integration) -> Iterator[Finding]:
    yield from tried((*path, "uri"), stage_variables_in, integration.uri)
    yield from prove_url((*path, "uri"), integration)
    lifecycle = route.key in LIFECYCLE_KEYS
    for target, source in integration.request_parameters.items():
        at: Path = (*path, "requestParameters", target)
        yield from tried(at, lambda one: compile_parameters(one, lifecycle), {target: source})
    if integration.type not in NON_PROXY:
        return
    if integration.template_selection_expression:
        at = (*path, "templateSelectionExpression")
        yield from tried(at, compile_selection, integration.template_selection_expression)
    yield from prove_templates((*path, "requestTemplates"), integration.request_templates)
    for response in integration.responses:
        at = (*path, "integrationResponses", response.key)
        if response.key not in DEFAULT_KEYS and len(response.key) > 2 and response.key[0] == response.key[-1] == "/":
            yield from tried(at, response_selector, [response.key])
        if response.template_selection_expression:
            expression = response.template_selection_expression
            yield from tried((*at, "templateSelectionExpression"), response_template_selector, expression)
        yield from prove_templates((*at, "responseTemplates"), response.response_templates)


def _stage(path: Path, api: Api, stage: Stage) -> Iterator[Finding]:
    if stage.access_log_format:
        compiler = partial(compile_log_format, protocol=api.protocol)
        yield from tried((*path, "accessLog"), compiler, stage.access_log_format)
    if stage.web_acl is not None:
        yield from tried((*path, "webAcl"), lambda acl: proved(acl, api.id, stage.name), stage.web_acl)
