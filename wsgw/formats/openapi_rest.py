"""An OpenAPI 3 or Swagger 2 document → the document of a REST API, in v1's shapes.

Source: developer guide, "Develop REST APIs using OpenAPI in API Gateway" and "OpenAPI extensions for API Gateway".
"""

from __future__ import annotations

import json
from typing import Any

from wsgw.definitions.finding import Path
from wsgw.formats.openapi_documentation import EXTENSION as DOCUMENTATION
from wsgw.formats.openapi_documentation import Documentation
from wsgw.formats.openapi_extensions import elsewhere, extended, kept
from wsgw.formats.openapi_ids import made_id
from wsgw.formats.openapi_integration import INTEGRATION
from wsgw.formats.openapi_method import Shared, method_of
from wsgw.formats.openapi_models import Models
from wsgw.formats.openapi_paths import BasePathMode, Tree, base_path, placed
from wsgw.formats.openapi_place import Place
from wsgw.formats.openapi_security import Security
from wsgw.formats.openapi_stages import rest_stages

ANY_METHOD = "x-amazon-apigateway-any-method"
_BINARY = "x-amazon-apigateway-binary-media-types"
_COMPRESSION = "x-amazon-apigateway-minimum-compression-size"
_ENDPOINT = "x-amazon-apigateway-endpoint-configuration"
_KEY_SOURCE = "x-amazon-apigateway-api-key-source"
_POLICY = "x-amazon-apigateway-policy"
_RESPONSES = "x-amazon-apigateway-gateway-responses"
_VALIDATOR, _VALIDATORS = "x-amazon-apigateway-request-validator", "x-amazon-apigateway-request-validators"
_TAG = "x-amazon-apigateway-tag-value"
_SECURITY_POLICY, _ACCESS_MODE = "x-amazon-apigateway-security-policy", "x-amazon-apigateway-endpoint-access-mode"
OURS = frozenset({"x-wsgw-api-id", "x-wsgw-protocol", "x-wsgw-stages"})
_ROOT = OURS | {
    _BINARY,
    _COMPRESSION,
    _ENDPOINT,
    _KEY_SOURCE,
    _POLICY,
    _RESPONSES,
    _VALIDATOR,
    _VALIDATORS,
    _SECURITY_POLICY,
    _ACCESS_MODE,
    DOCUMENTATION,
}
VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
_MOST_COMPRESSION = 10_485_760
_GATEWAY_RESPONSES = frozenset(
    {
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
    }
)

Places = dict[Path, Path]


def rest_document(
    root: Place, api_id: str, name: str, base: BasePathMode, ignore_documentation: bool
) -> tuple[dict[str, Any], Places]:
    """The document, and where each part of the Api made from it stands in the one that was read."""
    section = root.at("definitions") if "swagger" in root else root.at("components").at("schemas")
    models = Models(section, api_id)
    schemes = root.at("securityDefinitions") if "swagger" in root else root.at("components").at("securitySchemes")
    validators = _validators(root.at(_VALIDATORS))
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
        (*at, "binaryMediaTypes"): (_BINARY,),
        (*at, "minimumCompressionSize"): (_COMPRESSION,),
        (*at, "policy"): (_POLICY,),
        (*at, "gatewayResponses"): (_RESPONSES,),
        (*at, "endpointConfiguration"): (_ENDPOINT,),
    }
    resources = _resources(root, base, shared, places)
    places |= {(*at, "models", model): place.path for model, place in models.places.items()}
    stages = rest_stages(root, places, at)
    endpoint = _endpoint(root)
    info = root.at("info")
    document = {
        "protocolType": "REST",
        "id": api_id,
        "name": name,
        **_present(
            description=info.text("description") or None,
            version=info.text("version"),
            binaryMediaTypes=root.texts(_BINARY),
            minimumCompressionSize=root.number(_COMPRESSION, 0, _MOST_COMPRESSION),
            policy=_policy(root.at(_POLICY)) if _POLICY in root else None,
            securityPolicy=root.text(_SECURITY_POLICY),
            endpointAccessMode=root.text(_ACCESS_MODE),
            apiKeySource=root.choice(_KEY_SOURCE, frozenset({"HEADER", "AUTHORIZER"})),
            tags=tags_of(root) or None,
        ),
        **endpoint,
        "rootResourceId": resources[0]["id"],
        "resources": resources,
        "authorizers": shared.security.authorizers,
        "models": models.with_defaults(),
        "requestValidators": validators,
        "gatewayResponses": _gateway_responses(root.at(_RESPONSES), places, at),
        "documentationParts": shared.documentation.parts(),
        "stages": stages,
    }
    extensions = kept(root, _ROOT)
    info_extensions = kept(info)
    others = elsewhere(root.notes)
    document |= extended(
        extensions=extensions,
        infoExtensions=info_extensions,
        extensionsAt=others,
        securitySchemes=shared.security.others,
        documentation=shared.documentation.version,
        defaultRequestValidator=root.text(_VALIDATOR),
        basePath=base_path(root) if base == "ignore" else "",
    )
    return document, places


