"""IAM authorization of HTTP APIs: who is let in, what a policy names, what refusals say, where the identity gets to.

Each way in which a signature can be wrong stands in tests/edge/test_iam.py.
Source: developer guide, "Control access to HTTP APIs with IAM authorization"; IAM service authorization reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.authorizers.sigv4_signing import HOST, altered, sign
from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import function, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from tests.harness.management import call_once, signed_call
from tests.harness.raw_websocket import Response
from wsgw.authorizers.iam import SignedRequest
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api
from wsgw.definitions.check import check
from wsgw.errors import DefinitionError

ACCOUNT = "000000000000"
ARN = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:chat"
FORBIDDEN = b'{"message":"Forbidden"}'
USER = AccessKey(access_key_id="AKIDUSER", secret="s1", principal=f"arn:aws:iam::{ACCOUNT}:user/ann", user_id="AIDA1")
ROLE = AccessKey(
    access_key_id="ASIAROLE",
    secret="s2",
    session_token="token",
    principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/bob",
    user_id="AROA1:bob",
    organization_id="o-example",
)
STRANGER = AccessKey(access_key_id="AKIDOTHER", secret="s3", principal="arn:aws:iam::111122223333:user/eve")
UNKNOWN = AccessKey(access_key_id="AKIDUNKNOWN", secret="s4")


def iam_api(integration: dict[str, Any], *keys: str, stage: Any = None) -> Api:
    """The API `chat` with a stage `prod`; its routes, `ANY /{proxy+}` if none are named, are signed for."""
    signed_for = {**integration, "authorizationType": "AWS_IAM"}
    routes = dict.fromkeys(keys or ("ANY /{proxy+}",), signed_for)
    return msgspec.structs.replace(web_api({**routes, "GET /open": integration}, stages={"prod": stage}), id="chat")


def allowing(*statements: dict[str, Any]) -> AccessKey:
    """A key whose policy has these statements, of `execute-api:Invoke` and Allow unless they say otherwise."""
    whole = [{"Effect": "Allow", "Action": "execute-api:Invoke", **one} for one in statements]
    return msgspec.structs.replace(USER, policies=({"Version": "2012-10-17", "Statement": whole},))


@pytest.fixture
def lanes() -> bool:
    """Signatures are checked behind either door alike; tests/edge has both."""
    return True


class Site:
    """A gateway that knows USER, ROLE and STRANGER, in front of a backend."""

    def __init__(self, gateway: TestGateway, backend: Backend) -> None:
        self.gateway, self.backend = gateway, backend
        backend.on("/", 200, "pets")
        gateway.app.admit([USER, ROLE, STRANGER], ())

    def deploy(self, *keys: str, **members: Any) -> None:
        self.gateway.deploy(iam_api(proxy(self.backend.url, **members), *keys))

    def signed(self, method: str = "GET", target: str = "/prod/pets", **options: Any) -> SignedRequest:
        options.setdefault("at", self.gateway.clock.wall_ms() / 1000)
        return sign(method, target, **{"key": USER, "body": b"", **options})

    async def ask(self, request: SignedRequest) -> Response:
        return await call_once(self.gateway, signed_call(request))

    async def status(self, method: str = "GET", target: str = "/prod/pets", **options: Any) -> int:
        return (await self.ask(self.signed(method, target, **options))).status


@pytest.fixture
async def site(gateway: TestGateway, backend: Backend) -> Site:
    one = Site(gateway, backend)
    one.deploy()
    return one


# ---- signatures


@pytest.mark.parametrize("presigned", [False, True], ids=["in headers", "presigned"])
@pytest.mark.parametrize("key", [USER, ROLE], ids=["a user", "an assumed role"])
async def test_sigv4_for_execute_api(site: Site, key: AccessKey, presigned: bool):
    """SigV4 for service `execute-api`."""
    assert await site.status("POST" if not presigned else "GET", key=key, presigned=presigned) == 200


def plain(site: Site, *headers: tuple[str, str]) -> SignedRequest:
    return SignedRequest("GET", "/prod/pets", [("Host", HOST), *headers])


REFUSED: list[Any] = [
    pytest.param(plain, id="unsigned"),
    pytest.param(lambda site: plain(site, ("Authorization", "Bearer x")), id="another kind of Authorization"),
    pytest.param(lambda site: altered(site.signed(), raw_target="/prod/other"), id="badly signed: another path"),
    pytest.param(lambda site: altered(site.signed("POST"), body=b"more"), id="badly signed: another body"),
    pytest.param(lambda site: site.signed(service="s3"), id="badly signed: another service"),
    pytest.param(lambda site: site.signed(region="eu-west-1"), id="badly signed: another region"),
    pytest.param(lambda site: site.signed(at=site.gateway.clock.wall_ms() / 1000 - 400), id="badly signed: too old"),
    pytest.param(lambda site: site.signed(key=UNKNOWN), id="badly signed: nobody's key"),
    pytest.param(lambda site: site.signed(key=STRANGER), id="denied: another account"),
]


@pytest.mark.parametrize("make", REFUSED)
async def test_each_refusal(site: Site, make: Callable[[Site], SignedRequest]):
    """Unsigned, badly signed or denied: 403 `{"message":"Forbidden"}`, unlike REST texts (unconfirmed)."""
    answer = await site.ask(make(site))
    assert (answer.status, answer.body) == (403, FORBIDDEN)
    assert answer.header("content-length") == "23"
    assert answer.header("apigw-requestid")
    assert answer.header("x-amzn-errortype") is None
    assert site.backend.requests == []


async def test_a_route_that_asks_for_no_signature_is_open(site: Site):
    assert (await site.ask(altered(plain(site), raw_target="/prod/open"))).status == 200


# ---- policies

POLICIES: list[Any] = [
    pytest.param({"Resource": f"{ARN}/prod/GET/pets"}, "GET", "/prod/pets", 200, id="{stage}/{VERB}/{path}"),
    pytest.param({"Resource": f"{ARN}/prod/GET/pets"}, "POST", "/prod/pets", 403, id="another VERB"),
    pytest.param({"Resource": f"{ARN}/prod/GET/pets"}, "GET", "/prod/pets/1", 403, id="another path"),
    pytest.param({"Resource": f"{ARN}/dev/GET/pets"}, "GET", "/prod/pets", 403, id="another stage"),
    pytest.param({"Resource": f"{ARN[:-4]}web/prod/GET/pets"}, "GET", "/prod/pets", 403, id="another api"),
    pytest.param({"Resource": ARN.replace(ACCOUNT, "1") + "/*"}, "GET", "/prod/pets", 403, id="another account"),
    pytest.param({"Resource": ARN.replace("us-east-1", "eu-west-1") + "/*"}, "GET", "/prod/pets", 403, id="a region"),
    pytest.param({"Resource": f"{ARN}/*/GET/*"}, "GET", "/prod/pets/1", 200, id="wildcards"),
    pytest.param({"Resource": "*"}, "DELETE", "/prod/pets/1", 200, id="everything"),
    pytest.param({"Resource": "*", "Action": "execute-api:*"}, "GET", "/prod/pets", 200, id="action execute-api:*"),
    pytest.param(
        {"Resource": "*", "Action": "execute-api:ManageConnections"}, "GET", "/prod/pets", 403, id="another action"
    ),
]


@pytest.mark.parametrize(("statement", "method", "target", "status"), POLICIES)
async def test_each_part_of_what_a_policy_names(
    site: Site, statement: dict[str, Any], method: str, target: str, status: int
):
    """Action `execute-api:Invoke` on `arn:aws:execute-api:{region}:{account}:{api}/{stage}/{VERB}/{path}`."""
    key = allowing(statement)
    site.gateway.app.admit([key], ())
    answer = await site.ask(site.signed(method, target, key=key))
    assert (answer.status, answer.body) == ((200, b"pets") if status == 200 else (403, FORBIDDEN))


async def test_an_explicit_deny_wins(site: Site):
    """Denied: 403."""
    key = allowing({"Resource": "*"}, {"Effect": "Deny", "Resource": f"{ARN}/prod/GET/pets"})
    site.gateway.app.admit([key], ())
    assert await site.status(key=key) == 403
    assert await site.status("GET", "/prod/others", key=key) == 200


@pytest.mark.parametrize("key", ["$default", "ANY /{proxy+}", "GET /pets/{id}"])
async def test_the_path_is_the_one_asked_for_whatever_the_route(site: Site, key: str):
    """…/{VERB}/{path}: of any route the path of the request."""
    site.deploy(key)
    caller = allowing({"Resource": f"{ARN}/prod/GET/pets/1"})
    site.gateway.app.admit([caller], ())
    assert await site.status("GET", "/prod/pets/1", key=caller) == 200
    assert await site.status("GET", "/prod/pets/2", key=caller) == 403


async def test_there_are_no_resource_policies(site: Site):
    """No resource policies: one is refused, so that another account's callers are let in by assuming a role only."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": statement}
    with_policy = msgspec.structs.replace(iam_api(proxy(site.backend.url)), policy=policy)
    assert [finding.severity for finding in check(with_policy)] == ["error"]
    with pytest.raises(DefinitionError, match="only REST APIs"):
        site.gateway.deploy(with_policy)
    assert (await site.status(key=STRANGER), await site.status(key=ROLE)) == (403, 200)


