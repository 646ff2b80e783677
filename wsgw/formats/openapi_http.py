"""An OpenAPI 3 document → the document of an HTTP API, in v2's shapes.

Source: developer guide, "Working with OpenAPI definitions for HTTP APIs".
"""

from __future__ import annotations

import re
from typing import Any

from wsgw.definitions.finding import Path
from wsgw.formats.openapi_extensions import elsewhere, extended, kept
from wsgw.formats.openapi_ids import made_id
from wsgw.formats.openapi_integration import INTEGRATION, http_integration
from wsgw.formats.openapi_paths import VERBS, BasePathMode, base_path, check_item, placed
from wsgw.formats.openapi_place import Place, present
from wsgw.formats.openapi_rest import ANY_METHOD
from wsgw.formats.openapi_root import ENDPOINT, OURS, Places, for_export, tags_of
from wsgw.formats.openapi_security import Security
from wsgw.formats.openapi_stages import http_stages
from wsgw.formats.openapi_throttle import THROTTLE, throttle_of

CORS, INTEGRATIONS = "x-amazon-apigateway-cors", "x-amazon-apigateway-integrations"
VERSION = "x-amazon-apigateway-importexport-version"
_DEFAULT = "/$default"
_MOST_AGE = 86_400
# Valid, and nothing of it has an effect: API Gateway lists it in importInfo.
_ITEM = ("parameters", "summary", "description", "servers")
_VARIABLE = re.compile(r"\{([^{}+]+)\+?\}")
_INFO = ("requestBody", "parameters", "summary", "description", "tags", "externalDocs", "callbacks", "servers")


def http_document(root: Place, api_id: str, name: str, base: BasePathMode) -> tuple[dict[str, Any], Places]:
    """The document, and where each part of the Api made from it stands in the one that was read."""
    if "swagger" in root:
        root.at("swagger").error("HTTP APIs are imported from OpenAPI 3 only", "convert it, or make it a REST API")
    at: Path = ("apis", api_id)
    places: Places = {
        at: (),
        (*at, "routes"): ("paths",),
        (*at, "cors"): (CORS,),
        (*at, "authorizers"): ("components", "securitySchemes"),
    }
    routes = _Routes(root, base, places, at)
    places |= routes.security.places(at)
    info, server = root.at("info"), root.at("servers").at(0)
    endpoint = root.at(ENDPOINT) if ENDPOINT in root else server.at(ENDPOINT)
    document = {
        "protocolType": "HTTP",
        "apiId": api_id,
        "name": name,
        "routeSelectionExpression": "$request.method $request.path",
        "apiKeySelectionExpression": "$request.header.x-api-key",
        **present(
            description=info.text("description") or None,
            version=info.text("version") or None,
            corsConfiguration=_cors(root.at(CORS)),
            disableExecuteApiEndpoint=endpoint.flag("disableExecuteApiEndpoint"),
            ipAddressType=endpoint.text("ipAddressType"),
            tags=tags_of(root) or None,
        ),
        "routes": routes.routes,
        "integrations": list(routes.integrations.values()),
        "authorizers": routes.security.authorizers,
        "models": [],
        "stages": http_stages(root, places, at),
    }
    root.at(VERSION)
    components = root.at("components")
    components.at(INTEGRATIONS)
    if "schemas" in components:
        components.at("schemas").inform("HTTP APIs check no bodies: schemas have no effect")
    extensions = kept(root, OURS | {CORS, VERSION, ENDPOINT})
    info_extensions = kept(info)
    kept_whole = for_export(root, base == "ignore", frozenset({"securitySchemes", INTEGRATIONS}))
    if unused := routes.unused(components.at(INTEGRATIONS)):
        kept_whole["components"][INTEGRATIONS] = unused
    document |= extended(
        extensions=extensions,
        infoExtensions=info_extensions,
        extensionsAt=elsewhere(root.notes),
        securitySchemes=routes.security.others,
        basePath=base_path(root) if base == "ignore" else "",
        **kept_whole,
    )
    return document, places


