"""An OpenAPI 3 or Swagger 2 document → the document of a REST API, in v1's shapes.

Source: developer guide, "Develop REST APIs using OpenAPI in API Gateway" and "OpenAPI extensions for API Gateway".
"""

from __future__ import annotations

from typing import Any

from wsgw.definitions.finding import Path
from wsgw.formats.openapi_documentation import Documentation
from wsgw.formats.openapi_extensions import elsewhere, extended, kept
from wsgw.formats.openapi_integration import INTEGRATION
from wsgw.formats.openapi_method import Shared, method_of
from wsgw.formats.openapi_models import Models
from wsgw.formats.openapi_paths import VERBS, BasePathMode, Tree, base_path, check_item, placed
from wsgw.formats.openapi_place import Place
from wsgw.formats.openapi_root import (
    ACCESS_MODE,
    BINARY,
    COMPRESSION,
    ENDPOINT,
    POLICY,
    RESPONSES,
    ROOT,
    SECURITY_POLICY,
    VALIDATOR,
    VALIDATORS,
    Places,
    for_export,
    gateway_responses_of,
    root_members,
    validators_of,
)
from wsgw.formats.openapi_security import Security
from wsgw.formats.openapi_stages import rest_stages

ANY_METHOD = "x-amazon-apigateway-any-method"


def rest_document(
    root: Place, api_id: str, name: str, base: BasePathMode, ignore_documentation: bool
) -> tuple[dict[str, Any], Places]:
    """The document, and where each part of the Api made from it stands in the one that was read."""
    section = root.at("definitions") if "swagger" in root else root.at("components").at("schemas")
    models = Models(section, api_id)
    schemes = root.at("securityDefinitions") if "swagger" in root else root.at("components").at("securitySchemes")
    validators = validators_of(root.at(VALIDATORS))
    shared = Shared(
        root,
        models,
        Security(schemes, is_http=False),
        {validator["name"]: validator["id"] for validator in validators},
        Documentation(root, ignore_documentation),
    )
    at: Path = ("apis", api_id)
    places: Places = {
        at: (),
        (*at, "routes"): ("paths",),
        (*at, "authorizers"): schemes.path,
        (*at, "models"): section.path,
        (*at, "binaryMediaTypes"): (BINARY,),
        (*at, "minimumCompressionSize"): (COMPRESSION,),
        (*at, "policy"): (POLICY,),
        (*at, "gatewayResponses"): (RESPONSES,),
        (*at, "endpointConfiguration"): (ENDPOINT,),
        (*at, "securityPolicy"): (SECURITY_POLICY,),
        (*at, "endpointAccessMode"): (ACCESS_MODE,),
    }
    resources = _resources(root, base, shared, places)
    places |= shared.security.places(at)
    places |= {(*at, "models", model): place.path for model, place in models.places.items()}
    stages = rest_stages(root, places, at)
    document = {
        "protocolType": "REST",
        "id": api_id,
        "name": name,
        **root_members(root),
        "rootResourceId": resources[0]["id"],
        "resources": resources,
        "authorizers": shared.security.authorizers,
        "models": models.with_defaults(),
        "requestValidators": validators,
        "gatewayResponses": gateway_responses_of(root.at(RESPONSES), places, at),
        "documentationParts": shared.documentation.parts(),
        "stages": stages,
    }
    extensions = kept(root, ROOT)
    info_extensions = kept(root.at("info"))
    kept_whole = for_export(root, base == "ignore", frozenset({"schemas", "securitySchemes"}))
    kept_whole["components"] = models.renamed(kept_whole["components"])
    others = elsewhere(root.notes)
    document |= extended(
        extensions=extensions,
        infoExtensions=info_extensions,
        extensionsAt=others,
        securitySchemes=shared.security.others,
        documentation=shared.documentation.version,
        defaultRequestValidator=root.text(VALIDATOR),
        basePath=base_path(root) if base == "ignore" else "",
        **kept_whole,
    )
    return document, places


def _resources(root: Place, base: BasePathMode, shared: Shared, places: Places) -> list[dict[str, Any]]:
    tree = Tree()
    prefix = base_path(root) if base != "ignore" else ""
    api: Path = next(iter(places))
    for path, item in root.at("paths").members():
        if path.startswith("x-"):
            continue
        # What stands below a path that cannot be is read too: all that is wrong is found at once.
        resource = tree.add(placed(path, prefix, base), item) or {"id": "", "path": path, "resourceMethods": {}}
        item = item.resolved()
        if item.value is None or not item.is_mapping():
            continue
        check_item(item)
        shared.documentation.resource(item, resource["path"])
        if "trace" in item:
            item.at("trace").warn("API Gateway has no TRACE methods: it is left out")
        for key in (*VERBS, ANY_METHOD):
            if key not in item or not item.at(key).is_mapping():
                continue
            verb = "ANY" if key == ANY_METHOD else key.upper()
            operation = item.at(key)
            if verb in resource["resourceMethods"]:
                operation.error(f"there are two methods {verb} {resource['path']}", "remove one")
            resource["resourceMethods"][verb] = method_of(operation, item, resource, verb, shared)
            at: Path = (*api, "routes", f"{verb} {resource['path']}")
            places |= _places_of(at, operation, resource["resourceMethods"][verb])
        if extensions := kept(item, (ANY_METHOD,)):
            resource.setdefault("x-wsgw", {}).setdefault("extensions", {}).update(extensions)
    return list(tree.resources.values())


def _places_of(at: Path, operation: Place, method: dict[str, Any]) -> Places:
    """Where the parts of the route `at`, made from `operation`, stand."""
    integration = (*operation.path, INTEGRATION)
    security = (*(operation.path if "security" in operation else ()), "security")
    places: Places = {
        at: operation.path,
        (*at, "apiKeyRequired"): security,
        (*at, "authorizer"): security,
        (*at, "authorizationScopes"): security,
        (*at, "authorizationType"): security,
        (*at, "integration"): integration,
        (*at, "integration", "integrationResponses"): (*integration, "responses"),
    }
    for status, response in method.get("methodIntegration", {}).get("integrationResponses", {}).items():
        key = response.get("selectionPattern", "default")
        places[(*at, "integration", "integrationResponses", status)] = (*integration, "responses", key)
    return places
