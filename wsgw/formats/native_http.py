"""`protocol: HTTP` of the native format: its short forms written out in API Gateway's v2 shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wsgw.definitions.finding import Finding, Path
from wsgw.formats.native_access import guarded, v2_authorizer
from wsgw.formats.native_parts import (
    extended,
    same_property,
    short_integration,
    v2_stage,
    with_type,
)
from wsgw.formats.native_schema_http import HttpApiEntry, HttpIntegrationEntry, HttpRouteEntry, HttpStageEntry

#: What every HTTP API has, and none can change.
ROUTE_SELECTION = "$request.method $request.path"


def http_document(api_id: str, api: HttpApiEntry, findings: list[Finding]) -> dict[str, Any]:
    """The document of the API `api_id`; `findings` gets what is wrong with it."""
    document = msgspec.to_builtins(api)
    authorizers = [
        v2_authorizer(name, entry, "HTTP", ("apis", api_id, "authorizers", name), findings)
        for name, entry in api.authorizers.items()
    ]
    types = {one["authorizerId"]: one["authorizerType"] for one in authorizers}
    same_property(document, "cors", "corsConfiguration", ("apis", api_id), findings)
    routes: list[dict[str, Any]] = []
    integrations: list[dict[str, Any]] = []
    for number, (key, entry) in enumerate(api.routes.items(), 1):
        path: Path = ("apis", api_id, "routes", key)
        route = HttpRouteEntry(integration=entry) if isinstance(entry, str) else entry
        written = http_route(f"r{number}", key, route, types, path, findings)
        if isinstance(route.integration, str | HttpIntegrationEntry):
            integrations.append(http_integration(f"i{number}", route.integration, (*path, "integration"), findings))
            written["target"] = f"integrations/i{number}"
        routes.append(written)
    kept = ("description", "version", "corsConfiguration", "disableExecuteApiEndpoint", "tags")
    return {
        "apiId": api_id,
        "name": document.get("name", api_id),
        "protocolType": "HTTP",
        "routeSelectionExpression": ROUTE_SELECTION,
        **{name: document[name] for name in kept if name in document},
        **({"authorizers": authorizers} if authorizers else {}),
        "routes": routes,
        "integrations": integrations,
        "models": [],
        "stages": [v2_stage(name, stage or HttpStageEntry()) for name, stage in api.stages.items()],
    }


def http_route(
    route_id: str, key: str, route: HttpRouteEntry, types: Mapping[str, str], path: Path, findings: list[Finding]
) -> dict[str, Any]:
    """types: of the API's authorizers, by id"""
    document = guarded(msgspec.to_builtins(route), types, path, findings)
    document.pop("integration", None)
    throttle = document.pop("throttle", None)
    return {"routeId": route_id, "routeKey": key, **document, **extended({"throttle": throttle} if throttle else {})}


def http_integration(
    integration_id: str, entry: str | HttpIntegrationEntry, path: Path, findings: list[Finding]
) -> dict[str, Any]:
    if isinstance(entry, str):
        kind, uri = short_integration(entry, path, findings)
        document: dict[str, Any] = {"integrationType": kind, "integrationUri": uri}
        if kind != "HTTP_PROXY":
            document["payloadFormatVersion"] = "2.0"
    else:
        document = msgspec.to_builtins(entry)
    for short, name in (("type", "integrationType"), ("uri", "integrationUri"), ("method", "integrationMethod")):
        same_property(document, short, name, path, findings)
    if "integrationSubtype" in document:
        document.setdefault("integrationType", "AWS_PROXY")
    elif not with_type(document, "integrationType", path, findings):
        document["integrationType"] = "HTTP_PROXY"
    if document["integrationType"] == "HTTP_PROXY":
        document.setdefault("integrationMethod", "ANY")
    elif document["integrationType"] == "AWS_PROXY" and "integrationSubtype" not in document:
        document.setdefault("integrationMethod", "POST")
    document.setdefault("payloadFormatVersion", "1.0")
    return {"integrationId": integration_id, **document}
