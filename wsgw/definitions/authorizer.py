"""Who decides whether a caller may call: Authorizer, of every kind of API.

Source: service models `apigateway` 2015-07-09 and `apigatewayv2` 2018-11-29, type Authorizer.
"""

from __future__ import annotations

from typing import Literal

import msgspec

AuthorizerType = Literal["TOKEN", "REQUEST", "JWT", "COGNITO_USER_POOLS"]
#: What the `uri` of a TOKEN or REQUEST authorizer names.
Called = Literal["LAMBDA", "HTTP", "PYTHON"]

#: How long a result is remembered where a REST API's authorizer says nothing (seconds), and at most.
DEFAULT_RESULT_TTL, MOST_RESULT_TTL = 300, 3_600
AUTHORIZER_TIMEOUT_MS = 10_000


class Authorizer(msgspec.Struct, frozen=True, kw_only=True):
    """One authorizer of an API. `id` is what routes name it by.

    `uri` by `called`: a Lambda function's name or ARN, already taken out of API Gateway's invocation ARN; an http(s)
    URL that the authorizer's event is posted to (ours); `module:function` (ours). `credentials`: the role that
    API Gateway would call the function with; kept for exports.
    `identity_sources` are as each kind of API writes them: `method.request.header.NAME` (REST),
    `route.request.querystring.NAME` (WebSocket), `$request.header.NAME` (HTTP), `$context.routeKey`, …
    `identity_validation_expression`: a regular expression over the whole token (TOKEN), or over the token's audience
    (COGNITO_USER_POOLS). `result_ttl` in seconds, 0 remembers nothing. `payload_format_version` and `simple_responses`
    are an HTTP API's. `issuer` and `audience` are a JWT authorizer's, `provider_arns` the user pools of Cognito.
    `jwks_uri` (ours): where the keys are, if not where the issuer's discovery document says; may be a file.
    """

    id: str
    name: str
    type: AuthorizerType
    called: Called = "LAMBDA"
    uri: str = ""
    credentials: str | None = None
    identity_sources: tuple[str, ...] = ()
    identity_validation_expression: str | None = None
    result_ttl: int = 0
    payload_format_version: Literal["1.0", "2.0"] = "1.0"
    simple_responses: bool = False
    issuer: str = ""
    audience: tuple[str, ...] = ()
    jwks_uri: str | None = None
    provider_arns: tuple[str, ...] = ()
    timeout_ms: int = AUTHORIZER_TIMEOUT_MS
