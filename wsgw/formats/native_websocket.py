"""`protocol: WEBSOCKET` of the native format: its short forms written out in API Gateway's v2 shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wsgw.definitions.finding import Finding, Path, error
from wsgw.formats.native_access import guarded, v2_authorizer
from wsgw.formats.native_parts import (
    extended,
    model_document,
    same_property,
    short_integration,
    v2_stage,
    with_type,
)
from wsgw.formats.native_schema_websocket import ApiEntry, IntegrationEntry, RouteEntry, StageEntry


def websocket_document(api_id: str, api: ApiEntry, findings: list[Finding]) -> dict[str, Any]:
    document = msgspec.to_builtins(api)
    authorizers = [
        v2_authorizer(name, entry, "WEBSOCKET", ("apis", api_id, "authorizers", name), findings)
        for name, entry in api.authorizers.items()
    ]
    types = {one["authorizerId"]: one["authorizerType"] for one in authorizers}
    routes: list[dict[str, Any]] = []
    integrations: list[dict[str, Any]] = []
    for number, (key, entry) in enumerate(api.routes.items(), 1):
        path: Path = ("apis", api_id, "routes", key)
        route = RouteEntry(integration=entry) if isinstance(entry, str) else entry
        written = websocket_route(f"r{number}", key, route, types, path, findings)
        if isinstance(route.integration, str | IntegrationEntry):
            integration = websocket_integration(f"i{number}", route.integration, (*path, "integration"), findings)
            integrations.append(integration)
            written["target"] = f"integrations/{integration['integrationId']}"
        routes.append(written)
    extensions = {name: document[name] for name in ("binaryMessages",) if name in document}
    kept = ("description", "routeSelectionExpression", "apiKeySelectionExpression", "disableExecuteApiEndpoint")
    return {
        "apiId": api_id,
        "name": document.get("name", api_id),
        "protocolType": "WEBSOCKET",
        **{name: document[name] for name in kept if name in document},
        **({"authorizers": authorizers} if authorizers else {}),
        "routes": routes,
        "integrations": integrations,
        "models": [
            model_document("modelId", f"m{n}", name, model) for n, (name, model) in enumerate(api.models.items(), 1)
        ],
        "stages": [v2_stage(name, stage or StageEntry()) for name, stage in api.stages.items()],
        **extended(extensions),
    }


def websocket_route(
    route_id: str, key: str, route: RouteEntry, types: Mapping[str, str], path: Path, findings: list[Finding]
) -> dict[str, Any]:
    """types: of the API's authorizers, by id"""
    document = guarded(msgspec.to_builtins(route), types, path, findings)
    document.pop("integration", None)
    throttle = document.pop("throttle", None)
    if document.pop("twoWay"):
        document["routeResponseSelectionExpression"] = "$default"
        document["routeResponses"] = [{"routeResponseId": f"{route_id}r", "routeResponseKey": "$default"}]
    if "requestParameters" in document:
        document["requestParameters"] = {
            name: {"required": value} if isinstance(value, bool) else value
            for name, value in document["requestParameters"].items()
        }
    return {"routeId": route_id, "routeKey": key, **document, **extended({"throttle": throttle} if throttle else {})}


def websocket_integration(
    integration_id: str, entry: str | IntegrationEntry, path: Path, findings: list[Finding]
) -> dict[str, Any]:
    document: dict[str, Any]
    if isinstance(entry, str):
        kind, uri = short_integration(entry, path, findings)
        document = {"integrationType": kind, "integrationUri": uri}
    else:
        document = msgspec.to_builtins(entry)
    for short, name in (("type", "integrationType"), ("uri", "integrationUri"), ("method", "integrationMethod")):
        same_property(document, short, name, path, findings)
    if not with_type(document, "integrationType", path, findings):
        document["integrationType"] = "MOCK"
    responses = _responses(document, path, findings)
    if document["integrationType"] == "MOCK":
        document.setdefault("requestTemplates", {"$default": '{"statusCode":200}'})
    elif document["integrationType"] != "PYTHON":
        document.setdefault("integrationMethod", "POST")
    return {"integrationId": integration_id, **document, "integrationResponses": responses}


def _responses(document: dict[str, Any], path: Path, findings: list[Finding]) -> list[dict[str, Any]]:
    """Takes both forms of integration responses out of `document` and gives them as API Gateway lists them."""
    listed = document.pop("integrationResponses", [])
    templates = document.pop("responseTemplates", None)
    if templates is not None and listed:
        message = "'responseTemplates' is short for one of the 'integrationResponses', which are given too"
        findings.append(error((*path, "responseTemplates"), message, "move it there"))
    if isinstance(listed, dict):
        listed = [{"integrationResponseKey": key, **response} for key, response in listed.items()]
    if templates is not None and not listed:
        listed = [{"integrationResponseKey": "$default", "responseTemplates": templates}]
    return [{"integrationResponseId": f"p{number}", **response} for number, response in enumerate(listed, 1)]
