"""`x-amazon-apigateway-integration` of an OpenAPI document → a REST API's Integration, or an HTTP API's."""

from __future__ import annotations

from typing import Any

from wsgw.definitions.check_parts import LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS
from wsgw.definitions.route import TIMEOUT_MS
from wsgw.formats.openapi_extensions import extended
from wsgw.formats.openapi_place import Place, present

INTEGRATION = "x-amazon-apigateway-integration"
_REST_TYPES = frozenset({"HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY", "MOCK", "PYTHON"})
_HTTP_TYPES = frozenset({"HTTP_PROXY", "AWS_PROXY", "PYTHON"})
_VERBS = frozenset({"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"})
_PASSTHROUGH = frozenset({"WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"})
_CONTENT_HANDLING = frozenset({"CONVERT_TO_BINARY", "CONVERT_TO_TEXT"})
_CONNECTIONS = frozenset({"INTERNET", "VPC_LINK"})
_TRANSFER = frozenset({"BUFFERED", "STREAM"})
_RESPONSE_MEMBERS = frozenset({"statusCode", "responseParameters", "responseTemplates", "contentHandling"})
_REST_MEMBERS = frozenset(
    {
        "type",
        "uri",
        "httpMethod",
        "credentials",
        "connectionType",
        "connectionId",
        "requestParameters",
        "requestTemplates",
        "responses",
        "passthroughBehavior",
        "contentHandling",
        "cacheKeyParameters",
        "cacheNamespace",
        "timeoutInMillis",
        "tlsConfig",
        "responseTransferMode",
        "integrationTarget",
    }
)
_HTTP_MEMBERS = frozenset(
    {
        "type",
        "uri",
        "httpMethod",
        "payloadFormatVersion",
        "integrationSubtype",
        "credentials",
        "connectionType",
        "connectionId",
        "requestParameters",
        "responseParameters",
        "timeoutInMillis",
        "tlsConfig",
        "description",
    }
)
# What an export of the other kind of API writes too: it says nothing here.
_REST_SILENT = frozenset({"payloadFormatVersion"})
_HTTP_SILENT = frozenset({"passthroughBehavior", "responses", "requestTemplates", "contentHandling", "cacheNamespace"})


def rest_integration(place: Place, resource: dict[str, Any], verb: str) -> dict[str, Any] | None:
    """The Integration of the method `verb` of `resource`, in v1's shape; None, and an error, where it is none."""
    place = place.resolved()
    if not place.is_mapping():
        return None
    kind = _type(place, _REST_TYPES)
    if kind is None:
        return None
    owner = f" of resource '{resource['path']}' and method '{verb}'"
    target = _target(place, kind)
    has_connection = kind in ("HTTP", "HTTP_PROXY")
    tls = _tls(place, "insecureSkipVerification")
    return {
        "type": kind,
        **target,
        **present(
            connectionType=place.choice("connectionType", _CONNECTIONS) or ("INTERNET" if has_connection else None),
            connectionId=place.text("connectionId"),
            credentials=place.text("credentials"),
            requestParameters=place.text_map("requestParameters", owner),
            requestTemplates=place.text_map("requestTemplates", owner),
            contentHandling=place.choice("contentHandling", _CONTENT_HANDLING),
            responseTransferMode=place.choice("responseTransferMode", _TRANSFER),
            integrationTarget=place.text("integrationTarget"),
            tlsConfig=present(insecureSkipVerification=tls.flag("insecureSkipVerification")) or None,
        ),
        "passthroughBehavior": place.choice("passthroughBehavior", _PASSTHROUGH) or "WHEN_NO_MATCH",
        "timeoutInMillis": place.number("timeoutInMillis", LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS) or TIMEOUT_MS,
        "cacheNamespace": place.text("cacheNamespace") or resource["id"],
        "cacheKeyParameters": place.texts("cacheKeyParameters") or [],
        "integrationResponses": _responses(place.at("responses"), owner),
        **_unknown(place, _REST_MEMBERS, _REST_SILENT),
    }