class _Routes:
    """The routes of one document, their integrations by where they stand, and what guards them."""

    def __init__(self, root: Place, base: BasePathMode, places: Places, api: Path) -> None:
        self._root, self._places, self._api = root, places, api
        self.security = Security(root.at("components").at("securitySchemes"), is_http=True)
        self.integrations: dict[Path, dict[str, Any]] = {}
        self.routes: list[dict[str, Any]] = []
        self._keys: set[str] = set()
        prefix = base_path(root) if base != "ignore" else ""
        for path, item in root.at("paths").members():
            if path.startswith("x-"):
                continue
            if not path.startswith("/"):
                item.error("a path begins with a slash", f"write it as /{path[:100]}")
            item = item.resolved()
            if item.value is not None and item.is_mapping():
                self._item(path if path == _DEFAULT else placed(path, prefix, base), item)

    def _item(self, path: str, item: Place) -> None:
        check_item(item)
        extensions = kept(item, (ANY_METHOD,))
        whole = {name: item.value[name] for name in _ITEM if name in item}
        item.notes.kept |= {(*item.path, name) for name in whole}
        if whole.get("parameters") == path_parameters(path):
            del whole["parameters"]
        if "trace" in item:
            item.at("trace").warn("HTTP APIs have no TRACE routes: it is left out")
        if "parameters" in item:
            item.at("parameters").inform("it has no effect in an HTTP API")
        for key in (*VERBS, ANY_METHOD):
            if key not in item or not item.at(key).is_mapping():
                continue
            operation = item.at(key)
            if key == ANY_METHOD and (operation.flag("isDefaultRoute") or path == _DEFAULT):
                route_key = "$default"
            else:
                route_key = f"{'ANY' if key == ANY_METHOD else key.upper()} {path}"
            if route_key in self._keys:
                operation.error(f"there are two routes {route_key}", "remove one")
            self._keys.add(route_key)
            self._route(route_key, operation, {"pathExtensions": extensions, "pathItem": whole})

    def unused(self, integrations: Place) -> dict[str, Any]:
        """The integrations under components that no route refers to, as written."""
        used = {path[-1] for path in self.integrations if path[:-1] == integrations.path}
        return {name: one.value for name, one in integrations.members() if name not in used}

    def _route(self, key: str, operation: Place, of_item: dict[str, Any]) -> None:
        guard = self.security.guard(operation, self._root)
        if guard.api_key_required:
            security = (operation if "security" in operation else self._root).at("security")
            security.warn("HTTP APIs have no API keys: API Gateway guards nothing by this", "remove it")
            guard = guard._replace(written=security.value)
        for name in _INFO:
            if name in operation:
                operation.at(name).inform("it has no effect in an HTTP API")
        place = operation.at(INTEGRATION)
        place = place.resolved() if place.value is not None else place
        target = self._integration(place)
        operation_name = operation.text("operationId")
        whole = {name: operation.value[name] for name in (*_INFO, "responses") if name in operation}
        operation.notes.kept |= {(*operation.path, name) for name in whole}
        if whole.get("responses") == default_responses(key):
            del whole["responses"]
        self.routes.append(
            {
                "routeId": made_id(7, "route", key),
                "routeKey": key,
                **guard.members(),
                **({"target": f"integrations/{target}"} if target else {}),
                **({"operationName": operation_name} if operation_name else {}),
                **extended(
                    extensions=kept(operation, (INTEGRATION, "x-amazon-apigateway-auth", THROTTLE)),
                    operation=whole,
                    **of_item,
                    security=guard.written,
                    throttle=throttle_of(operation),
                ),
            }
        )
        at: Path = (*self._api, "routes", key)
        self._places[at] = operation.path
        self._places[(*at, "integration")] = place.path
        guarded = (*(operation.path if "security" in operation else ()), "security")
        members = ("authorizationType", "authorizer", "authorizationScopes", "apiKeyRequired")
        self._places |= {(*at, member): guarded for member in members}

    def _integration(self, place: Place) -> str | None:
        """The id of the integration at `place`; routes that refer to the same one share it."""
        if place.value is None:
            return None
        if place.path not in self.integrations:
            made = http_integration(place)
            if made is None:
                return None
            shared = place.path[-1] if place.path[:2] == ("components", INTEGRATIONS) else None
            integration_id = made_id(7, "integration", *map(str, place.path))
            ours = {**made.pop("x-wsgw", {}), **({"component": shared} if shared else {})}
            self.integrations[place.path] = {"integrationId": integration_id, **made, **extended(**ours)}
        return str(self.integrations[place.path]["integrationId"])


def default_responses(route_key: str) -> dict[str, Any]:
    """The responses that an export writes for a route without: OpenAPI wants some."""
    return {"default": {"description": f"Default response for {route_key}"}}


def path_parameters(path: str) -> list[dict[str, Any]]:
    """The parameters that an export declares for the variables of `path`: OpenAPI wants them declared."""
    return [
        {
            "name": name,
            "in": "path",
            "description": f"Generated path parameter for {name}",
            "required": True,
            "schema": {"type": "string"},
        }
        for name in dict.fromkeys(_VARIABLE.findall(path))
    ]


def _cors(place: Place) -> dict[str, Any] | None:
    if place.value is None or not place.is_mapping():
        return None
    known = ("allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders", "maxAge", "allowCredentials")
    for key, member in place.members():
        if key not in known:
            member.warn("there is no such CORS setting: it has no effect", f"known are {', '.join(known)}")
    return present(
        allowOrigins=place.texts("allowOrigins"),
        allowMethods=place.texts("allowMethods"),
        allowHeaders=place.texts("allowHeaders"),
        exposeHeaders=place.texts("exposeHeaders"),
        maxAge=place.number("maxAge", -1, _MOST_AGE),
        allowCredentials=place.flag("allowCredentials"),
    )
