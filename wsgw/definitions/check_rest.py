"""What is wrong with a REST API: its methods, what they declare, gateway responses, binary types, compression.

What needs a compiler to tell (mappings, templates, patterns, schemas) is proved in `live/prove.py`.
Source: API reference, PutMethod, PutGatewayResponse and UpdateRestApi; the service's own texts where they are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from wsgw.definitions.api import Api, GatewayResponse
from wsgw.definitions.check_guard import check_guards
from wsgw.definitions.check_parts import check_counts, check_model_names, check_request_models
from wsgw.definitions.check_path import check_route_key, check_siblings
from wsgw.definitions.check_rest_integration import STATUS, check_rest_integration
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.model_schema import DEFAULT_MODELS
from wsgw.definitions.route import Route

MOST_COMPRESSION_SIZE = 10_485_760
GATEWAY_RESPONSE_TYPES = (
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
)
_DECLARED = re.compile(r"method\.request\.(path|querystring|header)\.([A-Za-z0-9._$-]+)")
_MEDIA_TYPE = re.compile(r"[!#$&^_.+\-A-Za-z0-9*]+/[!#$&^_.+\-A-Za-z0-9*]+")


def check_rest(path: Path, api: Api) -> Iterator[Finding]:
    """What is wrong with the REST API `api`, at `path`; its stages have a check of their own."""
    yield from check_counts(path, api)
    yield from check_model_names(path, api)
    for index, media_type in enumerate(api.binary_media_types):
        if not _MEDIA_TYPE.fullmatch(media_type):
            message = "not a media type: nothing is binary by it"
            yield warning((*path, "binaryMediaTypes", index), message, "write it as image/png, image/* or */*")
    size = api.minimum_compression_size
    if size is not None and not 0 <= size <= MOST_COMPRESSION_SIZE:
        message = f"Invalid minimum compression size, must be between 0 and {MOST_COMPRESSION_SIZE}"
        yield error((*path, "minimumCompressionSize"), message, "choose one in between")
    for kind, response in api.gateway_responses.items():
        yield from _gateway_response((*path, "gatewayResponses", kind), kind, response)
    for key, route in api.routes.items():
        yield from check_rest_route((*path, "routes", key), api, route)
    yield from check_siblings((*path, "routes"), api.routes)


def check_rest_route(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    """What is wrong with `route` of `api`, at `path`."""
    yield from check_route_key(path, route.key, rest=True)
    yield from check_guards(path, api, route)
    yield from _parameters((*path, "requestParameters"), route)
    yield from check_request_models(path, api, route.request_models.items())
    for status, response in route.responses.items():
        at: Path = (*path, "methodResponses", status)
        if not STATUS.fullmatch(status):
            yield error(at, "not a status that a method can answer with", "use 100 to 599")
        for content_type, model in response.models.items():
            if model not in api.models and model not in DEFAULT_MODELS:
                known = ", ".join(api.models) or "there are none"
                message = f"there is no model {model!r}"
                yield warning((*at, "responseModels", content_type), message, f"models of this API: {known}")
    if route.integration is None:
        yield error((*path, "integration"), "No integration defined for method", "add one, or remove the method")
    else:
        yield from check_rest_integration((*path, "integration"), api, route, route.integration)


def _parameters(path: Path, route: Route) -> Iterator[Finding]:
    names: dict[str, str] = {}
    checked = route.validator is not None and route.validator.validate_request_parameters
    for name, required in route.request_parameters.items():
        at: Path = (*path, name)
        match = _DECLARED.fullmatch(name)
        if match is None:
            remedy = "write method.request.path.NAME, method.request.querystring.NAME or method.request.header.NAME"
            yield error(at, "not a parameter that a method can declare", remedy)
            continue
        if names.setdefault(match[2], name) != name:
            message = "Parameter names must be unique across querystring, header and path"
            yield error(at, message, f"{names[match[2]]} has this name")
        if match[1] == "path" and f"{{{match[2]}}}" not in route.key and f"{{{match[2]}+}}" not in route.key:
            yield warning(at, "the path has no such variable", "remove it")
        elif required and match[1] != "path" and not checked:
            remedy = "add requestValidator: {validateRequestParameters: true}"
            yield warning(at, "without a request validator nobody looks whether it is there", remedy)


def _gateway_response(path: Path, kind: str, response: GatewayResponse) -> Iterator[Finding]:
    if kind not in GATEWAY_RESPONSE_TYPES:
        near = get_close_matches(kind, GATEWAY_RESPONSE_TYPES, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(GATEWAY_RESPONSE_TYPES)}"
        yield error(path, "not a type of gateway response", remedy)
    if response.status_code is not None and not STATUS.fullmatch(response.status_code):
        yield error((*path, "statusCode"), "not a status that can be answered", "use 100 to 599")
