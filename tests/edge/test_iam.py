"""AWS_IAM on routes of all three kinds of API, over real sockets: botocore signs, and what was signed is what counts.

What SigV4 accepts and refuses in detail stands in tests/authorizers; here S-30 to S-36 as clients meet them, and what
each kind of API answers.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import aiohttp
import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.authorizers.sigv4_signing import HOST, KEY, altered, sign, with_header
from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.management import call_once, signed_call
from tests.harness.raw_websocket import HandshakeRefused, Response
from tests.harness.rest_api import mock as rest_mock
from tests.harness.rest_api import rest_api
from wsgw.authorizers.iam import SignedRequest
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route

ACCOUNT = "000000000000"
INVOKE = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
SESSION = AccessKey(
    access_key_id="ASIAEXAMPLE",
    secret="a session's secret",
    session_token="FwoG/ZX+Iv==",
    principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/ann",
)
EXPIRED = AccessKey(access_key_id="ASIAOVER", secret="s", session_token="t", expires=1.0)
NO_POLICY_ALLOWS = AccessKey(
    access_key_id="AKIDNOTHING",
    secret="s",
    principal=f"arn:aws:iam::{ACCOUNT}:user/nobody",
    policies=({"Version": "2012-10-17", "Statement": [{**INVOKE, "Resource": "arn:aws:s3:::b"}]},),
)
DENIED = AccessKey(
    access_key_id="AKIDDENIED",
    secret="s",
    principal=f"arn:aws:iam::{ACCOUNT}:user/denied",
    policies=({"Version": "2012-10-17", "Statement": [INVOKE, {**INVOKE, "Effect": "Deny"}]},),
)
STRANGER = AccessKey(access_key_id="AKIDSTRANGER", secret="s", principal="arn:aws:iam::111122223333:user/ann")
UNKNOWN = AccessKey(access_key_id="AKIDUNKNOWN", secret="s")
KEYS = (KEY, SESSION, EXPIRED, NO_POLICY_ALLOWS, DENIED, STRANGER)
WRONG = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


def rest(*keys: str, **members: Any) -> Api:
    """A REST API `chat` with a stage `prod`, its methods MOCKs that show who is calling."""
    shown = {
        name: f"$context.identity.{name}"
        for name in ("userArn", "user", "caller", "accountId", "accessKey", "sourceIp")
    }
    routes = []
    for key in keys or ("ANY /{proxy+}", "GET /"):
        one = rest_mock(key)
        assert one.integration is not None
        response = one.integration.responses[0]
        integration = msgspec.structs.replace(
            one.integration,
            responses=(
                msgspec.structs.replace(
                    response, response_templates={"application/json": json.dumps({**shown, "path": "$context.path"})}
                ),
            ),
        )
        routes.append(msgspec.structs.replace(one, integration=integration, authorization_type="AWS_IAM"))
    return msgspec.structs.replace(rest_api(*routes, stage=Stage(name="prod"), **members), id="chat")


def show(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The function of an HTTP API: it shows the identity that it is given."""
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}


def http() -> Api:
    integration = Integration(type="PYTHON", uri="show", payload_format_version="2.0")
    routes = {"$default": Route(key="$default", integration=integration, authorization_type="AWS_IAM")}
    stage = Stage(name="prod")
    return Api(id="chat", name="chat", protocol="HTTP", routes=routes, stages={"prod": stage})


def websocket(**members: Any) -> Api:
    connect = Route(key="$connect", authorization_type="AWS_IAM", **members)
    return api(connect, route("who", mock('{"who":"$context.identity.userArn"}'), two_way=True))


MakeIam = Callable[..., Any]


@pytest.fixture
def make(make_gateway: MakeGateway) -> MakeIam:
    """Starts a gateway with this API, KEYS admitted."""

    async def start(one: Api, **settings: Any) -> TestGateway:
        gateway = await make_gateway(access_keys=KEYS, **settings)
        gateway.deploy(one, handlers={"show": show})
        return gateway

    return start


