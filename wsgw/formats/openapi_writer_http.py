"""The document of an HTTP API → OpenAPI 3.0.1.

Source: developer guide, "Export an HTTP API from API Gateway" and "Working with OpenAPI definitions for HTTP APIs".
"""

from __future__ import annotations

from typing import Any

from wsgw.definitions.finding import pointer
from wsgw.definitions.freeze_parts import Document
from wsgw.formats.openapi_form import Form
from wsgw.formats.openapi_http import CORS, INTEGRATIONS, VERSION, default_responses, path_parameters
from wsgw.formats.openapi_integration import INTEGRATION
from wsgw.formats.openapi_place import present
from wsgw.formats.openapi_rest import ANY_METHOD
from wsgw.formats.openapi_stages import EXTENSION as STAGES
from wsgw.formats.openapi_throttle import THROTTLE
from wsgw.formats.openapi_writer_integration import http_integration
from wsgw.formats.openapi_writer_rest import head, servers, tags
from wsgw.formats.openapi_writer_security import Schemes
from wsgw.formats.stage_entries import http_stage_entry

_DEFAULT_PATH = "/$default"


def http_openapi(document: Document, form: Form) -> dict[str, Any]:
    """The API of `document`, with the extensions that `form` wants."""
    ours: dict[str, Any] = document.get("x-wsgw", {})
    schemes = Schemes(document, form)
    integrations = _Integrations(document)
    paths = _paths(document, schemes, integrations, form)
    endpoint = present(
        disableExecuteApiEndpoint=document.get("disableExecuteApiEndpoint"),
        ipAddressType=document.get("ipAddressType"),
    )
    located = servers(ours, form.when("apigateway", endpoint))
    components = dict(ours.get("components", {}))
    shared = {**components.pop(INTEGRATIONS, {}), **integrations.shared}
    components = {
        **components,
        **({"securitySchemes": schemes.made} if schemes.made else {}),
        **(form.when("integrations", {INTEGRATIONS: shared}) if shared else {}),
    }
    return {
        "openapi": "3.0.1",
        "info": head(document, {}, form),
        **({"servers": located} if located else {}),
        **tags(document, ours, form),
        "paths": paths,
        **({"components": components} if components else {}),
        **form.when("apigateway", _extensions(document, ours)),
    }


class _Integrations:
    """The integrations of one document; `shared` are those that stand under components."""

    def __init__(self, document: Document) -> None:
        self._by_id = {one["integrationId"]: one for one in document.get("integrations", ())}
        self.shared: dict[str, Any] = {}

    def of(self, route: Document) -> dict[str, Any] | None:
        """What stands as the integration of `route`."""
        integration = self._by_id.get((route.get("target") or "").removeprefix("integrations/"))
        if integration is None:
            return None
        made = http_integration(integration)
        name = integration.get("x-wsgw", {}).get("component")
        if name is None:
            return made
        self.shared[name] = made
        return {"$ref": "#" + pointer(("components", INTEGRATIONS, name))}


def _paths(document: Document, schemes: Schemes, integrations: _Integrations, form: Form) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in document.get("routes", ()):
        key, ours = route["routeKey"], route.get("x-wsgw", {})
        verb, _, path = key.partition(" ")
        is_default = key == "$default"
        path = _DEFAULT_PATH if is_default else path
        item = paths.setdefault(path, {})
        for name, value in {**_declared(path), **ours.get("pathItem", {})}.items():
            item.setdefault(name, value)
        operation = {
            **_operation(route, key),
            **schemes.requirement(route),
            **({"isDefaultRoute": True} if is_default and form.has("apigateway") else {}),
        }
        made = integrations.of(route)
        if made is not None:
            operation |= form.when("integrations", {INTEGRATION: made})
        if throttle := ours.get("throttle"):
            operation |= form.when("apigateway", {THROTTLE: throttle})
        operation |= form.when("apigateway", ours.get("extensions", {}))
        item[ANY_METHOD if is_default or verb == "ANY" else verb.lower()] = operation
        item |= form.when("apigateway", ours.get("pathExtensions", {}))
    return paths


def _declared(path: str) -> dict[str, Any]:
    parameters = path_parameters(path)
    return {"parameters": parameters} if parameters else {}


def _operation(route: Document, key: str) -> dict[str, Any]:
    """What the route has of an operation; an import takes responses made here for none."""
    written = dict(route.get("x-wsgw", {}).get("operation", {}))
    responses = written.pop("responses", None)
    name = route.get("operationName")
    return {
        **written,
        **({"operationId": name} if name else {}),
        "responses": default_responses(key) if responses is None else responses,
    }


def _extensions(document: Document, ours: Document) -> dict[str, Any]:
    stages = {stage["stageName"]: http_stage_entry(stage) for stage in document.get("stages", ())}
    cors = document.get("corsConfiguration")
    return {
        **({} if cors is None else {CORS: cors}),
        VERSION: "1.0",
        **({STAGES: stages} if stages else {}),
        **ours.get("extensions", {}),
    }