# ---- the identity

IDENTITIES: list[Any] = [
    (
        USER,
        {
            "accessKey": "AKIDUSER",
            "accountId": ACCOUNT,
            "callerId": "AIDA1",
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": f"arn:aws:iam::{ACCOUNT}:user/ann",
            "userId": "AIDA1",
        },
    ),
    (
        ROLE,
        {
            "accessKey": "ASIAROLE",
            "accountId": ACCOUNT,
            "callerId": "AROA1:bob",
            "cognitoIdentity": None,
            "principalOrgId": "o-example",
            "userArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/bob",
            "userId": "AROA1:bob",
        },
    ),
]


@pytest.mark.parametrize(("key", "shown"), IDENTITIES, ids=["a user", "an assumed role"])
async def test_the_identity_in_an_event(
    site: Site, lambdas: LambdaEndpoint, key: AccessKey, shown: dict[str, str | None]
):
    """Row iam: {accessKey, accountId, callerId, cognitoIdentity or null, principalOrgId, userArn, userId}."""
    lambdas.functions["handle"] = returns({"statusCode": 200})
    site.gateway.deploy(iam_api(function()))
    assert await site.status(key=key) == 200
    assert lambdas.calls[-1].event["requestContext"]["authorizer"] == {"iam": shown}


async def test_the_identity_in_payload_format_1_0(site: Site, lambdas: LambdaEndpoint):
    """Format 1.0: identity as REST; no authorizer's claims."""
    lambdas.functions["handle"] = returns({"statusCode": 200})
    site.gateway.deploy(iam_api(function("1.0")))
    assert await site.status(key=ROLE) == 200
    context = lambdas.calls[-1].event["requestContext"]
    assert context["authorizer"] == {"claims": None, "scopes": None}
    shown = {name: context["identity"][name] for name in ("accessKey", "accountId", "caller", "user", "userArn")}
    assert shown == {
        "accessKey": "ASIAROLE",
        "accountId": ACCOUNT,
        "caller": "AROA1:bob",
        "user": "AROA1:bob",
        "userArn": ROLE.principal,
    }


