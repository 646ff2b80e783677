"""AWS_IAM on methods of REST APIs: the forms of signed requests, and what is said of each that is refused.

Sources: developer guide, "Control access to a REST API with IAM permissions"; IAM User Guide, "Create a signed AWS API
request" and "Troubleshoot Signature Version 4". What SigV4 takes and refuses in detail is tests/authorizers' and
tests/edge's.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from tests.authorizers.sigv4_signing import HOST, KEY, altered, with_header
from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import answers, mock, rest_api
from tests.harness.signed_requests import ACCOUNT, document, key_of, said, send, signed, statement
from wsgw.authorizers.iam import SignedRequest
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api
from wsgw.definitions.route import Route

SESSION = AccessKey(access_key_id="ASIASESSION", secret="s", session_token="FwoG/ZX+Iv==")
OVER = AccessKey(access_key_id="ASIAOVER", secret="s", session_token="t", expires=1.0)
UNKNOWN = AccessKey(access_key_id="AKIDUNKNOWN", secret="s")
ARN = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:pets/dev"


def secured(*keys: str, **members: Any) -> Api:
    """The API, its methods for those who sign."""
    routes = [mock(key, answers(template='"$context.identity.userArn"')) for key in keys or ("ANY /{proxy+}", "GET /")]
    return rest_api(*(_iam(one) for one in routes), **members)


def _iam(route: Route) -> Route:
    return msgspec.structs.replace(route, authorization_type="AWS_IAM")


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> TestGateway:
    one = await make_gateway(access_keys=(KEY, SESSION, OVER))
    one.deploy(secured())
    return one


# ---- forms of requests

FORMS = [
    pytest.param("GET", {}, id="Authorization header"),
    pytest.param("GET", {"key": SESSION}, id="Authorization header with X-Amz-Security-Token"),
    pytest.param("GET", {"presigned": True}, id="query parameters X-Amz-Algorithm to X-Amz-Signature"),
    pytest.param("GET", {"presigned": True, "key": SESSION}, id="query parameters with X-Amz-Security-Token"),
    pytest.param("POST", {"body": b"\x00pay 1"}, id="payload hash of the body"),
]


@pytest.mark.parametrize(("verb", "options"), FORMS)
async def test_a_form_of_request_is_taken(gateway: TestGateway, verb: str, options: dict[str, Any]):
    """Request forms: SigV4 with the service name execute-api."""
    response = await send(gateway, signed(verb, "/a?b=c%20d&b=a", **options))
    assert response.status == 200, response.body


async def test_the_payload_is_part_of_what_is_signed(gateway: TestGateway):
    """Row: payload hash of the body."""
    request = signed("POST", body=b"pay 1")
    assert (await send(gateway, request)).status == 200
    assert said(await send(gateway, altered(request, body=b"pay 9")))[:2] == (403, "InvalidSignatureException")


async def test_an_unsigned_payload_is_not_taken_by_default(gateway: TestGateway):
    """Row: UNSIGNED-PAYLOAD not accepted (unconfirmed)."""
    request = signed("POST", body=b"pay", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert said(await send(gateway, request))[:2] == (403, "InvalidSignatureException")


@pytest.mark.parametrize(("off", "status"), [(-295, 200), (295, 200), (-305, 403), (305, 403)])
async def test_a_clock_may_be_five_minutes_off(gateway: TestGateway, off: int, status: int):
    """Row: clock skew ±5 min (unconfirmed)."""
    assert (await send(gateway, signed(at=time.time() + off))).status == status


ARNS = [
    pytest.param(f"{ARN}/GET/a/b", 200, id="arn:aws:execute-api:{region}:{account}:{api}/{stage}/{VERB}/{path}"),
    pytest.param(f"{ARN}/GET/*", 200, id="wildcard * goes over slashes"),
    pytest.param(f"{ARN}/*/a/?", 200, id="wildcard ? is one character"),
    pytest.param(f"{ARN}/GET/a?b", 200, id="wildcard ? is a slash, too"),
    pytest.param("arn:aws:execute-api:*:*:*", 200, id="wildcards for region, account and API"),
    pytest.param(f"{ARN}/GET/a", 403, id="another path"),
    pytest.param(f"{ARN}/POST/a/b", 403, id="another verb"),
    pytest.param(ARN.replace("dev", "prod") + "/*", 403, id="another stage"),
    pytest.param(ARN.replace("pets", "cats") + "/*", 403, id="another API"),
    pytest.param(ARN.replace("us-east-1", "eu-west-1") + "/*", 403, id="another region"),
    pytest.param(f"{ARN}/GET/a/b?", 403, id="? is never nothing"),
]


@pytest.mark.parametrize(("resource", "status"), ARNS)
async def test_policies_name_methods_by_their_arns(gateway: TestGateway, resource: str, status: int):
    """Action execute-api:Invoke, resource ARN, wildcards."""
    key = key_of(ACCOUNT, document(statement(resource=resource)))
    gateway.app.admit([key], ())
    assert (await send(gateway, signed(path="/a/b", key=key))).status == status


@pytest.mark.parametrize(
    ("action", "status"),
    [("execute-api:Invoke", 200), ("execute-api:*", 200), ("*", 200), ("execute-api:InvalidateCache", 403)],
)
async def test_the_action_is_invoke(gateway: TestGateway, action: str, status: int):
    """Action execute-api:Invoke; execute-api:InvalidateCache is another one."""
    key = key_of(ACCOUNT, document({**statement(), "Action": action}))
    gateway.app.admit([key], ())
    assert (await send(gateway, signed(key=key))).status == status


async def test_a_method_arn_of_more_than_1600_bytes_is_414(gateway: TestGateway):
    """Row: method ARN longer than 1,600 bytes."""
    key = key_of(ACCOUNT, document(statement()))
    gateway.app.admit([key], ())
    most = 1_600 - len(f"{ARN}/GET/")
    assert (await send(gateway, signed(path="/" + "x" * most, key=key))).status == 200
    response = await send(gateway, signed(path="/" + "x" * (most + 1), key=key))
    assert (response.status, response.body) == (414, b'{"message":"Request URI too long"}')


# ---- errors


def _unsigned(*headers: tuple[str, str]) -> SignedRequest:
    return SignedRequest("GET", "/pets/dev/a", [("Host", HOST), *headers])


def _fingerprint(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


PARTS = "Authorization header requires"
WRONG = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
NOT_A_PAIR = "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded"
DATE = r"\d{8}T\d{6}Z"
INCOMPLETE, INVALID = "IncompleteSignatureException", "InvalidSignatureException"
UNRECOGNIZED = ("UnrecognizedClientException", re.escape("The security token included in the request is invalid."))
#: Row: request, x-amzn-ErrorType, message (a regular expression).
ERRORS: dict[str, tuple[Callable[[], SignedRequest], tuple[str, str]]] = {
    "no credentials": (_unsigned, ("MissingAuthenticationTokenException", "Missing Authentication Token")),
    "Authorization header not SigV4 (Bearer)": (
        lambda: _unsigned(("Authorization", "Bearer abc")),
        (INCOMPLETE, re.escape(f"{NOT_A_PAIR} with Base64): '{_fingerprint('Bearer abc')}'.")),
    ),
    "missing parts": (
        lambda: _unsigned(("Authorization", "AWS4-HMAC-SHA256 a=b")),
        (
            INCOMPLETE,
            f"{PARTS} 'Credential' parameter. {PARTS} 'Signature' parameter. {PARTS} 'SignedHeaders' parameter. "
            f"{PARTS} existence of either a 'X-Amz-Date' or a 'Date' header. .*",
        ),
    ),
    "wrong signature": (
        lambda: signed(key=msgspec.structs.replace(KEY, secret="another")),
        (INVALID, re.escape(WRONG)),
    ),
    "date outside the window: expired": (
        lambda: signed(at=time.time() - 310),
        (INVALID, rf"Signature expired: {DATE} is now earlier than {DATE} \({DATE} - 5 min\.\)"),
    ),
    "date outside the window: not yet current": (
        lambda: signed(at=time.time() + 310),
        (INVALID, f"Signature not yet current: {DATE} .*"),
    ),
    "wrong region in scope": (
        lambda: signed(region="eu-west-1"),
        (INVALID, re.escape("Credential should be scoped to a valid region.")),
    ),
    "wrong service in scope": (
        lambda: signed(service="s3"),
        (INVALID, re.escape("Credential should be scoped to correct service: 'execute-api'.")),
    ),
    "unknown access key": (lambda: signed(key=UNKNOWN), UNRECOGNIZED),
    "bad session token": (lambda: signed(key=msgspec.structs.replace(SESSION, session_token="x")), UNRECOGNIZED),
    "expired session": (
        lambda: signed(key=OVER),
        ("ExpiredTokenException", "The security token included in the request is expired"),
    ),
}


@pytest.mark.parametrize("row", ERRORS)
async def test_a_row_of_the_table_of_errors(gateway: TestGateway, row: str):
    """403, x-amzn-ErrorType and the whole body."""
    make, (kind, message) = ERRORS[row]
    status, error_type, body = said(await send(gateway, make()))
    assert (status, error_type, list(body)) == (403, kind, ["message"])
    assert re.fullmatch(message, body["message"]), body


async def test_row_denied(gateway: TestGateway):
    """Row: denied, 403 AccessDeniedException with the sentence of resource policies."""
    key = key_of(ACCOUNT, document(statement("Deny")))
    gateway.app.admit([key], ())
    status, error_type, body = said(await send(gateway, signed(key=key)))
    assert (status, error_type, list(body)) == (403, "AccessDeniedException", ["Message"])
    assert body["Message"].startswith(f"User: {key.principal} is not authorized to perform: execute-api:Invoke on ")


@pytest.mark.parametrize("row", ["no credentials", "Authorization header not SigV4 (Bearer)"])
async def test_routing_failures_share_the_first_two_rows(gateway: TestGateway, row: str):
    """A path that is not there answers as a method for those who sign does."""
    gateway.deploy(secured("GET /elsewhere"))
    make, (kind, message) = ERRORS[row]
    status, error_type, body = said(await send(gateway, make()))
    assert (status, error_type) == (403, kind)
    assert re.fullmatch(message, body["message"]), body


async def test_a_signature_in_the_date_header_is_taken(gateway: TestGateway):
    """Row of missing parts: either a X-Amz-Date or a Date header."""
    request = signed()
    date = next(value for name, value in request.headers if name == "X-Amz-Date")
    request = with_header(with_header(request, "X-Amz-Date", None), "Date", date)
    status, error_type, body = said(await send(gateway, request))
    # It is read, and found not to be signed.
    assert (status, error_type) == (403, INVALID)
    assert body["message"] == "'Date' must be a 'SignedHeader' in the AWS Authorization."
