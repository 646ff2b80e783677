"""The document of an HTTP or WebSocket API → its entry in the native format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from wsgw.definitions.freeze_parts import Document
from wsgw.formats.comparable import v2_integration_meaning
from wsgw.formats.native_http import http_integration, http_route
from wsgw.formats.native_schema_http import HttpApiEntry, HttpIntegrationEntry, HttpRouteEntry
from wsgw.formats.native_schema_websocket import ApiEntry, IntegrationEntry, ResponseEntry, RouteEntry
from wsgw.formats.native_shorter import Read, members_of, model_entry, reader, shortest, shortest_integration
from wsgw.formats.native_websocket import websocket_integration, websocket_route
from wsgw.formats.native_writer_access import names_and_types, v2_authorizer_entry, with_authorizer
from wsgw.formats.stage_entries import http_stage_entry

RouteEntryOf: TypeAlias = "Callable[[Document, Document | None, Authorizers], Any]"
_SHORT = (("integrationType", "type"), ("integrationUri", "uri"), ("integrationMethod", "method"))
_SECTIONS = ("authorizers", "routes", "models", "stages", "name", "corsConfiguration")


class Authorizers(NamedTuple):
    """The names of an API's authorizers by id, and their types by name."""

    names: Mapping[str, str]
    types: Mapping[str, str]


def http_entry(document: Document) -> dict[str, Any]:
    """The HTTP API of `document`, as short as it can be said."""
    return _entry(document, HttpApiEntry, _http_route)


def websocket_entry(document: Document) -> dict[str, Any]:
    """The WebSocket API of `document`, as short as it can be said."""
    return _entry(document, ApiEntry, _websocket_route)


def _entry(document: Document, kind: Any, route_entry: RouteEntryOf) -> dict[str, Any]:
    authorizers = Authorizers(*names_and_types(document))
    integrations = {one["integrationId"]: one for one in document.get("integrations", ())}
    sections = {
        "authorizers": {
            one.get("name", one["authorizerId"]): v2_authorizer_entry(one, document["protocolType"])
            for one in document.get("authorizers", ())
        },
        "cors": document.get("corsConfiguration"),
        "models": {one["name"]: model_entry(one) for one in document.get("models", ())},
        "routes": {
            route["routeKey"]: route_entry(
                route, integrations.get((route.get("target") or "").removeprefix("integrations/")), authorizers
            )
            for route in document.get("routes", ())
        },
        "stages": {stage["stageName"]: http_stage_entry(stage) for stage in document.get("stages", ())},
    }
    messages = document.get("x-wsgw", {}).get("binaryMessages")
    return {
        "protocol": document["protocolType"],
        **({"name": document["name"]} if document["name"] != document["apiId"] else {}),
        **members_of(dict(document), kind, *_SECTIONS),
        **({"binaryMessages": messages} if messages else {}),
        **{name: value for name, value in sections.items() if value},
    }


def _http_route(route: Document, integration: Document | None, authorizers: Authorizers) -> Any:
    entry = with_authorizer(members_of(dict(route), HttpRouteEntry, "integration"), authorizers.names)
    if integration is not None:
        read = reader(
            str | HttpIntegrationEntry,
            lambda one, findings: v2_integration_meaning(http_integration("i", one, (), findings), is_http=True),
        )
        entry["integration"] = _integration(members_of(dict(integration), HttpIntegrationEntry), read, ())
    key, types = route["routeKey"], authorizers.types
    return _route(
        entry, route, reader(HttpRouteEntry, lambda one, findings: http_route("r", key, one, types, (), findings))
    )


def _websocket_route(route: Document, integration: Document | None, authorizers: Authorizers) -> Any:
    entry = with_authorizer(members_of(dict(route), RouteEntry, "integration", "requestParameters"), authorizers.names)
    if integration is not None:
        entry["integration"] = _websocket_integration(integration)
    answers = any(one.get("routeResponseKey") == "$default" for one in route.get("routeResponses", ()))
    if answers and route.get("routeResponseSelectionExpression") == "$default":
        entry["twoWay"] = True
    if parameters := route.get("requestParameters"):
        entry["requestParameters"] = {name: bool(one.get("required", False)) for name, one in parameters.items()}
    key, types = route["routeKey"], authorizers.types
    return _route(
        entry, route, reader(RouteEntry, lambda one, findings: websocket_route("r", key, one, types, (), findings))
    )


def _websocket_integration(integration: Document) -> Any:
    entry = members_of(dict(integration), IntegrationEntry, "integrationResponses")
    responses = integration.get("integrationResponses", ())
    alternatives: list[dict[str, Any]] = []
    if responses:
        listed = [
            {"integrationResponseKey": one["integrationResponseKey"], **members_of(dict(one), ResponseEntry)}
            for one in responses
        ]
        entry["integrationResponses"] = listed
        by_key = {one["integrationResponseKey"]: members_of(one, ResponseEntry) for one in listed}
        alternatives = [
            {"integrationResponses": None, "responseTemplates": listed[0].get("responseTemplates")},
            {"integrationResponses": by_key},
        ]
    read = reader(
        str | IntegrationEntry,
        lambda one, findings: v2_integration_meaning(websocket_integration("i", one, (), findings), is_http=False),
    )
    return _integration(entry, read, alternatives)


def _integration(entry: dict[str, Any], read: Read, alternatives: Any) -> Any:
    """The integration in its short form, or with what it can do without left out."""
    for name, short in _SHORT:
        if name in entry:
            entry[short] = entry.pop(name)
    return shortest_integration(entry, read, alternatives)


def _route(entry: dict[str, Any], route: Document, read: Read) -> Any:
    if throttle := route.get("x-wsgw", {}).get("throttle"):
        entry["throttle"] = throttle
    if entry.get("authorizationType") == "NONE":
        del entry["authorizationType"]
    if entry.get("apiKeyRequired") is False:
        del entry["apiKeyRequired"]
    integration = entry.pop("integration", None)
    entry = shortest(entry, read)
    if integration is None:
        return entry
    if not entry and isinstance(integration, str):
        return integration
    return {**entry, "integration": integration}
