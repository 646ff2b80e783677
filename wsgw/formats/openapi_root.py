"""The root of an OpenAPI document: the members that a REST API itself has, and what stands beside its paths."""

from __future__ import annotations

import json
from typing import Any

from wsgw.definitions.check_rest import GATEWAY_RESPONSE_TYPES, MOST_COMPRESSION_SIZE
from wsgw.definitions.finding import Path
from wsgw.formats.openapi_documentation import EXTENSION as DOCUMENTATION
from wsgw.formats.openapi_extensions import MISPLACED
from wsgw.formats.openapi_ids import made_id
from wsgw.formats.openapi_place import Place, present

BINARY = "x-amazon-apigateway-binary-media-types"
COMPRESSION = "x-amazon-apigateway-minimum-compression-size"
ENDPOINT = "x-amazon-apigateway-endpoint-configuration"
KEY_SOURCE = "x-amazon-apigateway-api-key-source"
POLICY = "x-amazon-apigateway-policy"
RESPONSES = "x-amazon-apigateway-gateway-responses"
VALIDATOR, VALIDATORS = "x-amazon-apigateway-request-validator", "x-amazon-apigateway-request-validators"
TAG = "x-amazon-apigateway-tag-value"
SECURITY_POLICY, ACCESS_MODE = "x-amazon-apigateway-security-policy", "x-amazon-apigateway-endpoint-access-mode"
OURS = frozenset({"x-wsgw-api-id", "x-wsgw-protocol", "x-wsgw-stages", MISPLACED})
#: Extensions that the root of a REST API's document may have.
ROOT = OURS | {
    BINARY,
    COMPRESSION,
    ENDPOINT,
    KEY_SOURCE,
    POLICY,
    RESPONSES,
    VALIDATOR,
    VALIDATORS,
    SECURITY_POLICY,
    ACCESS_MODE,
    DOCUMENTATION,
}
_EVERY_ROOT = frozenset({"info", "paths", "security", "tags", "externalDocs"})
_OPENAPI_ROOT = _EVERY_ROOT | {"openapi", "jsonSchemaDialect", "servers", "components", "webhooks"}
_SWAGGER_ROOT = _EVERY_ROOT | {
    *("swagger", "host", "basePath", "schemes", "consumes", "produces"),
    *("definitions", "parameters", "responses", "securityDefinitions"),
}

Places = dict[Path, Path]


def root_members(root: Place) -> dict[str, Any]:
    """The members of the RestApi itself, but for id and name."""
    info = root.at("info")
    return {
        **present(
            description=info.text("description") or None,
            version=info.text("version") or None,
            binaryMediaTypes=root.texts(BINARY),
            minimumCompressionSize=root.number(COMPRESSION, 0, MOST_COMPRESSION_SIZE),
            policy=_policy(root.at(POLICY)) if POLICY in root else None,
            securityPolicy=root.text(SECURITY_POLICY),
            endpointAccessMode=root.text(ACCESS_MODE),
            apiKeySource=root.choice(KEY_SOURCE, frozenset({"HEADER", "AUTHORIZER"})),
            tags=tags_of(root) or None,
        ),
        **_endpoint(root),
    }


def check_members(root: Place) -> None:
    """Warn of members that the root of a document does not have: a guard with a slip in its name guards nothing."""
    root.has_only(_SWAGGER_ROOT if "swagger" in root else _OPENAPI_ROOT, "a document")


def tags_of(root: Place) -> dict[str, str]:
    """The API's tags: those of the document's that have a value."""
    tags = {}
    for tag in root.at("tags").items():
        if tag.is_mapping() and TAG in tag and (name := tag.text("name")) is not None:
            tags[name] = tag.text(TAG) or ""
    return tags


def for_export(root: Place, base_is_ignored: bool, without: frozenset[str]) -> dict[str, Any]:
    """What an export needs, as written: servers, components but for those `without`, and tags of operations.

    A base path that has become part of the API's paths is no server's any more.
    """
    tags = root.at("tags")
    plain = [tag for tag in tags.value or () if isinstance(tag, dict) and TAG not in tag] if _is_list(tags) else []
    components = root.at("components").value
    others = {name: one for name, one in components.items() if name not in without} if _is_map(components) else {}
    root.notes.kept |= {("components", name) for name in others} | {("servers",), ("tags",)}
    return {"tags": plain, "components": others, "servers": _servers(root) if base_is_ignored else []}


def _servers(root: Place) -> list[dict[str, Any]]:
    """The document's servers; those of Swagger in OpenAPI 3's form."""
    if "swagger" in root:
        host, base = (root.text("host") or "").partition("/")[0], (root.text("basePath") or "").lstrip("/")
        base = base and f"/{base}"
        schemes = (root.texts("schemes") or ["https"]) if host else []
        return [{"url": f"{scheme}://{host}{base}"} for scheme in schemes] or ([{"url": base}] if base else [])
    servers = root.at("servers")
    found = [server for server in servers.value if isinstance(server, dict)] if _is_list(servers) else []
    bare = [{key: value for key, value in server.items() if key != ENDPOINT} for server in found]
    # What OpenAPI takes where there are none, which an export writes for the sake of its extension.
    return [] if bare in ([{"url": "/"}], [{}]) else bare


def _is_list(place: Place) -> bool:
    return isinstance(place.value, list)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def validators_of(place: Place) -> list[dict[str, Any]]:
    for _, validator in place.members():
        validator.has_only(("validateRequestBody", "validateRequestParameters"), "a request validator")
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


def gateway_responses_of(place: Place, places: Places, at: Path) -> list[dict[str, Any]]:
    responses: dict[str, dict[str, Any]] = {}
    for name, response in place.members():
        if name.upper() not in GATEWAY_RESPONSE_TYPES:
            response.error(f"there is no gateway response {name[:100]!r}", "DEFAULT_4XX and DEFAULT_5XX cover the rest")
            continue
        if not response.is_mapping():
            continue
        response.has_only(("statusCode", "responseParameters", "responseTemplates"), "a gateway response")
        places[(*at, "gatewayResponses", name.upper())] = response.path
        if name.upper() in responses:
            response.warn(f"there are two gateway responses {name.upper()}: the last is taken", "remove one")
        responses[name.upper()] = {
            "responseType": name.upper(),
            **present(
                statusCode=response.text("statusCode"),
                responseParameters=response.text_map("responseParameters"),
                responseTemplates=response.text_map("responseTemplates"),
            ),
        }
    return list(responses.values())


def _policy(place: Place) -> str | None:
    """The resource policy as JSON text; it may be written as a mapping or as that."""
    policy = place.value
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except (ValueError, RecursionError):
            policy = None
    if not isinstance(policy, dict):
        # An error: whoever wrote a policy must not find the API open.
        place.error("the policy is no JSON object", "write it as IAM policies are")
        return None
    return json.dumps(policy)


def _endpoint(root: Place) -> dict[str, Any]:
    """endpointConfiguration and disableExecuteApiEndpoint, of the whole document or of its first server."""
    server = root.at("servers").at(0)
    place = root.at(ENDPOINT) if ENDPOINT in root else server.at(ENDPOINT)
    if place.value is None or not place.is_mapping():
        return {}
    configuration = present(
        types=place.texts("types"),
        vpcEndpointIds=place.texts("vpcEndpointIds"),
        ipAddressType=place.text("ipAddressType"),
    )
    return {
        **({"endpointConfiguration": configuration} if configuration else {}),
        **present(disableExecuteApiEndpoint=place.flag("disableExecuteApiEndpoint")),
    }
