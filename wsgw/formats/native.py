"""The native format (`apis:`): its short forms written out as documents in API Gateway's own shapes.

A document is one API. HTTP and WebSocket, the v2 shapes: `{apiId, name, protocolType, …, routes: […], integrations:
[…], models: […], stages: […]}`, each member as the v2 API's Get operation gives it. REST, the v1 shapes: `{id, name,
protocolType, …, resources: […], models: […], stages: […]}`. What API Gateway has no member for stands under `x-wsgw` of
the object that it belongs to; the integration type of a Python function is `PYTHON`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec

from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import ApiMapping, DomainName
from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.freeze import api_id_of
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.formats.native_access import epoch_seconds
from wsgw.formats.native_http import http_document
from wsgw.formats.native_remainder import remainder
from wsgw.formats.native_rest import rest_document
from wsgw.formats.native_schema import AnyApiEntry, DomainNameEntry, KeyEntry, shape
from wsgw.formats.native_schema_http import HttpApiEntry
from wsgw.formats.native_schema_rest import RestApiEntry
from wsgw.formats.native_schema_usage import ApiKeyEntry, UsagePlanEntry
from wsgw.formats.native_usage import api_key, usage_plan
from wsgw.formats.native_websocket import websocket_document
from wsgw.formats.schema_findings import ShapeCheck

TOP_KEYS = frozenset({"apis", "functions", "domainNames", "accessKeys", "managementTokens", "apiKeys", "usagePlans"})
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@cache
def _shape() -> ShapeCheck:
    return ShapeCheck(shape())


class Native(NamedTuple):
    """What a native file says: one document an API, who may use the management API, and whose requests are counted."""

    apis: list[dict[str, Any]]
    access_keys: list[AccessKey]
    management_tokens: list[str]
    findings: list[Finding]
    domain_names: list[DomainName]
    api_keys: list[ApiKey]
    usage_plans: list[UsagePlan]


def read(data: Mapping[str, Any], env: Mapping[str, str]) -> Native:
    """The documents in `data`, the mapping at the top of a native file.

    `env` answers for `${NAME}` in secrets and tokens. Of an API whose shape is wrong, what is sound is there to be
    looked at, if that is enough to go by.
    """
    served, findings = _served(data)
    faults = _shape().findings(served)
    findings += faults
    served, faults = _sound(served, faults)
    spoiled = {fault.path[:2] for fault in faults} | {fault.path[:1] for fault in faults if len(fault.path) < 2}
    result = Native([], [], [], findings, [], [], [])

    def entries(name: str, kind: Any) -> list[tuple[str, Any]]:
        if (name,) in spoiled:
            return []
        sound = {key: value for key, value in served.get(name, {}).items() if (name, key) not in spoiled}
        return [(key, entry) for key, value in sound.items() if (entry := _entry((name, key), value, kind, findings))]

    for api_id, api in entries("apis", AnyApiEntry):
        result.apis.append(_document(api_id, api, findings))
    for domain, entry in entries("domainNames", DomainNameEntry):
        result.domain_names.append(_domain_name(domain, entry, result.apis))
    for key_id, key in entries("accessKeys", KeyEntry):
        result.access_keys.append(_access_key(key_id, key, env, findings))
    for key_id, caller_key in entries("apiKeys", ApiKeyEntry):
        value = filled(caller_key.value, env, ("apiKeys", key_id, "value"), findings)
        result.api_keys.append(api_key(key_id, caller_key, value))
    result.usage_plans.extend(usage_plan(plan_id, plan) for plan_id, plan in entries("usagePlans", UsagePlanEntry))
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
    return served, findings


def _sound(served: dict[str, Any], faults: list[Finding]) -> tuple[dict[str, Any], list[Finding]]:
    """`served` with what is left of the APIs that have `faults`, and the faults that are still there."""
    by_api: dict[str | int, list[Finding]] = {}
    for fault in faults:
        if len(fault.path) > 2 and fault.path[0] == "apis":
            by_api.setdefault(fault.path[1], []).append(fault)
    left = {api_id: remainder(served["apis"][api_id], found, 2) for api_id, found in by_api.items()}
    left = {api_id: api for api_id, api in left.items() if api and not _shape().findings({"apis": {api_id: api}})}
    if not left:
        return served, faults
    sound = {**served, "apis": {**served["apis"], **left}}
    return sound, [
        fault for fault in faults if len(fault.path) < 2 or fault.path[0] != "apis" or fault.path[1] not in left
    ]


def _entry(path: Path, value: Any, kind: Any, findings: list[Finding]) -> Any:
    try:
        # Not strict: JSON Schema takes 1.0 for a whole number, and has already refused what is of another type.
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as fault:
        findings.append(error(path, str(fault)))
        return None


def _document(api_id: str, api: AnyApiEntry, findings: list[Finding]) -> dict[str, Any]:
    if isinstance(api, RestApiEntry):
        return rest_document(api_id, api, findings)
    if isinstance(api, HttpApiEntry):
        return http_document(api_id, api, findings)
    return websocket_document(api_id, api, findings)


def _domain_name(name: str, entry: DomainNameEntry, apis: list[dict[str, Any]]) -> DomainName:
    files = {
        member: value
        for member in ("certificate", "certificate_key", "truststore")
        if isinstance(value := getattr(entry, member), str)
    }
    mappings = []
    for key, target in entry.mappings.items():
        if isinstance(target, str):
            api_id, _, stage = target.partition("/")
        else:
            api_id, stage = target.api, target.stage if isinstance(target.stage, str) else ""
        mappings.append(ApiMapping(api_id=api_id, stage=stage or _only_stage(api_id, apis), key=key.strip("/")))
    return DomainName(name=name.lower(), mappings=tuple(mappings), **files)


def _only_stage(api_id: str, apis: list[dict[str, Any]]) -> str:
    """The stage of an API of this file that names one; "" where the path has to."""
    for document in apis:
        if api_id_of(document) == api_id and len(document["stages"]) == 1:
            stage: str = document["stages"][0]["stageName"]
            return stage
    return ""


def _access_key(key_id: str, entry: KeyEntry, env: Mapping[str, str], findings: list[Finding]) -> AccessKey:
    path: Path = ("accessKeys", key_id)
    rest: dict[str, Any] = {}
    if isinstance(entry.session_token, str):
        rest["session_token"] = filled(entry.session_token, env, (*path, "sessionToken"), findings)
    if isinstance(entry.principal, str):
        rest["principal"] = entry.principal
    if isinstance(entry.policies, list):
        rest["policies"] = tuple(entry.policies)
    if isinstance(entry.expires, str | float):
        rest["expires"] = epoch_seconds(entry.expires, (*path, "expires"), findings)
    if isinstance(entry.tags, dict):
        rest["tags"] = entry.tags
    if isinstance(entry.user_id, str):
        rest["user_id"] = entry.user_id
    if isinstance(entry.organization_id, str):
        rest["organization_id"] = entry.organization_id
    return AccessKey(access_key_id=key_id, secret=filled(entry.secret, env, (*path, "secret"), findings), **rest)


def filled(text: str, env: Mapping[str, str], path: Path, findings: list[Finding]) -> str:
    """`text` with each `${NAME}` replaced from `env`; a finding for a variable that is not set, or empty."""
    missing = [name for name in dict.fromkeys(_VARIABLE.findall(text)) if not env.get(name)]
    findings += [error(path, f"the environment variable {name} is not set", f"set {name}") for name in missing]
    return _VARIABLE.sub(lambda match: env.get(match[1], ""), text)
