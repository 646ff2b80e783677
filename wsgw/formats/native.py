"""The native format (`apis:`): its short forms written out as documents in API Gateway's v2 shapes.

A document is one API: `{apiId, name, protocolType, …, routes: […], integrations: […], models: […], stages: […]}`, each
member as the v2 API's Get operation gives it. What API Gateway has no member for stands under `x-wsgw` of the object
that it belongs to; the integration type of a Python function is `PYTHON`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
import orjson

from wsgw.definitions.access import AccessKey
from wsgw.definitions.finding import Finding, Path, error
from wsgw.formats.native_schema import (
    ApiEntry,
    IntegrationEntry,
    KeyEntry,
    ModelEntry,
    RouteEntry,
    StageEntry,
    native_schema,
)
from wsgw.formats.schema_findings import ShapeCheck

TOP_KEYS = frozenset({"apis", "functions", "accessKeys", "managementTokens"})
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_URL = re.compile(r"https?://|\$\{stageVariables\.", re.IGNORECASE)
_SHORT_FORMS = "write a URL, python:module:function, lambda:name-or-ARN, or a mapping with a type"
T = TypeVar("T")


@cache
def _shape() -> ShapeCheck:
    return ShapeCheck(native_schema())


class Native(NamedTuple):
    """What a native file says: one document an API, and who may use the management API."""

    apis: list[dict[str, Any]]
    access_keys: list[AccessKey]
    management_tokens: list[str]
    findings: list[Finding]


def read(data: Mapping[str, Any], env: Mapping[str, str]) -> Native:
    """The documents in `data`, the mapping at the top of a native file.

    `env` answers for `${NAME}` in secrets and tokens. An API whose shape is wrong is left out.
    """
    served, findings = _served(data)
    faults = _shape().findings(served)
    findings += faults
    spoiled = {fault.path[:2] for fault in faults} | {fault.path[:1] for fault in faults if len(fault.path) < 2}
    result = Native([], [], [], findings)

    def entries(name: str, kind: type[T]) -> list[tuple[str, T]]:
        if (name,) in spoiled:
            return []
        sound = {key: value for key, value in served.get(name, {}).items() if (name, key) not in spoiled}
        return [(key, entry) for key, value in sound.items() if (entry := _entry((name, key), value, kind, findings))]

    for api_id, api in entries("apis", ApiEntry):
        result.apis.append(_api(api_id, api, findings))
    for key_id, key in entries("accessKeys", KeyEntry):
        result.access_keys.append(_access_key(key_id, key, env, findings))
    if not any(path[:1] == ("managementTokens",) for path in spoiled):
        for index, token in enumerate(served.get("managementTokens", [])):
            result.management_tokens.append(filled(token, env, ("managementTokens", index), findings))
    return result


def _served(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """`data` without what this version does not serve, and a finding for each such part."""
    findings: list[Finding] = []
    served = {key: value for key, value in data.items() if key not in ("$schema", "functions")}
    if "functions" in data:
        remedy = "use lambda:NAME for a function in AWS, or python:module:function"
        findings.append(error(("functions",), "local functions are not served by this version", remedy))
    apis = data.get("apis")
    if isinstance(apis, dict):
        served["apis"] = {}
        for api_id, api in apis.items():
            protocol = api.get("protocol") if isinstance(api, dict) else None
            if protocol in ("HTTP", "REST"):
                path: Path = ("apis", api_id, "protocol")
                findings.append(error(path, f"{protocol} APIs are not served by this version", "WEBSOCKET is"))
            else:
                served["apis"][api_id] = api
    return served, findings


def _entry(path: Path, value: Any, kind: type[T], findings: list[Finding]) -> T | None:
    try:
        # Not strict: JSON Schema takes 1.0 for a whole number, and has already refused what is of another type.
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as fault:
        findings.append(error(path, str(fault)))
        return None


def _api(api_id: str, api: ApiEntry, findings: list[Finding]) -> dict[str, Any]:
    document = msgspec.to_builtins(api)
    routes: list[dict[str, Any]] = []
    integrations: list[dict[str, Any]] = []
    for number, (key, entry) in enumerate(api.routes.items(), 1):
        path: Path = ("apis", api_id, "routes", key)
        route = RouteEntry(integration=entry) if isinstance(entry, str) else entry
        written = _route(f"r{number}", key, route)
        if isinstance(route.integration, str | IntegrationEntry):
            integration = _integration(f"i{number}", route.integration, (*path, "integration"), findings)
            integrations.append(integration)
            written["target"] = f"integrations/{integration['integrationId']}"
        routes.append(written)
    extensions = {name: document[name] for name in ("binaryMessages",) if name in document}
    kept = ("description", "routeSelectionExpression", "apiKeySelectionExpression")
    return {
        "apiId": api_id,
        "name": document.get("name", api_id),
        "protocolType": api.protocol,
        **{name: document[name] for name in kept if name in document},
        "routes": routes,
        "integrations": integrations,
        "models": [_model(f"m{n}", name, model) for n, (name, model) in enumerate(api.models.items(), 1)],
        "stages": [_stage(name, stage or StageEntry()) for name, stage in api.stages.items()],
        **_extended(extensions),
    }


def _route(route_id: str, key: str, route: RouteEntry) -> dict[str, Any]:
    document = msgspec.to_builtins(route)
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
    return {"routeId": route_id, "routeKey": key, **document, **_extended({"throttle": throttle} if throttle else {})}


def _integration(
    integration_id: str, entry: str | IntegrationEntry, path: Path, findings: list[Finding]
) -> dict[str, Any]:
    document = _short_integration(entry, path, findings) if isinstance(entry, str) else msgspec.to_builtins(entry)
    for short, name in (("type", "integrationType"), ("uri", "integrationUri"), ("method", "integrationMethod")):
        if short in document and name in document:
            findings.append(error((*path, name), f"{short!r} and {name!r} are the same property", "remove one"))
        if short in document:
            document[name] = document.pop(short)
    if "integrationType" not in document:
        findings.append(error(path, "the key 'type' is missing", "add it, as type: HTTP_PROXY"))
        document["integrationType"] = "MOCK"
    responses = _responses(document, path, findings)
    if document["integrationType"] == "MOCK":
        document.setdefault("requestTemplates", {"$default": '{"statusCode":200}'})
    elif document["integrationType"] != "PYTHON":
        document.setdefault("integrationMethod", "POST")
    return {"integrationId": integration_id, **document, "integrationResponses": responses}


def _short_integration(text: str, path: Path, findings: list[Finding]) -> dict[str, Any]:
    if _URL.match(text):
        return {"integrationType": "HTTP_PROXY", "integrationUri": text}
    if text.startswith("python:"):
        return {"integrationType": "PYTHON", "integrationUri": text}
    if text.startswith("lambda:"):
        return {"integrationType": "AWS_PROXY", "integrationUri": text}
    findings.append(error(path, "this names no integration", _SHORT_FORMS))
    return {"integrationType": "MOCK"}


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


def _model(model_id: str, name: str, model: ModelEntry) -> dict[str, Any]:
    document = msgspec.to_builtins(model)
    schema = model.schema if isinstance(model.schema, str) else orjson.dumps(model.schema).decode()
    return {"modelId": model_id, "name": name, **document, "schema": schema}


def _stage(name: str, stage: StageEntry) -> dict[str, Any]:
    document = msgspec.to_builtins(stage)
    written: dict[str, Any] = {"stageName": name}
    for ours, theirs in (
        ("description", "description"),
        ("variables", "stageVariables"),
        ("routeSettings", "routeSettings"),
    ):
        if ours in document:
            written[theirs] = document.pop(ours)
    if (throttle := document.pop("throttle", None)) is not None:
        written["defaultRouteSettings"] = {
            "throttlingRateLimit": throttle["rateLimit"],
            "throttlingBurstLimit": throttle["burstLimit"],
        }
    access_log = document.pop("accessLog")
    if isinstance(access_log, str):
        written["accessLogSettings"] = {"format": access_log}
    elif not access_log:
        document["accessLog"] = False
    return {**written, **_extended(document)}


def _extended(extensions: dict[str, Any]) -> dict[str, Any]:
    return {"x-wsgw": extensions} if extensions else {}


def _access_key(key_id: str, entry: KeyEntry, env: Mapping[str, str], findings: list[Finding]) -> AccessKey:
    path: Path = ("accessKeys", key_id)
    rest: dict[str, Any] = {}
    if isinstance(entry.session_token, str):
        rest["session_token"] = filled(entry.session_token, env, (*path, "sessionToken"), findings)
    if isinstance(entry.principal, str):
        rest["principal"] = entry.principal
    if isinstance(entry.policies, list):
        rest["policies"] = tuple(entry.policies)
    return AccessKey(access_key_id=key_id, secret=filled(entry.secret, env, (*path, "secret"), findings), **rest)


def filled(text: str, env: Mapping[str, str], path: Path, findings: list[Finding]) -> str:
    """`text` with each `${NAME}` replaced from `env`; a finding for a variable that is not set, or empty."""
    missing = [name for name in dict.fromkeys(_VARIABLE.findall(text)) if not env.get(name)]
    findings += [error(path, f"the environment variable {name} is not set", f"set {name}") for name in missing]
    return _VARIABLE.sub(lambda match: env.get(match[1], ""), text)
