"""Whether everything that an Api says can be compiled: expressions, templates, mappings, schemas, log formats.

`definitions/check.py` tells what can be told without a compiler; together they find what a deployment would fail on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.check_integration import DEFAULT_KEYS, NON_PROXY
from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.model import Model
from wsgw.definitions.route import LIFECYCLE_KEYS, Integration, Route
from wsgw.mapping.log_format import compile_log_format
from wsgw.mapping.parameters import compile_parameters, stage_variables_in
from wsgw.mapping.selection import compile_selection, response_selector, response_template_selector, route_selector
from wsgw.mapping.template import TemplateSyntaxError, compile_template
from wsgw.pipeline.validate import schema_check


def prove(api: Api) -> list[Finding]:
    """A finding for each text of `api` that does not compile, with the compiler's own words."""
    path: Path = ("apis", api.id)
    findings: list[Finding] = []
    if api.route_selection_expression:
        findings += _tried((*path, "routeSelectionExpression"), route_selector, api.route_selection_expression)
    for name, model in api.models.items():
        findings += _model((*path, "models", name, "schema"), model)
    for key, route in api.routes.items():
        findings += _route((*path, "routes", key), route)
    for name, stage in api.stages.items():
        findings += _stage((*path, "stages", name), stage)
    return findings


def _route(path: Path, route: Route) -> Iterator[Finding]:
    if route.model_selection_expression:
        yield from _tried((*path, "modelSelectionExpression"), compile_selection, route.model_selection_expression)
    if route.integration is not None:
        yield from _integration((*path, "integration"), route, route.integration)


def _integration(path: Path, route: Route, integration: Integration) -> Iterator[Finding]:
    yield from _tried((*path, "uri"), stage_variables_in, integration.uri)
    lifecycle = route.key in LIFECYCLE_KEYS
    for target, source in integration.request_parameters.items():
        at: Path = (*path, "requestParameters", target)
        yield from _tried(at, lambda one: compile_parameters(one, lifecycle), {target: source})
    if integration.type not in NON_PROXY:
        return
    if integration.template_selection_expression:
        at = (*path, "templateSelectionExpression")
        yield from _tried(at, compile_selection, integration.template_selection_expression)
    yield from _templates((*path, "requestTemplates"), integration.request_templates)
    for response in integration.responses:
        at = (*path, "integrationResponses", response.key)
        if response.key not in DEFAULT_KEYS and len(response.key) > 2 and response.key[0] == response.key[-1] == "/":
            yield from _tried(at, response_selector, [response.key])
        if response.template_selection_expression:
            expression = response.template_selection_expression
            yield from _tried((*at, "templateSelectionExpression"), response_template_selector, expression)
        yield from _templates((*at, "responseTemplates"), response.response_templates)


def _templates(path: Path, templates: Mapping[str, str]) -> Iterator[Finding]:
    for key, template in templates.items():
        try:
            compile_template(template)
        except TemplateSyntaxError as fault:
            yield error((*path, key), str(fault))


def _model(path: Path, model: Model) -> Iterator[Finding]:
    try:
        schema_check(model)
    except jsonschema_rs.ValidationError as fault:
        yield error((*path, *fault.instance_path), f"not a JSON schema of draft 4: {fault.message}")
    except jsonschema_rs.ReferencingError as fault:
        yield error(path, f"not a JSON schema of draft 4: {_first_line(fault)}")


def _stage(path: Path, stage: Stage) -> Iterator[Finding]:
    if stage.access_log_format:
        yield from _tried((*path, "accessLog"), compile_log_format, stage.access_log_format)


def _tried(path: Path, compiler: Callable[[Any], object], text: Any) -> Iterator[Finding]:
    try:
        compiler(text)
    except ValueError as fault:
        yield error(path, _first_line(fault))


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0]