def now() -> float:
    return time.time()


def signed(method: str = "GET", target: str = "/prod/pets", **options: Any) -> SignedRequest:
    options.setdefault("body", b"")
    return sign(method, target, at=options.pop("at", now()), **options)


async def ask(gateway: TestGateway, request: SignedRequest) -> Response:
    return await call_once(gateway, signed_call(request))


def error_of(response: Response) -> tuple[int, str | None, Any]:
    return response.status, response.header("x-amzn-ErrorType"), json.loads(response.body)


# ---- accepted: S-30

TARGETS = [
    "/prod/",
    "/prod/pets/@me",
    "/prod/pets/%40me",
    "/prod/pets/a=b",
    "/prod/pets/a%3Db",
    "/prod/pets/a%20b",
    "/prod/pets/a%2520b",
    "/prod/pets/%E1%88%B4",
    "/prod/pets//twice",
    "/prod/pets/~tilde/-._*'()!$&,;:",
    "/prod/pets?tag=b&tag=a&tag=b",
    "/prod/pets?q=a%20b&r=c+d",
    "/prod/pets?q=%2540&=nameless&empty=",
    "/prod/pets?x=@:/?,;!*'()",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("presigned", [False, True], ids=["header", "presigned"])
@pytest.mark.parametrize("make_api", [rest, http], ids=["REST", "HTTP"])
async def test_whatever_botocore_signs_is_let_in(make: MakeIam, make_api: Callable[[], Api], presigned: bool, target):
    """S-30: `@`, `%40`, `=`, spaces, repeated query keys, double encoding."""
    gateway = await make(make_api())
    response = await ask(gateway, signed(target=target, presigned=presigned))
    assert response.status == 200, response.body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("make_api", [rest, http], ids=["REST", "HTTP"])
async def test_a_signed_body_is_let_in_as_it_is(make: MakeIam, make_api: Callable[[], Api], method: str):
    gateway = await make(make_api())
    body = bytes(range(256)) * 400
    response = await ask(gateway, signed(method, headers={"Content-Type": "application/json"}, body=body))
    assert response.status == 200, response.body


@pytest.mark.parametrize("presigned", [False, True], ids=["header", "presigned"])
@pytest.mark.parametrize("make_api", [rest, http], ids=["REST", "HTTP"])
async def test_a_session_is_let_in_with_its_token(make: MakeIam, make_api: Callable[[], Api], presigned: bool):
    gateway = await make(make_api())
    assert (await ask(gateway, signed(key=SESSION, presigned=presigned))).status == 200


async def test_a_real_client_signs_and_is_let_in(make: MakeIam):
    """botocore's headers sent by aiohttp, which adds its own."""
    gateway = await make(rest())
    url = f"{gateway.url}/chat/prod/pets/@me?tag=a&tag=b"
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, b'{"a":1}')
    SigV4Auth(Credentials(KEY.access_key_id, KEY.secret), "execute-api", "us-east-1").add_auth(request)
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=b'{"a":1}', headers=dict(request.headers)) as response,
    ):
        assert response.status == 200, await response.text()


async def test_headers_that_the_gateway_keeps_from_backends_may_be_signed(make: MakeIam):
    """What counts is what came, not what is left of it."""
    gateway = await make(rest())
    headers = {"X-Forwarded-For": "203.0.113.1", "Forwarded": "for=203.0.113.1", "Wsgw-Own": "1", "Via": "1.1 p"}
    assert (await ask(gateway, signed(headers=headers))).status == 200


async def test_a_large_body_is_read_whole_before_it_is_verified(make: MakeIam):
    gateway = await make(http())
    body = b"x" * 3_000_000
    assert (await ask(gateway, signed("POST", body=body))).status == 200
    assert (await ask(gateway, altered(signed("POST", body=body), body=b"y" + body[1:]))).status == 403