IDENTITY = {
    "accountId": ACCOUNT,
    "caller": "AROA1:bob",
    "cognitoAuthenticationProvider": None,
    "cognitoAuthenticationType": None,
    "cognitoIdentityId": None,
    "cognitoIdentityPoolId": None,
    "principalOrgId": "o-example",
    "sourceIp": "127.0.0.1",
    "user": "AROA1:bob",
    "userArn": ROLE.principal,
}


@pytest.mark.parametrize("name", IDENTITY)
async def test_the_identity_in_parameter_mapping(site: Site, name: str):
    """`$context.identity.*`."""
    site.deploy(requestParameters={"append:header.out": f"$context.identity.{name}"})
    assert await site.status(key=ROLE) == 200
    assert site.backend.requests[-1].header("out") == IDENTITY[name]


async def test_the_identity_in_access_logs(make_gateway: MakeGateway, backend: Backend, tmp_path: Path):
    """Access log variables: identity.{accountId, caller, …}; who was refused is nobody."""
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    site = Site(gateway, backend)
    members = ",".join(f'"{name}":"$context.identity.{name}"' for name in IDENTITY)
    line = f'{{{members},"status":"$context.status","id":"$context.requestId"}}'
    gateway.deploy(iam_api(proxy(backend.url), stage={"accessLog": line}))
    for key in (ROLE, UNKNOWN):
        await site.status(key=key)
    await gateway.stop()
    let_in, refused = map(json.loads, (tmp_path / "access.log").read_text().splitlines())
    assert {name: let_in[name] for name in IDENTITY} == {name: value or "-" for name, value in IDENTITY.items()}
    assert (let_in["status"], refused["status"]) == ("200", "403")
    assert {refused[name] for name in IDENTITY if name != "sourceIp"} == {"-"}
