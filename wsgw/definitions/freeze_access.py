"""Freezing what says who may call: authorizers of either shape, and a stage's `x-wsgw` members of that kind."""

from __future__ import annotations

from typing import Any

from wsgw.definitions.access import CallerThrottles, TokenPlaces
from wsgw.definitions.authorizer import DEFAULT_RESULT_TTL, Authorizer, Called
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.definitions.freeze_parts import Document, function_of, renamed, throttle_of

_CALLER_THROTTLES = (("connection", "connection"), ("principal", "principal"), ("sourceIp", "source_ip"))


def authorizer_of_v1(authorizer: Document) -> Authorizer:
    """A REST API's. Its identity sources stand in one text, separated by commas."""
    kind = authorizer["type"]
    sources = authorizer.get("identitySource")
    if sources is None and kind != "REQUEST":
        sources = "method.request.header.Authorization"
    return Authorizer(
        id=authorizer["id"],
        name=authorizer.get("name", authorizer["id"]),
        type=kind,
        identity_sources=tuple(part.strip() for part in (sources or "").split(",") if part.strip()),
        result_ttl=authorizer.get("authorizerResultTtlInSeconds", DEFAULT_RESULT_TTL),
        provider_arns=tuple(authorizer.get("providerARNs", ())),
        **_called(authorizer),
        **renamed(
            authorizer,
            authorizerCredentials="credentials",
            identityValidationExpression="identity_validation_expression",
        ),
    )


def authorizer_of_v2(authorizer: Document) -> Authorizer:
    """An HTTP or WebSocket API's."""
    jwt: Document = authorizer.get("jwtConfiguration", {})
    return Authorizer(
        id=authorizer["authorizerId"],
        name=authorizer.get("name", authorizer["authorizerId"]),
        type=authorizer["authorizerType"],
        identity_sources=tuple(authorizer.get("identitySource", ())),
        issuer=jwt.get("issuer", ""),
        audience=tuple(jwt.get("audience", ())),
        **_called(authorizer),
        **renamed(
            authorizer,
            authorizerCredentialsArn="credentials",
            identityValidationExpression="identity_validation_expression",
            authorizerResultTtlInSeconds="result_ttl",
            authorizerPayloadFormatVersion="payload_format_version",
            enableSimpleResponses="simple_responses",
        ),
    )


def _called(authorizer: Document) -> dict[str, Any]:
    """What is called by `authorizerUri`, and what stands in `x-wsgw`."""
    uri = authorizer.get("authorizerUri", "")
    called: Called = "LAMBDA"
    if uri.startswith(("http://", "https://")):
        called = "HTTP"
    elif uri.startswith("python:"):
        called, uri = "PYTHON", uri.removeprefix("python:")
    else:
        uri = function_of(uri)
    return {
        "called": called,
        "uri": uri,
        **renamed(authorizer.get("x-wsgw", {}), timeoutMs="timeout_ms", jwksUri="jwks_uri"),
    }


def access_of_stage(extensions: Document) -> dict[str, Any]:
    """The fields of Stage that say who may call, from its `x-wsgw`."""
    throttles: Document = extensions.get("callerThrottles", {})
    found: dict[str, Any] = {
        "caller_throttles": CallerThrottles(
            **{
                ours: throttle_of(throttles[name], "rateLimit", "burstLimit")
                for name, ours in _CALLER_THROTTLES
                if name in throttles
            }
        ),
        **renamed(extensions, tokenExpiry="token_expiry", authorizeMessages="authorize_messages"),
    }
    if "webAcl" in extensions:
        found["web_acl"] = web_acl_of(extensions["webAcl"])
    if "tokens" in extensions:
        found["tokens"] = TokenPlaces(**extensions["tokens"])
    return found