async def test_a_rest_api_shows_who_has_signed(make: MakeIam):
    """rest.md's identity.{accountId, caller, user, userArn, accessKey}."""
    gateway = await make(rest())
    shown = json.loads((await ask(gateway, signed(target="/prod/a"))).body)
    assert shown == {
        "userArn": KEY.principal,
        "user": "backend",
        "caller": "backend",
        "accountId": ACCOUNT,
        "accessKey": KEY.access_key_id,
        "sourceIp": "127.0.0.1",
        "path": "/prod/a",
    }


async def test_an_http_api_shows_who_has_signed(make: MakeIam):
    gateway = await make(http())
    iam = json.loads((await ask(gateway, signed(key=SESSION))).body)["iam"]
    assert iam["userArn"] == SESSION.principal
    assert iam["accessKey"] == SESSION.access_key_id
    assert iam["accountId"] == ACCOUNT
    assert iam["callerId"] == iam["userId"] == "Reader:ann"


# ---- refused: S-31 to S-36, the rows of REST APIs' errors


def _old(request: SignedRequest, name: str, old: str, new: str) -> SignedRequest:
    value = next(value for key, value in request.headers if key.lower() == name)
    assert old in value
    return with_header(request, name, value.replace(old, new))


def _fingerprint(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


PARTS = "Authorization header requires"
#: Row: request, type, message (a regular expression).
ERRORS: dict[str, tuple[Callable[[], SignedRequest], str, str]] = {
    "no credentials": (
        lambda: SignedRequest("GET", "/prod/pets", [("Host", HOST)]),
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ),
    "Authorization header not SigV4": (
        lambda: SignedRequest("GET", "/prod/pets", [("Host", HOST), ("Authorization", "Bearer abc")]),
        "IncompleteSignatureException",
        re.escape(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with "
            f"Base64): '{_fingerprint('Bearer abc')}'."
        ),
    ),
    "missing parts": (
        lambda: SignedRequest("GET", "/prod/pets", [("Host", HOST), ("Authorization", "AWS4-HMAC-SHA256 a=b")]),
        "IncompleteSignatureException",
        f"{PARTS} 'Credential' parameter. {PARTS} 'Signature' parameter. {PARTS} 'SignedHeaders' parameter. {PARTS} "
        "existence of either a 'X-Amz-Date' or a 'Date' header. .*",
    ),
    "wrong signature": (
        lambda: signed(key=msgspec.structs.replace(KEY, secret="another")),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "date too old": (
        lambda: signed(at=now() - 301),
        "InvalidSignatureException",
        r"Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)",
    ),
    "date too new": (
        lambda: signed(at=now() + 310),
        "InvalidSignatureException",
        r"Signature not yet current: \d{8}T\d{6}Z is still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 5 min\.\)",
    ),
    "date far off": (lambda: signed(at=now() - 900), "InvalidSignatureException", "Signature expired: .*"),
    "wrong region": (
        lambda: signed(region="eu-west-1"),
        "InvalidSignatureException",
        r"Credential should be scoped to a valid region\.",
    ),
    "wrong service": (
        lambda: signed(service="s3"),
        "InvalidSignatureException",
        r"Credential should be scoped to correct service: 'execute-api'\.",
    ),
    "wrong terminator": (
        lambda: _old(signed(), "authorization", "aws4_request", "aws5_request"),
        "InvalidSignatureException",
        "Credential should be scoped with a valid terminator: 'aws4_request'.",
    ),
    "scope of another day": (
        lambda: _old(signed(), "authorization", time.strftime("/%Y%m%d/", time.gmtime(now())), "/20200101/"),
        "InvalidSignatureException",
        "Date in Credential scope does not match .*",
    ),
    "unreadable date": (
        lambda: with_header(signed(), "X-Amz-Date", "today"),
        "IncompleteSignatureException",
        "Date must be in ISO-8601 'basic format'.",
    ),
    "unknown access key": (
        lambda: signed(key=UNKNOWN),
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    "session token missing": (
        lambda: signed(key=msgspec.structs.replace(SESSION, session_token=None)),
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    "session token of another": (
        lambda: signed(key=msgspec.structs.replace(SESSION, session_token="other")),
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    "session token where there is none": (
        lambda: signed(key=msgspec.structs.replace(KEY, session_token="other")),
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    "expired session": (
        lambda: signed(key=EXPIRED),
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    "another method": (lambda: altered(signed(), method="DELETE"), "InvalidSignatureException", re.escape(WRONG)),
    "another path": (
        lambda: altered(signed(), raw_target="/prod/pet"),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "another query": (
        lambda: altered(signed(target="/prod/pets?a=1"), raw_target="/prod/pets?a=2"),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "an escape for a character": (
        lambda: altered(signed(target="/prod/a%40"), raw_target="/prod/a%2540"),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "another body": (
        lambda: altered(signed("POST", body=b"pay 1"), body=b"pay 9"),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "another body, its hash as signed": (
        lambda: altered(
            signed("POST", body=b"pay 1", headers={"X-Amz-Content-SHA256": sha256(b"pay 1").hexdigest()}), body=b"pay 9"
        ),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "body without its signature": (
        lambda: signed("POST", body=b"pay", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "host not signed": (
        lambda: _old(signed(), "authorization", "SignedHeaders=host;", "SignedHeaders="),
        "InvalidSignatureException",
        "'Host' must be a 'SignedHeader' in the AWS Authorization.",
    ),
    "another host": (
        lambda: with_header(signed(), "Host", f"{HOST}:80"),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "x-amz-date not signed": (
        lambda: _old(signed(), "authorization", "host;x-amz-date", "host"),
        "InvalidSignatureException",
        "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization.",
    ),
    "an x-amz header added": (
        lambda: with_header(signed(), "X-Amz-Target", "x"),
        "InvalidSignatureException",
        "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.",
    ),
    "a signed header missing": (
        lambda: with_header(signed(headers={"X-Own": "1"}), "X-Own", None),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "presigned and over": (
        lambda: signed(presigned=True, expires=60, at=now() - 61),
        "InvalidSignatureException",
        r"Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z",
    ),
    "presigned for more than seven days": (
        lambda: signed(presigned=True, expires=604_801),
        "IncompleteSignatureException",
        "X-Amz-Expires must be between 1 and 604800 seconds.",
    ),
    "presigned, and a parameter more": (
        lambda: (lambda one: altered(one, raw_target=f"{one.raw_target}&admin=1"))(signed(presigned=True)),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "presigned, and longer": (
        lambda: (lambda one: altered(one, raw_target=one.raw_target.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")))(
            signed(presigned=True)
        ),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "signed in the header, X-Amz-Signature added": (
        lambda: altered(signed(), raw_target="/prod/pets?X-Amz-Signature=00"),
        "InvalidSignatureException",
        re.escape(WRONG),
    ),
    "a method that is not the signed one by X-HTTP-Method-Override": (
        lambda: with_header(signed("POST"), "X-HTTP-Method-Override", "DELETE"),
        "InvalidSignatureException",
        "'x-http-method-override' must be a 'SignedHeader' in the AWS Authorization.",
    ),
}


@pytest.mark.parametrize("row", ERRORS)
async def test_a_rest_api_says_what_is_wrong_with_a_signature(make: MakeIam, row: str):
    """S-31 to S-36: every row, the whole body."""
    make_request, error_type, message = ERRORS[row]
    gateway = await make(rest())
    status, kind, body = error_of(await ask(gateway, make_request()))
    assert (status, kind, list(body)) == (403, error_type, ["message"])
    assert re.fullmatch(message, body["message"]), body


@pytest.mark.parametrize("row", [row for row in ERRORS if "Override" not in row])
async def test_an_http_api_says_no_more_than_forbidden(make: MakeIam, row: str):
    """Unsigned, badly signed: 403 `{"message":"Forbidden"}`."""
    gateway = await make(http())
    response = await ask(gateway, ERRORS[row][0]())
    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')


async def test_a_signed_override_of_the_method_is_one(make: MakeIam):
    gateway = await make(rest())
    response = await ask(gateway, signed("POST", headers={"X-HTTP-Method-Override": "DELETE"}))
    assert response.status == 200, response.body


async def test_an_unsigned_payload_is_taken_where_the_setting_says_so(make: MakeIam):
    gateway = await make(rest(), unsigned_payloads=True)
    request = signed("POST", body=b"pay", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert (await ask(gateway, altered(request, body=b"any"))).status == 200


async def test_a_captured_request_is_good_for_five_minutes_unless_the_setting_says_otherwise(make: MakeIam):
    """S-34."""
    request = signed()
    gateway = await make(rest())
    assert [(await ask(gateway, request)).status for _ in range(3)] == [200, 200, 200]
    strict = await make(rest(), refuse_replays=True)
    assert [(await ask(strict, request)).status for _ in range(3)] == [200, 403, 403]
    assert (await ask(strict, signed(target="/prod/other"))).status == 200


async def test_a_captured_push_is_refused_where_the_setting_says_so(make: MakeIam):
    """S-34: of the management API, too, whatever keys come meanwhile."""
    gateway = await make(api(route("$connect")), refuse_replays=True)
    await gateway.connect()
    (connection,) = gateway.connections
    push = signed("POST", f"/prod/@connections/{connection.id.replace('=', '%3D')}", body=b"once")
    assert (await ask(gateway, push)).status == 200
    gateway.app.admit([*KEYS, UNKNOWN], ())
    assert (await ask(gateway, push)).status == 403


async def test_a_key_is_good_from_the_moment_it_is_admitted_until_it_is_taken_away(make: MakeIam):
    gateway = await make(rest())
    assert (await ask(gateway, signed(key=UNKNOWN))).status == 403
    gateway.app.admit([UNKNOWN], ())
    assert (await ask(gateway, signed(key=UNKNOWN))).status == 200
    assert (await ask(gateway, signed())).status == 403
    denied = {"Version": "2012-10-17", "Statement": [{**INVOKE, "Effect": "Deny"}]}
    gateway.app.admit([msgspec.structs.replace(UNKNOWN, policies=(denied,))], ())
    assert "explicit deny" in (await ask(gateway, signed(key=UNKNOWN))).body.decode()


async def test_a_session_ends_with_its_time(make: MakeIam):
    gateway = await make(rest())
    session = msgspec.structs.replace(SESSION, expires=now() + 100)
    gateway.app.admit([session], ())
    assert (await ask(gateway, signed(key=session))).status == 200
    gateway.advance(101)
    response = await ask(gateway, signed(key=session, at=now() + 101))
    assert error_of(response)[:2] == (403, "ExpiredTokenException")


# ---- who has signed may not


def denial(user: str, why: str, path: str = "GET/pets") -> dict[str, str]:
    return {
        "Message": f"User: {user} is not authorized to perform: execute-api:Invoke on resource: "
        f"arn:aws:execute-api:us-east-1:********0000:chat/prod/{path} {why}"
    }


async def test_a_rest_api_says_who_may_not_do_what_and_why(make: MakeIam):
    """rest.md's row "denied": the account is masked, the key is `Message`."""
    gateway = await make(rest())
    silent = await ask(gateway, signed(key=NO_POLICY_ALLOWS))
    why = "because no identity-based policy allows the execute-api:Invoke action"
    assert error_of(silent) == (403, "AccessDeniedException", denial(NO_POLICY_ALLOWS.principal, why))
    explicit = await ask(gateway, signed(key=DENIED))
    why = "with an explicit deny in an identity-based policy"
    assert error_of(explicit) == (403, "AccessDeniedException", denial(DENIED.principal, why))


async def test_a_key_of_another_account_needs_a_resource_policy_too(make: MakeIam):
    gateway = await make(rest())
    response = await ask(gateway, signed(key=STRANGER))
    why = "because no resource-based policy allows the execute-api:Invoke action"
    assert error_of(response) == (403, "AccessDeniedException", denial(STRANGER.principal, why))


@pytest.mark.parametrize("key", [NO_POLICY_ALLOWS, DENIED, STRANGER], ids=lambda key: key.access_key_id)
async def test_an_http_api_does_not_say_why(make: MakeIam, key: AccessKey):
    gateway = await make(http())
    response = await ask(gateway, signed(key=key))
    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')


POLICIES = [
    ("GET", "/prod/pets/1", 200),
    ("DELETE", "/prod/pets/1", 403),
    ("GET", "/prod/admin", 403),
    ("GET", "/prod/admin/", 403),
    ("GET", "/prod/a%64min", 403),
    ("GET", "/prod/%40me", 403),
    ("GET", "/prod/@me", 403),
    ("GET", "/prod/pets/", 200),
    ("GET", "/prod/", 403),
]


@pytest.mark.parametrize(("method", "target", "status"), POLICIES)
async def test_policies_name_methods_and_paths_however_those_are_written(make: MakeIam, method, target, status):
    arn = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:chat/prod"
    statements = [
        {**INVOKE, "Resource": [f"{arn}/GET/*", f"{arn}/GET/pets"]},
        {**INVOKE, "Effect": "Deny", "Resource": [f"{arn}/*/admin", f"{arn}/GET/@me", f"{arn}/GET/"]},
    ]
    gateway = await make(rest())
    key = msgspec.structs.replace(KEY, policies=({"Version": "2012-10-17", "Statement": statements},))
    gateway.app.admit([key], ())
    assert (await ask(gateway, signed(method, target, key=key))).status == status


async def test_what_no_policy_could_name_is_414(make: MakeIam):
    gateway = await make(rest())
    key = msgspec.structs.replace(KEY, policies=({"Version": "2012-10-17", "Statement": [INVOKE]},))
    gateway.app.admit([key], ())
    prefix = len(f"arn:aws:execute-api:us-east-1:{ACCOUNT}:chat/prod/GET/")
    assert (await ask(gateway, signed(target=f"/prod/{'x' * (1600 - prefix)}", key=key))).status == 200
    response = await ask(gateway, signed(target=f"/prod/{'x' * (1601 - prefix)}", key=key))
    assert (response.status, response.body) == (414, b'{"message":"Request URI too long"}')


# ---- $connect


def lines_of(request: SignedRequest) -> list[tuple[str, str]]:
    return list(request.headers)


async def refused(gateway: TestGateway, request: SignedRequest) -> tuple[int, str]:
    with pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect(request.raw_target, headers=lines_of(request))
    response = refusal.value.response
    return response.status, json.loads(response.body)["message"]


@pytest.mark.parametrize("presigned", [False, True], ids=["header", "presigned"])
@pytest.mark.parametrize("key", [KEY, SESSION], ids=["key", "session"])
@pytest.mark.parametrize("query", ["", "?room=a%20b&room=@&x=%3D"])
async def test_a_signed_handshake_is_let_in(make: MakeIam, presigned: bool, key: AccessKey, query: str):
    gateway = await make(websocket())
    request = signed(target=f"/prod{query}", presigned=presigned, key=key)
    client = await gateway.connect(request.raw_target, headers=lines_of(request))
    await client.send_text('{"action":"who"}')
    assert json.loads(await client.receive_text()) == {"who": key.principal}


HANDSHAKES: dict[str, tuple[Callable[[], SignedRequest], str]] = {
    "unsigned": (lambda: SignedRequest("GET", "/prod", [("Host", HOST)]), "Missing Authentication Token"),
    "bad signature": (lambda: signed(target="/prod", key=msgspec.structs.replace(KEY, secret="x")), WRONG),
    "unknown key": (
        lambda: signed(target="/prod", key=UNKNOWN),
        "The security token included in the request is invalid.",
    ),
    "expired session": (
        lambda: signed(target="/prod", key=EXPIRED),
        "The security token included in the request is expired",
    ),
    "another query": (lambda: altered(signed(target="/prod?a=1"), raw_target="/prod?a=2"), WRONG),
    "presigned, and a parameter more": (
        lambda: (lambda one: altered(one, raw_target=f"{one.raw_target}&room=2"))(
            signed(target="/prod?room=1", presigned=True)
        ),
        WRONG,
    ),
    "deny": (lambda: signed(target="/prod", key=DENIED), "Forbidden"),
    "not allowed": (lambda: signed(target="/prod", key=NO_POLICY_ALLOWS), "Forbidden"),
    "another account": (lambda: signed(target="/prod", key=STRANGER), "Forbidden"),
}


@pytest.mark.parametrize("row", HANDSHAKES)
async def test_a_handshake_that_is_not_signed_or_not_allowed_is_403(make: MakeIam, row: str):
    """S-35 and the rows of `$connect`."""
    gateway = await make(websocket())
    make_request, message = HANDSHAKES[row]
    assert await refused(gateway, make_request()) == (403, message)


@pytest.mark.parametrize(("age", "accepted"), [(59, True), (62, False)])
async def test_a_presigned_handshake_lives_as_long_as_it_says(make: MakeIam, age: int, accepted: bool):
    """S-35."""
    gateway = await make(websocket())
    request = signed(target="/prod", presigned=True, expires=61, at=now() - age)
    if accepted:
        await gateway.connect(request.raw_target, headers=lines_of(request))
    else:
        status, message = await refused(gateway, request)
        assert status == 403
        assert message.startswith("Signature expired: ")


CONNECT_GRANTS = [
    ("arn:aws:execute-api:us-east-1:000000000000:chat/prod/$connect", True),
    ("arn:aws:execute-api:*:*:*/prod/$connect", True),
    ("arn:aws:execute-api:us-east-1:000000000000:chat/*", True),
    ("arn:aws:execute-api:us-east-1:000000000000:chat/prod/secret", False),
    ("arn:aws:execute-api:us-east-1:000000000000:chat/test/$connect", False),
]


@pytest.mark.parametrize(("resource", "accepted"), CONNECT_GRANTS)
async def test_policies_name_the_connect_route(make: MakeIam, resource: str, accepted: bool):
    gateway = await make(websocket())
    policy = {"Version": "2012-10-17", "Statement": [{**INVOKE, "Resource": resource}]}
    key = msgspec.structs.replace(KEY, policies=(policy,))
    gateway.app.admit([key], ())
    request = signed(target="/prod", key=key)
    if accepted:
        await gateway.connect(request.raw_target, headers=lines_of(request))
    else:
        assert await refused(gateway, request) == (403, "Forbidden")


async def test_no_secret_reaches_an_answer(make: MakeIam):
    """S-11: neither keys nor tokens nor signatures."""
    gateway = await make(rest())
    for key in (SESSION, EXPIRED, NO_POLICY_ALLOWS, UNKNOWN):
        changed = msgspec.structs.replace(key, secret="another secret of it")
        request = signed(key=changed)
        response = await ask(gateway, request)
        signature = next(value for name, value in request.headers if name == "Authorization").rpartition("=")[2]
        for secret in (key.secret + "'", changed.secret, SESSION.session_token or "", signature):
            assert secret.encode() not in response.body


async def test_a_key_that_names_no_principal_is_the_root_of_the_gateways_own_account(make_gateway: MakeGateway):
    key = AccessKey(access_key_id="AKIDPLAIN", secret="s")
    gateway = await make_gateway(access_keys=(key,), account_id="123456789012")
    gateway.deploy(rest())
    response = await ask(gateway, signed(key=key))
    assert (response.status, json.loads(response.body)["userArn"]) == (200, "arn:aws:iam::123456789012:root")
