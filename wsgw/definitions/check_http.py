"""What is wrong with an HTTP API: its routes, what they call, and its CORS configuration.

What needs a compiler to tell (parameter mappings with their reserved headers) is proved in `live/prove.py`.
Source: developer guide, "Choose between REST APIs and HTTP APIs" and "Create integrations for HTTP APIs".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsgw.definitions.api import Api
from wsgw.definitions.check_cors import check_cors
from wsgw.definitions.check_guard import check_guards
from wsgw.definitions.check_parts import (
    check_address,
    check_counts,
    check_mappings,
    check_method,
    check_time,
    check_variables,
)
from wsgw.definitions.check_path import check_route_key, check_same_requests
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import DEFAULT_KEY, HTTP_TIMEOUT_MS, Integration, Route

_VARIABLE = re.compile(r"(?<!\$)\{([^{}+]+)\+?\}")
_TYPES = frozenset({"HTTP_PROXY", "AWS_PROXY", "PYTHON"})
# A listener of a load balancer or a service of Cloud Map, perhaps with attributes to choose instances by.
_PRIVATE = re.compile(r"arn:[^:\s]+:(elasticloadbalancing|servicediscovery):\S+")


def check_http(path: Path, api: Api) -> Iterator[Finding]:
    """What is wrong with the HTTP API `api`, at `path`; its stages have a check of their own."""
    yield from check_counts(path, api)
    if api.cors is not None:
        yield from check_cors((*path, "cors"), api.cors)
    if api.models:
        remedy = "remove them, or use a REST API"
        yield warning((*path, "models"), "HTTP APIs check no bodies: models are not used", remedy)
    for key, route in api.routes.items():
        yield from check_http_route((*path, "routes", key), api, route)
    yield from check_same_requests((*path, "routes"), api.routes)


def check_http_route(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    """What is wrong with `route` of `api`, at `path`."""
    if route.key != DEFAULT_KEY:
        yield from check_route_key(path, route.key, rest=False)
    yield from check_guards(path, api, route)
    if route.integration is None:
        yield error((*path, "integration"), "the route calls nothing", "add an integration, or remove the route")
    else:
        yield from _integration((*path, "integration"), api, route, route.integration)


def _integration(path: Path, api: Api, route: Route, integration: Integration) -> Iterator[Finding]:
    if integration.type not in _TYPES:
        remedy = "use HTTP_PROXY or AWS_PROXY, or a REST API"
        yield error((*path, "type"), f"HTTP APIs have no {integration.type} integrations", remedy)
        return
    if integration.subtype is not None:
        yield from _subtype(path, integration)
    elif integration.connection_type == "VPC_LINK":
        yield from _private(path, integration)
    else:
        yield from check_address(path, integration)
    if integration.type == "HTTP_PROXY":
        yield from _placeholders((*path, "uri"), route, integration.uri)
    yield from check_variables((*path, "uri"), api, integration.uri)
    yield from check_time((*path, "timeoutInMillis"), api, integration.timeout_ms, HTTP_TIMEOUT_MS)
    yield from check_mappings((*path, "requestParameters"), integration.request_parameters.items())
    for status, mappings in integration.response_parameters.items():
        yield from check_mappings((*path, "responseParameters", status), mappings.items())
    yield from _without_effect(path, integration)


def _placeholders(path: Path, route: Route, uri: str) -> Iterator[Finding]:
    known = _VARIABLE.findall(route.key)
    for name in dict.fromkeys(_VARIABLE.findall(uri)):
        if name not in known:
            remedy = f"it has: {', '.join(known)}" if known else "it has none"
            yield error(path, f"the route has no path variable {name!r}", remedy)


def _subtype(path: Path, integration: Integration) -> Iterator[Finding]:
    if integration.type != "AWS_PROXY":
        message = f"{integration.type} integrations have no subtype"
        yield error((*path, "integrationSubtype"), message, "use type AWS_PROXY, or remove it")
    if integration.uri:
        yield warning((*path, "uri"), "a first-class integration calls its service's own address", "remove it")


def _private(path: Path, integration: Integration) -> Iterator[Finding]:
    if integration.type != "HTTP_PROXY":
        message = f"{integration.type} integrations have no VPC_LINK"
        yield error((*path, "connectionType"), message, "use type HTTP_PROXY, or remove it")
        return
    if not integration.connection_id:
        yield error((*path, "connectionId"), "a VPC_LINK needs the id of one", "add connectionId")
    if not _PRIVATE.fullmatch(integration.uri):
        remedy = "write the ARN of a load balancer's listener or of a Cloud Map service"
        yield error((*path, "uri"), "not a private backend", remedy)
    yield from check_method(path, integration)


def _without_effect(path: Path, integration: Integration) -> Iterator[Finding]:
    if integration.tls is not None and integration.connection_type != "VPC_LINK":
        message = "tlsConfig is for private backends (VPC_LINK)"
        yield warning((*path, "tlsConfig"), message, "remove it")
    if integration.payload_format_version == "2.0" and (integration.type == "HTTP_PROXY" or integration.subtype):
        message = "only a function's event has a payload format"
        yield warning((*path, "payloadFormatVersion"), message, "remove it")
    for name, value in (("requestTemplates", integration.request_templates), ("responses", integration.responses)):
        if value:
            yield warning((*path, name), "HTTP APIs have no templates", "remove them, or use a REST API")
    if integration.credentials is not None and integration.subtype is None:
        message = "functions are called with the gateway's own credentials"
        yield warning((*path, "credentialsArn"), message, "remove it")
