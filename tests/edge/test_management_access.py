"""Who may use @connections: signed requests, tokens, or the loopback interface alone. All over real sockets.

What SigV4 accepts and refuses in detail stands in tests/authorizers; here botocore signs, and the edge must hand the
verifier exactly what came: S-30 to S-34, S-36. S-11: a canary stands for every secret. S-15: ids tell nothing.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.authorizers.sigv4_signing import KEY, altered, sign, with_header
from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.management import call, call_once, manage, signed_call
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket, Response, exchange
from wsgw import ids
from wsgw.authorizers.iam import SignedRequest
from wsgw.authorizers.policy import PolicyError
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Stage

PING = route("ping", mock('{"pong":true}'), two_way=True)
TOKEN = "a-management-token"
FORBIDDEN = (403, "ForbiddenException", b'{"message":"Forbidden"}')
UNSIGNED = (403, "MissingAuthenticationTokenException", b'{"message":"Missing Authentication Token"}')
UNRECOGNIZED = (
    403,
    "UnrecognizedClientException",
    b'{"message":"The security token included in the request is invalid."}',
)


def error_of(response: Response) -> tuple[int, str | None, bytes]:
    return response.status, response.header("x-amzn-ErrorType"), response.body


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


async def one_client(gateway: TestGateway, path: str = "/prod") -> tuple[RawWebSocket, str]:
    known = {connection.id for connection in gateway.connections}
    client = await gateway.connect(path)
    (id,) = {connection.id for connection in gateway.connections} - known
    return client, id


def target_of(id: str, stage: str = "prod") -> str:
    return f"/{stage}/@connections/{quote(id, safe='')}"


def signed(target: str, method: str = "POST", **options: Any) -> SignedRequest:
    """As botocore signs it now, or `at` another time."""
    options.setdefault("body", b"hello" if method == "POST" else b"")
    options.setdefault("at", time.time())
    request = sign(method, target, **options)
    # Botocore makes a presigned request's body part of the query.
    return altered(request, body=b"") if options.get("presigned") else request


async def send(gateway: TestGateway, request: SignedRequest) -> Response:
    return await call_once(gateway, signed_call(request))


# ---- nothing configured: the loopback interface


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_where_nothing_is_configured_local_callers_are_let_in_unsigned(gateway: TestGateway, method: str):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert (await manage(gateway, method, id)).status in (200, 204)


async def test_where_nothing_is_configured_local_callers_are_let_in_however_they_sign(gateway: TestGateway):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert (await send(gateway, signed(target_of(id)))).status == 200
    assert (await manage(gateway, "POST", id, b"", bearer("whatever"))).status == 200


THROUGH_STRANGERS = [
    pytest.param([("X-Forwarded-For", "127.0.0.1")], id="X-Forwarded-For-of-a-local-address"),
    pytest.param([("X-Forwarded-For", "203.0.113.9")], id="X-Forwarded-For"),
    pytest.param([("x-forwarded-proto", "https")], id="X-Forwarded-Proto"),
    pytest.param([("Forwarded", "for=127.0.0.1")], id="Forwarded"),
    pytest.param([("Via", "1.1 proxy")], id="Via"),
]


@pytest.mark.parametrize("headers", THROUGH_STRANGERS)
async def test_what_comes_through_an_unknown_proxy_is_not_local(
    gateway: TestGateway, headers: Sequence[tuple[str, str]]
):
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert error_of(await manage(gateway, "POST", id, b"hello", headers)) == FORBIDDEN


THROUGH_A_KNOWN_PROXY = [
    pytest.param([("X-Forwarded-For", "203.0.113.9")], id="for-somebody-elsewhere"),
    pytest.param([("X-Forwarded-For", "127.0.0.1, 203.0.113.9")], id="a-forged-address-before-the-real-one"),
    pytest.param([("X-Forwarded-For", "203.0.113.9:4711")], id="an-address-with-a-port"),
    pytest.param([("X-Forwarded-For", "unknown")], id="no-address"),
    pytest.param([("X-Forwarded-For", "203.0.113.9:4711, 127.0.0.1")], id="no-address-before-a-proxy"),
    pytest.param([("X-Forwarded-For", "")], id="an-empty-header"),
    pytest.param([("Via", "1.1 proxy")], id="for-nobody-named"),
    pytest.param([("X-Forwarded-Proto", "https")], id="only-the-scheme"),
]


@pytest.mark.parametrize("headers", THROUGH_A_KNOWN_PROXY)
async def test_a_known_proxy_does_not_make_its_callers_local(
    make_gateway: MakeGateway, headers: Sequence[tuple[str, str]]
):
    gateway = await make_gateway(trust_forwarded=("127.0.0.1",))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert error_of(await manage(gateway, "POST", id, b"hello", headers)) == FORBIDDEN
    assert (await manage(gateway, "POST", id, b"hello")).status == 200


async def test_a_bad_id_and_a_large_body_are_refused_before_anybody_asks_who_calls(make_gateway: MakeGateway):
    gateway = await make_gateway(tokens=(TOKEN,))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    for headers in ([], bearer("wrong"), bearer(TOKEN)):
        answer = error_of(await manage(gateway, "POST", "garbage", b"", headers))
        assert answer == (400, "BadRequestException", b'{"message":"Invalid connectionId: garbage"}')
    assert (await manage(gateway, "POST", id, b"x" * 131_073)).status == 413


# ---- without keys and tokens


async def test_insecure_lets_nobody_in_who_is_not_local(make_gateway: MakeGateway):
    gateway = await make_gateway(host="0.0.0.0", insecure=True, trust_forwarded=("127.0.0.1",))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    elsewhere = [("X-Forwarded-For", "203.0.113.9")]
    assert error_of(await manage(gateway, "POST", id, b"hello", elsewhere)) == FORBIDDEN
    assert (await manage(gateway, "POST", id, b"hello")).status == 200


async def test_an_empty_token_is_no_token(make_gateway: MakeGateway):
    gateway = await make_gateway(tokens=("", TOKEN))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    for value in ("Bearer", "Bearer ", "bearer  "):
        response = await manage(gateway, "POST", id, b"hello", [("Authorization", value)])
        assert response.status == 403, value


# ---- tokens


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_token_opens_every_call(make_gateway: MakeGateway, method: str, scheme: str):
    gateway = await make_gateway(tokens=("another", TOKEN))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    response = await manage(gateway, method, id, None, [("Authorization", f"{scheme} {TOKEN}")])
    assert response.status in (200, 204)


WRONG_TOKENS = [
    pytest.param([], UNSIGNED, id="nothing"),
    pytest.param(bearer("wrong"), UNRECOGNIZED, id="another-token"),
    pytest.param(bearer(TOKEN + "x"), UNRECOGNIZED, id="a-longer-token"),
    pytest.param(bearer(TOKEN[:-1]), UNRECOGNIZED, id="a-shorter-token"),
    pytest.param(bearer(TOKEN.upper()), UNRECOGNIZED, id="in-capitals"),
    pytest.param([("X-Authorization", f"Bearer {TOKEN}")], UNSIGNED, id="in-another-header"),
]


@pytest.mark.parametrize(("headers", "answer"), WRONG_TOKENS)
async def test_without_the_token_local_callers_are_refused_too(
    make_gateway: MakeGateway, headers: Sequence[tuple[str, str]], answer: tuple[int, str, bytes]
):
    gateway = await make_gateway(tokens=(TOKEN,))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert error_of(await manage(gateway, "POST", id, b"hello", headers)) == answer


async def test_a_token_in_the_query_opens_nothing(make_gateway: MakeGateway):
    gateway = await make_gateway(tokens=(TOKEN,))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    target = f"{target_of(id)}?token={TOKEN}&Authorization=Bearer%20{TOKEN}"
    assert error_of(await call_once(gateway, call(gateway, "POST", target, b"hello"))) == UNSIGNED


async def test_two_authorizations_are_a_bad_request(make_gateway: MakeGateway):
    gateway = await make_gateway(tokens=(TOKEN,))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert (await manage(gateway, "POST", id, b"hello", bearer(TOKEN) + bearer(TOKEN))).status == 400


async def test_keys_and_tokens_work_beside_each_other(make_gateway: MakeGateway):
    gateway = await make_gateway(tokens=(TOKEN,), access_keys=(KEY,))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert (await manage(gateway, "POST", id, b"hello", bearer(TOKEN))).status == 200
    assert (await send(gateway, signed(target_of(id)))).status == 200
    assert error_of(await manage(gateway, "POST", id, b"hello")) == UNSIGNED


# ---- access keys and their policies


def key_with(*statements: dict[str, Any]) -> AccessKey:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return AccessKey(access_key_id=KEY.access_key_id, secret=KEY.secret, principal=KEY.principal, policies=(document,))


def rule(resource: str, effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": "execute-api:ManageConnections", "Resource": resource}


async def test_keys_with_a_policy_that_cannot_be_read_leave_all_as_it_was(make_gateway: MakeGateway):
    gateway = await make_gateway(access_keys=(KEY,), tokens=(TOKEN,))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    with pytest.raises(PolicyError):
        gateway.app.admit([key_with(rule("*", "Perhaps"))], ())
    assert (await send(gateway, signed(target_of(id)))).status == 200
    assert (await manage(gateway, "POST", id, b"hello", bearer(TOKEN))).status == 200


ARN = "arn:aws:execute-api:us-east-1:123456789012:chat"
POLICIES = [
    pytest.param(f"{ARN}/*", "POST", "prod", True, id="the-api"),
    pytest.param(f"{ARN}/prod/*", "DELETE", "prod", True, id="the-stage"),
    pytest.param(f"{ARN}/prod/POST/@connections/*", "POST", "prod", True, id="the-method"),
    pytest.param(f"{ARN}/prod/POST/@connections/*", "GET", "prod", False, id="another-method"),
    pytest.param(f"{ARN}/prod/POST/@connections/{{connectionId}}", "POST", "prod", True, id="the-template-literally"),
    pytest.param("arn:aws:execute-api:*:*:*/@connections/*", "GET", "prod", True, id="as-frameworks-write-it"),
    pytest.param(f"{ARN}/prod/POST/@connections", "POST", "prod", False, id="the-documented-form-without-a-tail"),
    pytest.param(f"{ARN}/prod/POST/@connections/{'?' * 36}", "POST", "prod", False, id="anything-as-long-as-an-id"),
    pytest.param(f"{ARN}/prod/*", "POST", "test", False, id="the-stage-in-the-url-counts"),
    pytest.param(f"{ARN}/test/*", "POST", "test", True, id="another-stage-reaches-the-connection"),
]


@pytest.mark.parametrize(("resource", "method", "stage", "allowed"), POLICIES)
async def test_policies_grant_what_they_grant_on_the_service(
    make_gateway: MakeGateway, resource: str, method: str, stage: str, allowed: bool
):
    gateway = await make_gateway(account_id="123456789012", access_keys=(key_with(rule(resource)),))
    gateway.deploy(api(PING, stages={name: Stage(name=name) for name in ("prod", "test")}))
    _, id = await one_client(gateway)
    response = await send(gateway, signed(target_of(id, stage), method))
    if allowed:
        assert response.status in (200, 204)
    else:
        assert response.status == 403
        assert response.header("x-amzn-ErrorType") == "AccessDeniedException"


DENIALS = [
    pytest.param(
        (rule("arn:aws:execute-api:*:*:other/*"),),
        "because no identity-based policy allows the execute-api:ManageConnections action",
        id="implicit",
    ),
    pytest.param(
        (rule("*"), rule(f"{ARN}/*/POST/*", "Deny")),
        "with an explicit deny in an identity-based policy",
        id="explicit",
    ),
]


@pytest.mark.parametrize(("statements", "because"), DENIALS)
async def test_a_denial_has_the_services_words_and_the_template_in_place_of_the_id(
    make_gateway: MakeGateway, statements: tuple[dict[str, Any], ...], because: str
):
    gateway = await make_gateway(account_id="123456789012", access_keys=(key_with(*statements),))
    gateway.serve(PING)
    client, id = await one_client(gateway)
    response = await send(gateway, signed(target_of(id)))
    text = (
        "User: arn:aws:iam::000000000000:user/backend is not authorized to perform: execute-api:ManageConnections on "
        "resource: arn:aws:execute-api:us-east-1:********9012:chat/prod/POST/@connections/{connectionId} " + because
    )
    assert error_of(response) == (403, "AccessDeniedException", b'{"Message":"%s"}' % text.encode())
    assert (await client.close())[0] == 1000  # nothing else came


# ---- signatures

ACCEPTED = [
    pytest.param("/prod/@connections/{raw}", {}, id="equals-as-it-is"),
    pytest.param("/prod/@connections/{id}", {}, id="equals-escaped"),
    pytest.param("/prod/%40connections/{id}", {}, id="at-escaped"),
    pytest.param("/prod/@connections/{id}?b=2&a=1&a=0&b=", {}, id="repeated-query-keys"),
    pytest.param("/prod/@connections/{id}?text=a%20b%2Bc%2520&x", {}, id="spaces-plus-and-double-escapes"),
    pytest.param("/prod/@connections/{id}", {"headers": {"X-Amz-Meta": "  two   blanks "}}, id="blanks-in-a-header"),
    pytest.param("/prod/@connections/{id}", {"region": "eu-central-1"}, id="any-region"),
    pytest.param("/prod/@connections/{id}", {"presigned": True, "body": b"{}"}, id="presigned"),
    pytest.param("/prod/@connections/{id}", {"body": b""}, id="empty-body"),
    pytest.param("/prod/@connections/{id}", {"body": b"\xff" * 131_072}, id="largest-body"),
]


@pytest.mark.parametrize(("target", "options"), ACCEPTED)
async def test_whatever_botocore_signs_is_accepted(make_gateway: MakeGateway, target: str, options: dict[str, Any]):
    gateway = await make_gateway(access_keys=(KEY,))
    gateway.serve(PING)
    client, id = await one_client(gateway)
    request = signed(target.format(id=quote(id, safe=""), raw=id), **options)
    assert (await send(gateway, request)).status == 200
    assert await client.receive() == request.body.decode("utf-8", "replace").encode()


OTHER_SECRET = AccessKey(access_key_id=KEY.access_key_id, secret="another")
STRANGER = AccessKey(access_key_id="AKIDSTRANGER", secret=KEY.secret)
SESSION = AccessKey(access_key_id="ASIASESSION", secret="secret", session_token="session-token")
OTHER_SESSION = AccessKey(access_key_id="ASIASESSION", secret="secret", session_token="another")
NO_SESSION = AccessKey(access_key_id="ASIASESSION", secret="secret")

REFUSED = [
    pytest.param({"key": OTHER_SECRET}, "InvalidSignatureException", id="another-secret"),
    pytest.param({"key": STRANGER}, "UnrecognizedClientException", id="an-unknown-key"),
    pytest.param({"key": OTHER_SESSION}, "UnrecognizedClientException", id="another-session-token"),
    pytest.param({"key": NO_SESSION}, "UnrecognizedClientException", id="no-session-token"),
    pytest.param({"service": "s3"}, "InvalidSignatureException", id="another-service"),
    pytest.param({"at": -301}, "InvalidSignatureException", id="too-old"),
    pytest.param({"at": 310}, "InvalidSignatureException", id="from-the-future"),
    pytest.param({"at": -86_400}, "InvalidSignatureException", id="of-yesterday"),
    pytest.param(
        {"presigned": True, "expires": 60, "at": -70, "body": b"{}"},
        "InvalidSignatureException",
        id="presigned-and-expired",
    ),
]


@pytest.mark.parametrize(("options", "error_type"), REFUSED)
async def test_what_was_signed_otherwise_is_refused(
    make_gateway: MakeGateway, options: dict[str, Any], error_type: str
):
    gateway = await make_gateway(access_keys=(KEY, SESSION))
    gateway.serve(PING)
    client, id = await one_client(gateway)
    at = time.time() + options.get("at", 0)
    response = await send(gateway, signed(target_of(id), **{**options, "at": at}))
    assert (response.status, response.header("x-amzn-ErrorType")) == (403, error_type)
    assert (await client.close())[0] == 1000  # nothing else came


async def test_a_session_key_is_accepted_with_its_token(make_gateway: MakeGateway):
    gateway = await make_gateway(access_keys=(SESSION,))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert (await send(gateway, signed(target_of(id), key=SESSION))).status == 200


def _signs_less(request: SignedRequest, name: str) -> SignedRequest:
    """`request` that no longer claims to have signed the header `name`."""
    (value,) = [value for header, value in request.headers if header.lower() == "authorization"]
    names = re.search(r"SignedHeaders=([^,]+)", value)
    assert names is not None
    fewer = ";".join(one for one in names[1].split(";") if one != name)
    return with_header(request, "Authorization", value.replace(names[1], fewer))


TAMPERED = [
    pytest.param(lambda request: altered(request, body=b"other"), id="another-body"),
    pytest.param(lambda request: altered(request, method="DELETE", body=b"hello"), id="another-method"),
    pytest.param(lambda request: altered(request, raw_target=request.raw_target + "?a=b"), id="a-query-added"),
    pytest.param(lambda request: with_header(request, "X-Amz-Date", None), id="the-date-taken-away"),
    pytest.param(lambda request: with_header(request, "X-Amz-Target", "x"), id="an-amz-header-added"),
    pytest.param(lambda request: with_header(request, "X-Amz-Security-Token", "x"), id="a-session-token-added"),
    pytest.param(lambda request: with_header(request, "Host", "127.0.0.1"), id="another-host"),
    pytest.param(lambda request: _signs_less(request, "host"), id="the-host-not-signed"),
    pytest.param(lambda request: _signs_less(request, "x-amz-date"), id="the-date-not-signed"),
    pytest.param(
        lambda request: with_header(request, "X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"), id="an-unsigned-payload"
    ),
]


@pytest.mark.parametrize("tamper", TAMPERED)
async def test_what_was_changed_on_the_way_is_refused(make_gateway: MakeGateway, tamper: Any):
    gateway = await make_gateway(access_keys=(KEY,))
    gateway.serve(PING)
    client, id = await one_client(gateway)
    response = await send(gateway, tamper(signed(target_of(id))))
    assert response.status == 403
    assert await client.close() == (1000, "")


async def test_a_hash_that_does_not_match_the_body_is_refused_though_it_is_signed(make_gateway: MakeGateway):
    gateway = await make_gateway(access_keys=(KEY,))
    gateway.serve(PING)
    _, id = await one_client(gateway)
    for stated in ("UNSIGNED-PAYLOAD", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"):
        response = await send(gateway, signed(target_of(id), headers={"X-Amz-Content-SHA256": stated}))
        assert (response.status, response.header("x-amzn-ErrorType")) == (403, "InvalidSignatureException"), stated


async def test_a_captured_push_works_again_until_its_date_is_too_old(make_gateway: MakeGateway):
    """S-34: as on the service, a signature holds for its window and is not used up; TLS keeps it from strangers."""
    gateway = await make_gateway(access_keys=(KEY,))
    gateway.serve(PING)
    client, id = await one_client(gateway)
    captured = signed_call(signed(target_of(id)))
    for _ in range(2):
        assert (await call_once(gateway, captured)).status == 200
        assert await client.receive_text() == "hello"
    gateway.advance(301)
    response = await call_once(gateway, captured)
    assert (response.status, response.header("x-amzn-ErrorType")) == (403, "InvalidSignatureException")


async def test_the_window_is_what_the_setting_says(make_gateway: MakeGateway):
    gateway = await make_gateway(access_keys=(KEY,), clock_skew_seconds=900)
    gateway.serve(PING)
    _, id = await one_client(gateway)
    assert (await send(gateway, signed(target_of(id), at=time.time() - 890))).status == 200
    assert (await send(gateway, signed(target_of(id), at=time.time() - 910))).status == 403


# ---- ids tell nothing


async def test_a_connection_of_another_api_looks_as_one_that_never_was(gateway: TestGateway):
    gateway.deploy(api(PING), api(PING, id="other"))
    client, id = await one_client(gateway, "/other/prod")
    never = ids.connection_id("beef", ids.api_tag("other"))
    for method in ("POST", "GET", "DELETE"):
        for one in (id, never):
            assert error_of(await manage(gateway, method, one, base="/chat/prod")) == FORBIDDEN
        assert error_of(await manage(gateway, method, never, base="/other/prod")) == (410, "GoneException", b"")
    assert (await manage(gateway, "GET", id, base="/other/prod")).status == 200
    assert await client.close() == (1000, "")


def _two_apis_of_one_tag() -> tuple[str, str]:
    """Names whose tags are the same: 24 bits, so some thousand names are enough."""
    seen: dict[bytes, str] = {}
    for number in range(200_000):
        name = f"api{number}"
        other = seen.setdefault(ids.api_tag(name), name)
        if other != name:
            return other, name
    raise AssertionError("no two names with the same tag")


async def test_apis_whose_tags_are_the_same_do_not_reach_each_others_connections(gateway: TestGateway):
    one, other = _two_apis_of_one_tag()
    gateway.deploy(api(PING, id=one), api(PING, id=other))
    client, id = await one_client(gateway, f"/{one}/prod")
    for method in ("POST", "GET", "DELETE"):
        assert error_of(await manage(gateway, method, id, base=f"/{other}/prod")) == (410, "GoneException", b"")
    assert (await manage(gateway, "GET", id, base=f"/{one}/prod")).status == 200
    assert await client.close() == (1000, "")


async def test_a_connection_whose_stage_was_taken_away_is_nobodys(gateway: TestGateway):
    gateway.deploy(api(PING, id="other"), api(PING))
    client, id = await one_client(gateway, "/other/prod")
    gateway.deploy(api(PING))
    for method in ("POST", "GET", "DELETE"):
        assert error_of(await manage(gateway, method, id, base="/chat/prod")) == FORBIDDEN
    assert await client.close() == (1000, "")


@pytest.mark.slow
def test_a_million_ids_are_all_different_and_no_place_in_them_is_predictable():
    """S-15: chi-squared of every byte's values, for ids of one node and one API, made one after the other."""
    from base64 import urlsafe_b64decode

    number, tag = 1_000_000, ids.api_tag("chat")
    made = [ids.connection_id("beef", tag) for _ in range(number)]
    assert len(set(made)) == number
    assert len({one[:8] for one in made}) > number * 0.999  # 48 bits: hardly two begin alike
    raw = b"".join(urlsafe_b64decode(one) for one in made)
    size = len(raw) // number
    assert size - 9 >= 17  # node, tag and checksum are 9 bytes; the rest is random: more than 128 bits
    for at in range(size):
        column = raw[at::size]
        # No id begins with `-`, six bits that are 62.
        values = [value for value in range(256) if at or value >> 2 != 62]
        expected = number / len(values)
        chi_squared = sum((column.count(value) - expected) ** 2 / expected for value in values)
        # 255 degrees of freedom: mean 255, deviation 22.6; ten deviations never happen by chance.
        assert chi_squared < 255 + 10 * 22.6, f"byte {at}"
    # Node and tag are masked with the random part, never with the same value: XOR of neighbours repeats nothing.
    neighbours = {raw[at : at + 5] for at in range(17, size * 1000, size)}
    assert len(neighbours) == 1000