def http_integration(place: Place) -> dict[str, Any] | None:
    """The Integration at `place` in v2's shape, without its id; None where there is none that an HTTP API has."""
    if not place.is_mapping():
        return None
    text = place.text("type")
    if text is not None and text.upper() in _REST_TYPES - _HTTP_TYPES:
        place.at("type").warn(f"HTTP APIs have no {text.lower()} integrations: it is left out", "use http_proxy")
        return None
    kind = _type(place, _HTTP_TYPES)
    if kind is None:
        return None
    subtype = place.text("integrationSubtype")
    tls = _tls(place, "serverNameToVerify")
    statuses = place.at("responseParameters")
    return {
        "integrationType": kind,
        **({"integrationSubtype": subtype} if subtype else _renamed(_target(place, kind))),
        "connectionType": place.choice("connectionType", _CONNECTIONS) or "INTERNET",
        "payloadFormatVersion": place.choice("payloadFormatVersion", frozenset({"1.0", "2.0"})) or "1.0",
        **present(
            connectionId=place.text("connectionId"),
            credentialsArn=place.text("credentials"),
            requestParameters=place.text_map("requestParameters"),
            responseParameters={status: statuses.text_map(status) or {} for status, _ in statuses.members()} or None,
            timeoutInMillis=place.number("timeoutInMillis", LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS),
            tlsConfig=present(serverNameToVerify=tls.text("serverNameToVerify")) or None,
            description=place.text("description"),
        ),
        **_unknown(place, _HTTP_MEMBERS, _HTTP_SILENT),
    }


def _tls(place: Place, member: str) -> Place:
    tls = place.at("tlsConfig")
    if tls.value is not None and tls.is_mapping():
        tls.has_only((member,), "the tlsConfig of this kind of API")
    return tls


def _type(place: Place, known: frozenset[str]) -> str | None:
    if "type" not in place:
        place.error("the integration's type is missing", "add it, as type: http_proxy")
    return place.choice("type", known)


def _target(place: Place, kind: str) -> dict[str, str]:
    """The uri and httpMethod of an integration of the type `kind`; a MOCK has neither."""
    if kind == "MOCK":
        return {}
    uri, verb = place.text("uri"), place.choice("httpMethod", _VERBS)
    if not uri:
        place.error("the integration's uri is missing", "say what it calls, as uri: https://example.com/pets")
    if kind == "PYTHON":
        return present(uri=uri)
    if verb is None and place.text("httpMethod") is None:
        remedy = "add httpMethod: POST" if kind.startswith("AWS") else "add httpMethod: GET, or ANY for the caller's"
        place.error("the integration's httpMethod is missing", remedy)
    return present(httpMethod=verb, uri=uri)


def _renamed(target: dict[str, str]) -> dict[str, str]:
    names = {"httpMethod": "integrationMethod", "uri": "integrationUri"}
    return {names[name]: value for name, value in target.items()}


def _responses(place: Place, owner: str) -> dict[str, dict[str, Any]]:
    """IntegrationResponses by status; a key other than `default` is the pattern that selects one."""
    responses: dict[str, dict[str, Any]] = {}
    for pattern, response in place.members():
        if not response.is_mapping():
            continue
        response.has_only(_RESPONSE_MEMBERS, "an integration response")
        status = response.text("statusCode")
        if status is None:
            status = pattern if pattern.isdecimal() else "200"
            response.warn(f"the statusCode is missing: {status} is taken", f'add statusCode: "{status}"')
        if status in responses:
            response.warn(f"there are two integration responses of status {status}: the last is taken", "remove one")
        responses[status] = {
            "statusCode": status,
            **({} if pattern == "default" else {"selectionPattern": pattern}),
            **present(
                responseParameters=response.text_map("responseParameters", owner),
                responseTemplates=response.text_map("responseTemplates", owner),
                contentHandling=response.choice("contentHandling", _CONTENT_HANDLING),
            ),
        }
    return responses


def _unknown(place: Place, known: frozenset[str], silent: frozenset[str]) -> dict[str, Any]:
    """Members that an integration doesn't have; each is reported, and kept."""
    unknown = {key: value for key, value in place.value.items() if key not in known and key != "$ref"}
    for key in unknown:
        member = place.at(key)
        if key in silent:
            member.inform("an integration of this kind of API does not have it: it is kept, and has no effect")
        else:
            member.warn("an integration has no such member: it is kept, and has no effect")
    return extended(members=unknown)