def tags_of(root: Place) -> dict[str, str]:
    """The API's tags: those of the document's that have a value."""
    tags = {}
    for tag in root.at("tags").items():
        if tag.is_mapping() and _TAG in tag and (name := tag.text("name")) is not None:
            tags[name] = tag.text(_TAG) or ""
    return tags


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
        (*at, "authorizationType"): security,
        (*at, "integration"): integration,
        (*at, "integration", "integrationResponses"): (*integration, "responses"),
    }
    for status, response in method.get("methodIntegration", {}).get("integrationResponses", {}).items():
        key = response.get("selectionPattern", "default")
        places[(*at, "integration", "integrationResponses", status)] = (*integration, "responses", key)
    return places


def _validators(place: Place) -> list[dict[str, Any]]:
    return [
        {
            "id": made_id(6, "validator", name),
            "name": name,
            "validateRequestBody": validator.flag("validateRequestBody") or False,
            "validateRequestParameters": validator.flag("validateRequestParameters") or False,
        }
        for name, validator in place.members()
        if validator.is_mapping()
    ]


def _gateway_responses(place: Place, places: Places, at: Path) -> list[dict[str, Any]]:
    responses = []
    for name, response in place.members():
        if name.upper() not in _GATEWAY_RESPONSES:
            response.error(f"there is no gateway response {name[:100]!r}", "DEFAULT_4XX and DEFAULT_5XX cover the rest")
            continue
        if not response.is_mapping():
            continue
        places[(*at, "gatewayResponses", name.upper())] = response.path
        responses.append(
            {
                "responseType": name.upper(),
                **_present(
                    statusCode=response.text("statusCode"),
                    responseParameters=response.text_map("responseParameters"),
                    responseTemplates=response.text_map("responseTemplates"),
                ),
            }
        )
    return responses


def _policy(place: Place) -> str | None:
    """The resource policy as JSON text; it may be written as a mapping or as that."""
    policy = place.value
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError:
            policy = None
    if not isinstance(policy, dict):
        # An error: whoever wrote a policy must not find the API open.
        place.error("the policy is no JSON object", "write it as IAM policies are")
        return None
    return json.dumps(policy)


def _endpoint(root: Place) -> dict[str, Any]:
    """endpointConfiguration and disableExecuteApiEndpoint, of the whole document or of its first server."""
    server = root.at("servers").at(0)
    place = root.at(_ENDPOINT) if _ENDPOINT in root else server.at(_ENDPOINT)
    if place.value is None or not place.is_mapping():
        return {}
    configuration = _present(
        types=place.texts("types"),
        vpcEndpointIds=place.texts("vpcEndpointIds"),
        ipAddressType=place.text("ipAddressType"),
    )
    return {
        **({"endpointConfiguration": configuration} if configuration else {}),
        **_present(disableExecuteApiEndpoint=place.flag("disableExecuteApiEndpoint")),
    }


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
