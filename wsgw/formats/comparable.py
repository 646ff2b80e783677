"""Documents without what means nothing: ids, defaults, order, the spelling of JSON: to ask whether two are one API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from wsgw.definitions.finding import Path
from wsgw.definitions.freeze_parts import Document
from wsgw.definitions.model_schema import DEFAULT_MODELS, MODEL_ADDRESS
from wsgw.definitions.route import TIMEOUT_MS

_REST_DEFAULTS: dict[str, Any] = {
    "passthroughBehavior": "WHEN_NO_MATCH",
    "timeoutInMillis": TIMEOUT_MS,
    "connectionType": "INTERNET",
    "responseTransferMode": "BUFFERED",
}
_HTTP_DEFAULTS: dict[str, Any] = {"connectionType": "INTERNET", "payloadFormatVersion": "1.0"}
_GUARD_DEFAULTS = {"authorizationType": "NONE", "apiKeyRequired": False}
#: Members that say who may call: an API without them would be open.
GUARDS = frozenset(
    {
        "authorizationType",
        "authorizerId",
        "authorizationScopes",
        "apiKeyRequired",
        "policy",
        "webAcl",
        "webAclArn",
        "callerThrottles",
        "tokens",
        "tokenExpiry",
        "authorizeMessages",
    }
)
_UNIMPORTANT = ("rootResourceId", "createdDate")


def comparable(document: Document) -> dict[str, Any]:
    """What `document` says, by names: equal for two documents of one API, wherever they come from."""
    made = {key: value for key, value in document.items() if key not in _UNIMPORTANT}
    if "servers" in made.get("x-wsgw", {}):
        made["x-wsgw"] = {**made["x-wsgw"], "servers": list(map(_url, made["x-wsgw"]["servers"]))}
    made = _rest(made) if document["protocolType"] == "REST" else _v2(made)
    filled = _filled(made)
    return filled if isinstance(filled, dict) else {}


def differences(before: Document, after: Document) -> list[Path]:
    """The paths, in the comparable form of `before`, at which `after` says something else or nothing."""
    return list(_differences(comparable(before), comparable(after), ()))


def _differences(before: Any, after: Any, path: Path) -> Iterator[Path]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from _differences(value, after.get(key), (*path, key))
    elif before != after:
        yield path


def _rest(made: dict[str, Any]) -> dict[str, Any]:
    authorizers = {one["id"]: one.get("name", one["id"]) for one in made.get("authorizers", ())}
    validators = {one["id"]: one.get("name", one["id"]) for one in made.get("requestValidators", ())}
    resources = made.pop("resources", ())
    made["routes"] = {
        f"{verb} {resource['path']}": _method(method, resource, authorizers, validators)
        for resource in resources
        for verb, method in resource.get("resourceMethods", {}).items()
    }
    made["resources"] = {one["path"]: one.get("x-wsgw") for one in resources}
    if policy := made.get("policy"):
        made["policy"] = json.dumps(json.loads(policy), sort_keys=True)
    made["authorizers"] = {
        name: {**one, "identitySource": _listed(one.get("identitySource"))}
        for name, one in _named(made.get("authorizers", ())).items()
    }
    made["requestValidators"] = _named(made.get("requestValidators", ()))
    made["models"] = _models(made.get("models", ()))
    made["gatewayResponses"] = {
        one["responseType"]: {key: value for key, value in one.items() if (key, value) != ("defaultResponse", False)}
        for one in made.get("gatewayResponses", ())
    }
    parts = {
        json.dumps(one["location"], sort_keys=True): one["properties"] for one in made.get("documentationParts", ())
    }
    said = json.dumps({"info": {"description": made.get("description")}})
    made["documentationParts"] = {where: text for where, text in parts.items() if text != said}
    made["stages"] = {one["stageName"]: one for one in made.get("stages", ())}
    return made


def _method(
    method: Document, resource: Document, authorizers: dict[str, str], validators: dict[str, str]
) -> dict[str, Any]:
    made = _without(method, _GUARD_DEFAULTS)
    for name, names in (("authorizerId", authorizers), ("requestValidatorId", validators)):
        if name in made:
            made[name] = names.get(made[name], made[name])
    if "requestParameters" in made:
        made["requestParameters"] = {
            name: required or name.startswith("method.request.path.")
            for name, required in made["requestParameters"].items()
        }
    made["methodResponses"] = {
        status: {**one, "responseParameters": sorted(one.get("responseParameters", ()))}
        for status, one in made.get("methodResponses", {}).items()
    }
    if integration := made.get("methodIntegration"):
        made["methodIntegration"] = rest_integration_meaning(integration, resource)
    return made


def _v2(made: dict[str, Any]) -> dict[str, Any]:
    is_http = made["protocolType"] == "HTTP"
    integrations = {one["integrationId"]: _v2_integration(one, is_http) for one in made.pop("integrations", ())}
    if is_http:
        made.pop("apiKeySelectionExpression", None)
    authorizers = {one["authorizerId"]: one["name"] for one in made.get("authorizers", ())}
    routes = {}
    for route in made.get("routes", ()):
        one = _without(route, {**_GUARD_DEFAULTS, "routeId": route.get("routeId")})
        one["routeResponses"] = [response.get("routeResponseKey") for response in route.get("routeResponses", ())]
        if target := one.pop("target", None):
            one["integration"] = integrations[target.removeprefix("integrations/")]
        if "authorizerId" in one:
            one["authorizerId"] = authorizers.get(one["authorizerId"], one["authorizerId"])
        routes[one["routeKey"]] = one
    made["routes"] = routes
    made["authorizers"] = _named(made.get("authorizers", ()))
    made["models"] = _models(made.get("models", ()))
    made["stages"] = {one["stageName"]: one for one in made.get("stages", ())}
    return made


def _url(server: Document) -> str:
    url = str(server.get("url", ""))
    variables = server.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        default = variable.get("default", "") if isinstance(variable, dict) else ""
        url = url.replace(f"{{{name}}}", str(default).strip("/"))
    return url


def _named(several: Any) -> dict[str, Any]:
    ids = ("id", "authorizerId", "modelId")
    return {one["name"]: {key: value for key, value in one.items() if key not in ids} for one in several}


def _listed(sources: str | None) -> list[str]:
    """Identity sources of a REST API, whose blanks mean nothing."""
    return [part.strip() for part in (sources or "").split(",") if part.strip()]


def _models(several: Any) -> dict[str, Any]:
    made = _named(several)
    for name, model in list(made.items()):
        schema = json.loads(MODEL_ADDRESS.sub("", model["schema"]))
        default = DEFAULT_MODELS.get(name)
        if default is not None and schema == default["schema"]:
            del made[name]
        else:
            made[name] = {**model, "schema": json.dumps(schema, sort_keys=True)}
    return made


def _without(one: Document, defaults: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in defaults or value != defaults[key]}


def _filled(value: Any) -> Any:
    """`value` without what is empty; None for what is nothing but that."""
    if isinstance(value, dict):
        filled = {key: one for key, member in value.items() if (one := _filled(member)) is not None}
        return filled or None
    if isinstance(value, list | tuple):
        return [_filled(member) for member in value] or None
    return value


def rest_integration_meaning(integration: Document, resource: Document) -> Any:
    """What an integration of a method of `resource` says, by itself."""
    made = _without(integration, _REST_DEFAULTS)
    if made.get("cacheNamespace") == resource["id"]:
        del made["cacheNamespace"]
    return _filled(made)


def v2_integration_meaning(integration: Document, *, is_http: bool) -> Any:
    """What an integration of an HTTP or WebSocket API says, by itself."""
    return _filled(_v2_integration(integration, is_http))


def _v2_integration(integration: Document, is_http: bool) -> dict[str, Any]:
    made = _without(integration, _HTTP_DEFAULTS if is_http else _REST_DEFAULTS)
    made.pop("integrationId", None)
    if responses := made.get("integrationResponses"):
        made["integrationResponses"] = [
            {key: value for key, value in one.items() if key != "integrationResponseId"} for one in responses
        ]
    return made