# ---- a canary

CANARY = "canary-Zq7xV2"


@pytest.fixture
async def watched(make_gateway: MakeGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> TestGateway:
    """A gateway that logs all it can, whose routes fail in several ways."""
    caplog.set_level(logging.DEBUG)
    gateway = await make_gateway(
        access_log=str(tmp_path / "access.log"),
        tokens=(TOKEN, f"{CANARY}-right"),
        access_keys=(KEY,),
        log_level="debug",
    )
    nowhere = "http://127.0.0.1:1/connect"
    gateway.deploy(
        api(route("$connect", http(nowhere)), PING, id="down", stage=Stage(name="down")),
        api(PING, stage=Stage(name="prod")),
    )
    return gateway


async def test_a_secret_that_a_client_sends_is_repeated_nowhere(
    watched: TestGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """S-11: error bodies, response headers, access log, log, metrics and standard error, at the most talkative."""
    gateway = watched
    client, id = await one_client(gateway, f"/prod?token={CANARY}")
    answers: list[Response] = []
    authorizations = [
        f"Bearer {CANARY}",
        f"Bearer {CANARY}-right",
        f"Basic {CANARY}",
        CANARY,
        f"AWS4-HMAC-SHA256 {CANARY}",
        f"AWS4-HMAC-SHA256 Credential=AKID/20260925/us-east-1/execute-api/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={CANARY}",
    ]
    for value in authorizations:
        for method in ("POST", "GET", "PUT"):
            headers = [("Authorization", value), ("Cookie", CANARY), ("X-Api-Key", CANARY)]
            answers.append(await manage(gateway, method, id, b"x", headers))
            target = f"{target_of(id)}?token={CANARY}&X-Amz-Security-Token={CANARY}&X-Amz-Signature={CANARY}"
            answers.append(await call_once(gateway, call(gateway, method, target, b"x", headers)))
    host = gateway.url.partition("//")[2]
    broken = (
        f"GET /prod?{CANARY} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {CANARY}\0\r\n\r\n",
        f"GET /prod?{CANARY} HTTP/1.1\r\nHost: {host}\r\nAuthorization {CANARY}\r\n\r\n",
        f"GET /{CANARY}?token={CANARY} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        f"{CANARY} /prod HTTP/1.1\r\nHost: {host}\r\n\r\n",
        f"GET /prod HTTP/1.1\r\nHost: {CANARY}@{host}\r\n\r\n",
        f"GET /prod HTTP/1.1\r\nHost: {host}\r\nAuthorization: {CANARY * 2000}\r\n\r\n",
    )
    answers += [await exchange(gateway.url, one.encode("latin-1")) for one in broken]
    for subprotocols in ((), (CANARY,)):
        with pytest.raises(HandshakeRefused) as refused:
            await gateway.connect(f"/down?token={CANARY}", headers=bearer(CANARY), subprotocols=subprotocols)
        answers.append(refused.value.response)
    await client.send_json({"action": "none", "token": CANARY})
    await client.receive()
    await client.close(4000, CANARY)
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.control}/metrics") as response:
        metrics = await response.text()
    gateway.app.access_log.close()

    for answer in answers:
        assert CANARY not in answer.body.decode(), answer
        assert CANARY not in str(answer.headers), answer
    assert {answer.status for answer in answers} >= {200, 400, 403, 431, 504}
    access_log = (tmp_path / "access.log").read_text()
    assert access_log.count("\n") >= len(authorizations) * 6
    assert CANARY not in access_log
    assert len(caplog.records) > 10
    assert CANARY not in "\n".join(str(record.__dict__) for record in caplog.records) + caplog.text
    assert CANARY not in metrics
    captured = capfd.readouterr()
    assert CANARY not in captured.out + captured.err


async def test_what_stands_in_place_of_an_id_cannot_forge_a_log_line(watched: TestGateway, tmp_path: Path):
    forged = '","status":"200"}\n{"forged":"yes\r\u2028'
    assert (await manage(watched, "POST", forged)).status == 400
    watched.app.access_log.close()
    (line,) = (tmp_path / "access.log").read_text().splitlines()
    assert '"status":"400"' in line
    assert '{"forged"' not in line.replace('\\"', "'")
