"""Authorizers of the native format, and the routes that name them: short forms written out in API Gateway's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec

from wsgw.definitions.finding import Finding, Path, error
from wsgw.formats.native_parts import extended, same_property
from wsgw.formats.native_schema_access import AuthorizerEntry, RestAuthorizerEntry

#: By an authorizer's type: the authorizationType of the routes that it guards. Any other's is CUSTOM.
_GUARDED_BY = {"JWT": "JWT", "COGNITO_USER_POOLS": "COGNITO_USER_POOLS"}
#: Members of an authorizer that API Gateway has none for.
OURS_OF_AUTHORIZER = ("timeoutMs", "jwksUri")
#: Where a JWT authorizer that does not say looks for its token.
_JWT_SOURCE = {"HTTP": "$request.header.Authorization", "WEBSOCKET": "route.request.header.Authorization"}


def rest_authorizer(name: str, entry: RestAuthorizerEntry, path: Path, findings: list[Finding]) -> dict[str, Any]:
    """The authorizer `name` of a REST API, in v1's shape."""
    document = msgspec.to_builtins(entry)
    same_property(document, "uri", "authorizerUri", path, findings)
    same_property(document, "resultTtlInSeconds", "authorizerResultTtlInSeconds", path, findings)
    if isinstance(sources := document.get("identitySource"), list):
        document["identitySource"] = ",".join(sources)
    if entry.type != "REQUEST":
        document.setdefault("identitySource", "method.request.header.Authorization")
    document.setdefault("authType", "cognito_user_pools" if entry.type == "COGNITO_USER_POOLS" else "custom")
    return _with_ours({"id": name, "name": name, **document})


def v2_authorizer(
    name: str, entry: AuthorizerEntry, protocol: str, path: Path, findings: list[Finding]
) -> dict[str, Any]:
    """The authorizer `name` of an HTTP or WebSocket API, in v2's shape."""
    document = msgspec.to_builtins(entry)
    for short, whole in (
        ("type", "authorizerType"),
        ("uri", "authorizerUri"),
        ("resultTtlInSeconds", "authorizerResultTtlInSeconds"),
        ("payloadFormatVersion", "authorizerPayloadFormatVersion"),
    ):
        same_property(document, short, whole, path, findings)
    if "authorizerType" not in document:
        findings.append(error(path, "the key 'type' is missing", "add it: REQUEST or JWT"))
        document["authorizerType"] = "REQUEST"
    kind = document["authorizerType"]
    _jwt_configuration(document, path, findings)
    if isinstance(sources := document.get("identitySource"), str):
        document["identitySource"] = [part.strip() for part in sources.split(",")]
    if kind == "JWT":
        document.setdefault("identitySource", [_JWT_SOURCE[protocol]])
    elif kind == "REQUEST" and protocol == "HTTP":
        document.setdefault("authorizerPayloadFormatVersion", "2.0")
    return _with_ours({"authorizerId": name, "name": name, **document})


def _jwt_configuration(document: dict[str, Any], path: Path, findings: list[Finding]) -> None:
    """Moves the short forms of `document` into its jwtConfiguration."""
    short = {member: document.pop(member) for member in ("issuer", "audience") if member in document}
    whole = document.get("jwtConfiguration", {})
    for member in short.keys() & whole.keys():
        message = f"{member!r} and 'jwtConfiguration.{member}' are the same property"
        findings.append(error((*path, member), message, "remove one"))
    if isinstance(short.get("audience"), str):
        short["audience"] = [short["audience"]]
    if short:
        document["jwtConfiguration"] = {**whole, **short}


def _with_ours(document: dict[str, Any]) -> dict[str, Any]:
    ours = {member: document.pop(member) for member in OURS_OF_AUTHORIZER if member in document}
    return {**document, **extended(ours)}


def guarded(route: dict[str, Any], types: Mapping[str, str], path: Path, findings: list[Finding]) -> dict[str, Any]:
    """`route` with `authorizer` written out as authorizerId, and the authorizationType that it implies.

    types: of the API's authorizers, by id; what is not there is CUSTOM, and an error of the whole's check
    """
    same_property(route, "authorizer", "authorizerId", path, findings)
    if "authorizerId" in route and "authorizationType" not in route:
        route["authorizationType"] = guarded_by(types.get(route["authorizerId"], ""))
    return route


def guarded_by(authorizer_type: str) -> str:
    """The authorizationType of routes that an authorizer of this type guards."""
    return _GUARDED_BY.get(authorizer_type, "CUSTOM")


def epoch_seconds(moment: str | float, path: Path, findings: list[Finding]) -> float | None:
    """`moment`, a date as ISO 8601 has it or seconds since 1970; a finding where it is neither."""
    try:
        if isinstance(moment, str):
            parsed = datetime.fromisoformat(moment)
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
        # YAML has .nan and .inf, which no clock ever reaches.
        if isfinite(moment):
            return float(moment)
    except (ValueError, OverflowError):
        pass
    remedy = "write it as 2030-01-31T12:00:00Z, or in seconds since 1970"
    findings.append(error(path, "not a point in time", remedy))
    return None
