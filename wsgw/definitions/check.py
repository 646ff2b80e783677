"""What is wrong with a whole Api: cross-references, limits, and what this version does not serve.

What needs a compiler to tell (expressions, templates, mappings, schemas) is proved in `live/prove.py`.
Source: developer guide, "Quotas for WebSocket APIs" and "API Gateway important notes"; service model `apigatewayv2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsgw.definitions.api import Api
from wsgw.definitions.check_integration import check_integration
from wsgw.definitions.check_stage import check_stage
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import DEFAULT_KEY, LIFECYCLE_KEYS, Route

API_KEY_EXPRESSIONS = frozenset({"$request.header.x-api-key", "$context.authorizer.usageIdentifierKey"})
MOST_ROUTES = 300
MOST_STAGES = 10
_API_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_DECLARED = re.compile(r"route\.request\.(querystring|header)\.[A-Za-z0-9._$-]+")
_MODEL_NAME = re.compile(r"[A-Za-z0-9]{1,128}")


def check(api: Api) -> list[Finding]:
    """Every finding of `api`; their paths lead through the native format (`apis.ID.routes.KEY.integration.uri`)."""
    path: Path = ("apis", api.id)
    findings = [*_whole(path, api)]
    for name in api.models:
        if not _MODEL_NAME.fullmatch(name):
            remedy = "use 1 to 128 letters and digits"
            findings.append(error((*path, "models", name), "no name that a model can have", remedy))
    for key, route in api.routes.items():
        findings += check_route((*path, "routes", key), api, route)
    for name, stage in api.stages.items():
        findings += check_stage((*path, "stages", name), api, stage)
    return findings


def _whole(path: Path, api: Api) -> Iterator[Finding]:
    if not _API_ID.fullmatch(api.id):
        remedy = "use up to 63 letters, digits, - and _"
        yield error(path, "no id that an API can have: it stands in addresses", remedy)
    if api.protocol != "WEBSOCKET":
        yield error((*path, "protocol"), f"{api.protocol} APIs are not served by this version", "WEBSOCKET is")
        return
    if not api.route_selection_expression:
        remedy = "add it, as routeSelectionExpression: $request.body.action"
        yield error((*path, "routeSelectionExpression"), "it says which route a message takes, and is missing", remedy)
    if api.api_key_selection_expression not in API_KEY_EXPRESSIONS:
        remedy = " or ".join(sorted(API_KEY_EXPRESSIONS, reverse=True))
        yield error((*path, "apiKeySelectionExpression"), "not an expression that API Gateway knows here", remedy)
    if not api.routes:
        yield error((*path, "routes"), "the API has no routes", "add one, as $default: http://localhost:9000/")
    if len(api.routes) > MOST_ROUTES:
        message = f"{len(api.routes)} routes; API Gateway allows {MOST_ROUTES} unless asked for more"
        yield warning((*path, "routes"), message)
    if len(api.stages) > MOST_STAGES:
        message = f"{len(api.stages)} stages; API Gateway allows {MOST_STAGES} unless asked for more"
        yield warning((*path, "stages"), message)


def check_route(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    """What is wrong with `route` of `api`, at `path`."""
    yield from _key(path, route)
    yield from _protection(path, route)
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


def _protection(path: Path, route: Route) -> Iterator[Finding]:
    # An error and no warning: whoever asked for a guard must not find the API open.
    if route.authorization_type != "NONE" or route.authorizer is not None:
        message = f"authorization ({route.authorization_type}) is not served by this version"
        yield error((*path, "authorizationType"), message, "remove it, and decide in the $connect integration")
    if route.api_key_required:
        remedy = "remove it, and look at x-api-key in the $connect integration"
        yield error((*path, "apiKeyRequired"), "API keys are not served by this version", remedy)


def _validation(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    for key, model in route.request_models.items():
        if model not in api.models:
            known = ", ".join(api.models) or "there are none"
            yield error((*path, "requestModels", key), f"there is no model {model!r}", f"models of this API: {known}")
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
