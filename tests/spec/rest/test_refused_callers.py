"""Gateway responses of who may not call, or not so often: their defaults, customised, and inherited.

Sources: developer guide, "Gateway responses for REST APIs" and its table of types; inheritance and parts recorded.
Types of other refusals are in test_gateway_responses.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tests.authorizers.sigv4_signing import KEY as SIGNER
from tests.conftest import MakeGateway
from tests.firewall.web_acls import blocking, contains
from tests.harness.authorizers import authorizer, policy
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import JSON, ask, mock, rest_api
from tests.harness.signed_requests import send, signed
from tests.harness.usage import KEY, OTHER_KEY, OTHER_VALUE, VALUE, limit, plan, quota
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api, GatewayResponse, Stage

OVER = AccessKey(access_key_id="ASIAOVER", secret="s", session_token="t", expires=1.0)
UNKNOWN = AccessKey(access_key_id="AKIDUNKNOWN", secret="s")
WRONG = msgspec.structs.replace(SIGNER, secret="another")
CUSTOM: dict[str, Any] = {"authorization_type": "CUSTOM", "authorizer": "who"}


async def authorize(event: dict[str, Any], _context: Any) -> Any:
    """Does what the token says."""
    asked = event["authorizationToken"]
    if asked == "broken":
        raise RuntimeError
    return policy("Deny") if asked == "deny" else {"principalId": "no policy"}


def api(responses: Sequence[GatewayResponse]) -> Api:
    """A method for each way to be refused."""
    routes = {
        "GET /signed": {"authorization_type": "AWS_IAM"},
        "GET /authorized": CUSTOM,
        "GET /keyed": {"api_key_required": True},
        "GET /throttled": {},
        "GET /filtered": {},
    }
    token = authorizer(
        "REST", "authorize", called="PYTHON", type="TOKEN", identity_sources=("method.request.header.X-Token",)
    )
    return rest_api(
        *(msgspec.structs.replace(mock(key), **members) for key, members in routes.items()),
        authorizers={"who": token},
        gateway_responses={one.response_type: one for one in responses},
        stage=Stage(
            name="dev",
            web_acl=blocking(contains("filtered", "UriPath")),
            route_throttles={"GET /throttled": limit(0)},
        ),
    )


async def refused(make_gateway: MakeGateway, case: str, *responses: GatewayResponse) -> Response:
    """The answer to a request that is refused as `case` says."""
    gateway = await make_gateway(access_keys=(SIGNER, OVER))
    gateway.deploy(api(responses), handlers={"authorize": authorize})
    gateway.app.admit_keys(
        [KEY, OTHER_KEY], [plan("partner", quota=quota(0)), plan("another", id="p", throttle=limit(0))]
    )
    request = CASES[case][0]
    if isinstance(request, AccessKey):
        return await send(gateway, signed(path="/signed", key=request))
    return await ask(gateway, "GET", *request)


def message(text: str | None, key: str = "message") -> dict[str, str | None]:
    return {key: text}


INVALID = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
UNCALLABLE = "AuthorizerConfigurationException"
#: Request (its path and headers, or the key that signs it), type, status, body, x-amzn-ErrorType.
CASES: dict[str, tuple[Any, str, int, Any, str]] = {
    "ACCESS_DENIED": (
        ("/authorized", "X-Token: deny"),
        "ACCESS_DENIED",
        403,
        message("User is not authorized to access this resource with an explicit deny", "Message"),
        "AccessDeniedException",
    ),
    "AUTHORIZER_CONFIGURATION_ERROR": (
        ("/authorized", "X-Token: nonsense"),
        "AUTHORIZER_CONFIGURATION_ERROR",
        500,
        message(None),
        UNCALLABLE,
    ),
    "AUTHORIZER_FAILURE": (("/authorized", "X-Token: broken"), "AUTHORIZER_FAILURE", 500, message(None), UNCALLABLE),
    "EXPIRED_TOKEN": (
        OVER,
        "EXPIRED_TOKEN",
        403,
        message("The security token included in the request is expired"),
        "ExpiredTokenException",
    ),
    "INVALID_API_KEY": (("/keyed",), "INVALID_API_KEY", 403, message("Forbidden"), "ForbiddenException"),
    "INVALID_SIGNATURE": (WRONG, "INVALID_SIGNATURE", 403, message(INVALID), "InvalidSignatureException"),
    "INVALID_SIGNATURE: UnrecognizedClientException": (
        UNKNOWN,
        "INVALID_SIGNATURE",
        403,
        message("The security token included in the request is invalid."),
        "UnrecognizedClientException",
    ),
    "INVALID_SIGNATURE: IncompleteSignatureException": (
        ("/signed", "Authorization: AWS4-HMAC-SHA256 Credential"),
        "INVALID_SIGNATURE",
        403,
        None,
        "IncompleteSignatureException",
    ),
    "MISSING_AUTHENTICATION_TOKEN": (
        ("/signed",),
        "MISSING_AUTHENTICATION_TOKEN",
        403,
        message("Missing Authentication Token"),
        "MissingAuthenticationTokenException",
    ),
    "QUOTA_EXCEEDED": (
        ("/keyed", f"X-API-Key: {VALUE}"),
        "QUOTA_EXCEEDED",
        429,
        message("Limit Exceeded"),
        "LimitExceededException",
    ),
    "THROTTLED": (("/throttled",), "THROTTLED", 429, message("Too Many Requests"), "TooManyRequestsException"),
    "THROTTLED: by a plan": (
        ("/keyed", f"X-API-Key: {OTHER_VALUE}"),
        "THROTTLED",
        429,
        message("Too Many Requests"),
        "TooManyRequestsException",
    ),
    "UNAUTHORIZED": (("/authorized",), "UNAUTHORIZED", 401, message("Unauthorized"), "UnauthorizedException"),
    "WAF_FILTERED": (("/filtered",), "WAF_FILTERED", 403, message("Forbidden"), "ForbiddenException"),
}
ROWS = pytest.mark.parametrize("case", CASES)


@ROWS
async def test_a_type_has_its_default(make_gateway: MakeGateway, case: str):
    """Status, default message, ErrorType; no Retry-After."""
    _, _, status, body, error_type = CASES[case]
    response = await refused(make_gateway, case)
    assert (response.status, response.header("x-amzn-ErrorType")) == (status, error_type)
    assert body is None or json.loads(response.body) == body
    assert response.header("content-type") == JSON
    assert response.header("retry-after") is None


@ROWS
async def test_a_type_is_customised(make_gateway: MakeGateway, case: str):
    """statusCode, responseParameters, responseTemplates; x-amzn-ErrorType stays."""
    _, kind, _, _, error_type = CASES[case]
    custom = GatewayResponse(
        response_type=kind,
        status_code="418",
        response_parameters={"gatewayresponse.header.X-Why": "context.error.responseType"},
        response_templates={JSON: '{"says": $context.error.messageString, "type": "$context.error.responseType"}'},
    )
    response = await refused(make_gateway, case, custom)
    assert (response.status, response.header("x-why")) == (418, kind)
    said = json.loads(response.body)
    assert said["type"] == kind
    body = CASES[case][3]
    assert body is None or said["says"] == next(iter(body.values()))
    assert response.header("x-amzn-ErrorType") == error_type


FOUR = GatewayResponse(
    response_type="DEFAULT_4XX",
    status_code="444",
    response_parameters={"gatewayresponse.header.X-Default": "'4'"},
    response_templates={JSON: "four"},
)
FIVE = GatewayResponse(
    response_type="DEFAULT_5XX",
    status_code="555",
    response_parameters={"gatewayresponse.header.X-Default": "'5'"},
    response_templates={JSON: "five"},
)


@ROWS
async def test_a_type_that_is_not_set_inherits(make_gateway: MakeGateway, case: str):
    """Inheritance: all three members from DEFAULT_4XX or DEFAULT_5XX."""
    response = await refused(make_gateway, case, FOUR, FIVE)
    expected = (444, b"four", "4") if CASES[case][2] < 500 else (555, b"five", "5")
    assert (response.status, response.body, response.header("x-default")) == expected
    assert response.header("x-amzn-ErrorType") == CASES[case][4]


@ROWS
async def test_a_type_that_is_set_in_part_inherits_nothing(make_gateway: MakeGateway, case: str):
    """Missing parts fall back to the built-in status and template."""
    _, kind, status, body, _ = CASES[case]
    part = GatewayResponse(response_type=kind, response_parameters={"gatewayresponse.header.X-Own": "'1'"})
    response = await refused(make_gateway, case, FOUR, FIVE, part)
    assert (response.status, response.header("x-own"), response.header("x-default")) == (status, "1", None)
    assert body is None or json.loads(response.body) == body
