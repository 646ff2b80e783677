"""What is wrong with a whole Api: cross-references, limits, and what this version does not serve.

This file has what concerns WebSocket APIs; `check_http` and `check_rest` have the other two. What needs a compiler to
tell (expressions, templates, mappings, schemas) is proved in `live/prove.py`.
Source: developer guide, "Quotas for WebSocket APIs" and "API Gateway important notes"; service model `apigatewayv2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsgw.definitions.api import Api
from wsgw.definitions.check_authorizer import check_authorizers
from wsgw.definitions.check_guard import check_guards, check_policy
from wsgw.definitions.check_http import check_http
from wsgw.definitions.check_integration import check_integration
from wsgw.definitions.check_parts import check_counts, check_id, check_model_names, check_request_models
from wsgw.definitions.check_rest import check_rest
from wsgw.definitions.check_stage import check_stage
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import DEFAULT_KEY, LIFECYCLE_KEYS, Route

API_KEY_EXPRESSIONS = frozenset({"$request.header.x-api-key", "$context.authorizer.usageIdentifierKey"})
_DECLARED = re.compile(r"route\.request\.(querystring|header)\.[A-Za-z0-9._$-]+")


def check(api: Api) -> list[Finding]:
    """Every finding of `api`; their paths lead through the native format (`apis.ID.routes.KEY.integration.uri`)."""
    path: Path = ("apis", api.id)
    findings = [*check_id(path, api), *check_policy(path, api), *check_authorizers(path, api)]
    if api.protocol == "REST":
        findings += check_rest(path, api)
    elif api.protocol == "HTTP":
        findings += check_http(path, api)
    else:
        findings += _whole(path, api)
        findings += check_counts(path, api)
        findings += check_model_names(path, api)
        for key, route in api.routes.items():
            findings += check_route((*path, "routes", key), api, route)
    for name, stage in api.stages.items():
        findings += check_stage((*path, "stages", name), api, stage)
    return findings


def _whole(path: Path, api: Api) -> Iterator[Finding]:
    if not api.route_selection_expression:
        remedy = "add it, as routeSelectionExpression: $request.body.action"
        yield error((*path, "routeSelectionExpression"), "it says which route a message takes, and is missing", remedy)
    if api.api_key_selection_expression not in API_KEY_EXPRESSIONS:
        remedy = " or ".join(sorted(API_KEY_EXPRESSIONS, reverse=True))
        yield error((*path, "apiKeySelectionExpression"), "not an expression that API Gateway knows here", remedy)


def check_route(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    """What is wrong with `route` of `api`, at `path`."""
    yield from _key(path, route)
    yield from check_guards(path, api, route)
    yield from _validation(path, api, route)
    yield from _parameters(path, route)
    if route.integration is None:
        if route.key != "$connect":
            yield error((*path, "integration"), "the route calls nothing", "add an integration, or remove the route")
        return
    if route.two_way and route.key == "$disconnect":
        remedy = "remove twoWay"
        yield warning((*path, "twoWay"), "the connection is closed: nothing can be sent on $disconnect", remedy)
    yield from check_integration((*path, "integration"), api, route, route.integration)


def _key(path: Path, route: Route) -> Iterator[Finding]:
    if not route.key:
        yield error(path, "a route needs a key", "name it after the value that selects it")
    elif route.key.startswith("$") and route.key not in LIFECYCLE_KEYS and route.key != DEFAULT_KEY:
        remedy = "only $connect, $disconnect and $default begin with $"
        yield error(path, "the provided route key is not formatted properly", remedy)


def _validation(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    yield from check_request_models(path, api, route.request_models.items())
    if route.request_models and not route.model_selection_expression:
        remedy = "add modelSelectionExpression: $default"
        yield warning((*path, "requestModels"), "without a modelSelectionExpression no message is checked", remedy)
    if route.model_selection_expression and not route.request_models:
        remedy = "add requestModels, or remove it"
        yield error((*path, "modelSelectionExpression"), "it selects from no models: no message would pass", remedy)
    if route.model_selection_expression and route.key in LIFECYCLE_KEYS:
        message = f"{route.key} has no message that could be checked"
        yield warning((*path, "modelSelectionExpression"), message, "remove it")


def _parameters(path: Path, route: Route) -> Iterator[Finding]:
    for name, required in route.request_parameters.items():
        at: Path = (*path, "requestParameters", name)
        if not _DECLARED.fullmatch(name):
            remedy = "write route.request.header.NAME or route.request.querystring.NAME"
            yield error(at, "not a parameter that a route can declare", remedy)
        elif required and route.key != "$connect":
            yield warning(at, "only $connect has headers and a query: it is not required here", "remove it")
