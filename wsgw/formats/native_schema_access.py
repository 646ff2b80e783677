"""Entries of the native format that say who may call: authorizers, a stage's throttles of callers, its tokens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, field

from wsgw.formats.native_schema_parts import Entry, Maybe, ThrottleEntry

AuthorizerType = Annotated[
    Literal["TOKEN", "REQUEST", "JWT", "COGNITO_USER_POOLS"],
    Meta(description="REST: TOKEN, REQUEST, COGNITO_USER_POOLS; HTTP and WebSocket: REQUEST, JWT"),
]
CalledUri = Annotated[
    str, Meta(min_length=1, description="lambda:name-or-ARN, an http(s) URL, or python:module:function")
]
IdentitySource = Annotated[
    str | list[str],
    Meta(
        description="REST: method.request.header.NAME; HTTP: $request.header.NAME; "
        "WebSocket: route.request.querystring.NAME; also of the context and of stage variables"
    ),
]
ResultTtl = Annotated[int, Meta(ge=0, le=3_600, description="Seconds that a result is remembered; 0: not at all")]
AuthorizerTimeout = Annotated[int, Meta(ge=50, le=900_000, description="Most an authorizer may take; 10000")]
WebAcl = Annotated[
    dict[str, Any],
    Meta(description="As AWS WAF writes one: Name, DefaultAction, Rules; it looks at requests before all else does"),
]


class RestAuthorizerEntry(Entry, frozen=True, kw_only=True):
    """Who decides on the callers of a REST API; its key is its id."""

    type: AuthorizerType
    uri: Maybe[CalledUri] = UNSET
    authorizer_uri: Maybe[CalledUri] = UNSET
    authorizer_credentials: Maybe[Annotated[str, Meta(description="Kept for exports")]] = UNSET
    identity_source: Maybe[IdentitySource] = UNSET
    identity_validation_expression: Maybe[
        Annotated[str, Meta(description="Regular expression: the token (TOKEN), its audience (COGNITO_USER_POOLS)")]
    ] = UNSET
    result_ttl_in_seconds: Maybe[ResultTtl] = UNSET
    authorizer_result_ttl_in_seconds: Maybe[ResultTtl] = UNSET
    provider_arns: Maybe[Annotated[list[str], Meta(description="Of the user pools")]] = field(
        default=UNSET, name="providerARNs"
    )
    auth_type: Maybe[Annotated[str, Meta(description="Kept for exports")]] = UNSET
    timeout_ms: Maybe[AuthorizerTimeout] = UNSET


class JwtConfigurationEntry(Entry, frozen=True, kw_only=True):
    """Whose tokens are taken."""

    issuer: Maybe[Annotated[str, Meta(min_length=1)]] = UNSET
    audience: Maybe[list[str]] = UNSET


class AuthorizerEntry(Entry, frozen=True, kw_only=True):
    """Who decides on the callers of an HTTP API, or on the handshakes of a WebSocket API; its key is its id."""

    type: Maybe[AuthorizerType] = UNSET
    authorizer_type: Maybe[AuthorizerType] = UNSET
    uri: Maybe[CalledUri] = UNSET
    authorizer_uri: Maybe[CalledUri] = UNSET
    authorizer_credentials_arn: Maybe[Annotated[str, Meta(description="Kept for exports")]] = UNSET
    identity_source: Maybe[IdentitySource] = UNSET
    identity_validation_expression: Maybe[Annotated[str, Meta(description="Kept for exports")]] = UNSET
    result_ttl_in_seconds: Maybe[ResultTtl] = UNSET
    authorizer_result_ttl_in_seconds: Maybe[ResultTtl] = UNSET
    payload_format_version: Maybe[Annotated[Literal["1.0", "2.0"], Meta(description="HTTP: 2.0 unless it says so")]] = (
        UNSET
    )
    authorizer_payload_format_version: Maybe[Literal["1.0", "2.0"]] = UNSET
    enable_simple_responses: Maybe[Annotated[bool, Meta(description="HTTP: the function answers isAuthorized")]] = UNSET
    issuer: Maybe[Annotated[str, Meta(min_length=1, description="https://… of the tokens' iss")]] = UNSET
    audience: Maybe[Annotated[str | list[str], Meta(description="aud, or client_id, of tokens that are taken")]] = UNSET
    jwt_configuration: Maybe[JwtConfigurationEntry] = UNSET
    timeout_ms: Maybe[AuthorizerTimeout] = UNSET
    jwks_uri: Maybe[
        Annotated[
            str,
            Meta(description="Where the issuer's keys are, if its discovery document is not to say; or file:keys.json"),
        ]
    ] = UNSET


class CallerThrottlesEntry(Entry, frozen=True, kw_only=True):
    """A token bucket for each caller of a stage."""

    principal: Maybe[Annotated[ThrottleEntry, Meta(description="For each principal that an authorizer names")]] = UNSET
    source_ip: Maybe[Annotated[ThrottleEntry, Meta(description="For each source address")]] = UNSET


class SocketThrottlesEntry(CallerThrottlesEntry, frozen=True, kw_only=True):
    """The same, and one for each connection."""

    connection: Maybe[Annotated[ThrottleEntry, Meta(description="For the messages of each connection")]] = UNSET


class TokensEntry(Entry, frozen=True, kw_only=True):
    """Where else than in a header a handshake may carry its token: browsers cannot set headers."""

    subprotocol: Maybe[Annotated[bool, Meta(description="An offered wsgw.auth.TOKEN")]] = UNSET
    query: Maybe[Annotated[str, Meta(min_length=1, description="Name of the query parameter")]] = UNSET
    cookie: Maybe[
        Annotated[
            str,
            Meta(min_length=1, description="Name of the cookie; pages of other origins need allowedOrigins"),
        ]
    ] = UNSET
    ticket: Maybe[
        Annotated[str, Meta(min_length=1, description="Name of the query parameter of a one-time connect ticket")]
    ] = UNSET
