"""`$context` of callers: who they are, in templates and access logs; what access logs say of how that was found out.

Sources: developer guide, "Variables for data transformations" and "Variables for access logging".
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.authorizers import authorizer, policy
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import answers, ask, method, mock, rest_api
from tests.harness.signed_requests import ACCOUNT, SAYS, key_of, send, signed
from tests.harness.usage import KEY, VALUE, plan
from tests.harness.user_pool import UserPool, pool_authorizer
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api, Stage

ANN = key_of(ACCOUNT, user_id="AIDAANN", organization_id="o-1")


def showing(*names: str, log: str = "", **members: Any) -> Api:
    """An API whose `GET /a` answers these variables, one a line; `members` are the method's and the API's."""
    of_method = {
        name: members.pop(name)
        for name in ("authorization_type", "authorizer", "api_key_required", "authorization_scopes")
        if name in members
    }
    template = "\n".join(f"[$context.{name}]" for name in names)
    route = msgspec.structs.replace(mock("GET /a", answers(template=template)), **of_method)
    return rest_api(route, stage=Stage(name="dev", access_log_format=log), **members)


def shown(body: bytes) -> list[str]:
    return [line[1:-1] for line in body.decode().split("\n")]


@pytest.fixture
async def pool() -> AsyncIterator[UserPool]:
    one = await UserPool().start()
    yield one
    await one.stop()


class Logged:
    """A gateway's access log."""

    def __init__(self, make_gateway: MakeGateway, file: Path) -> None:
        self._make, self._file = make_gateway, file
        self.gateway: TestGateway

    async def start(self, **settings: Any) -> TestGateway:
        self.gateway = await self._make(access_log=str(self._file), **settings)
        return self.gateway

    async def values(self) -> list[str]:
        """Of the last line, in the format of `log_of`."""
        await self.gateway.stop()
        return self._file.read_text().splitlines()[-1].split("|")[:-1]


@pytest.fixture
def logged(make_gateway: MakeGateway, tmp_path: Path) -> Logged:
    return Logged(make_gateway, tmp_path / "access.log")


def log_of(*names: str) -> str:
    return "|".join(f"$context.{name}" for name in (*names, "requestId"))


# ---- callers of Lambda authorizers

LAMBDA = {"principalId": "ann", "text": "value", "number": "1", "boolean": "true", "none": ""}


@pytest.mark.parametrize("place", ["template", "access log"])
async def test_rows_authorizer_principal_id_and_key(logged: Logged, place: str):
    """Rows: authorizer.principalId, authorizer.KEY: stringified."""
    gateway = await logged.start()

    async def authorize(event: Any, context: Any) -> Any:
        return {**policy(context={"text": "value", "number": 1, "boolean": True}), "principalId": "ann"}

    one = authorizer("REST", "authorize", called="PYTHON", identity_sources=())
    names = [f"authorizer.{name}" for name in LAMBDA]
    asked = {"authorization_type": "CUSTOM", "authorizer": "who", "authorizers": {"who": one}}
    gateway.deploy(showing(*names, log=log_of(*names), **asked), handlers={"authorize": authorize})
    seen = shown((await ask(gateway, "GET", "/a")).body)
    if place == "template":
        assert seen == list(LAMBDA.values())
    else:
        assert await logged.values() == [value or "-" for value in LAMBDA.values()]


# ---- callers of user pools


@pytest.mark.parametrize("place", ["template", "access log"])
async def test_row_authorizer_claims(logged: Logged, pool: UserPool, place: str):
    """Row: authorizer.claims.KEY; authorizer.claims itself is null."""
    gateway = await logged.start(cognito_endpoint=pool.url)
    names = ("authorizer.claims.sub", "authorizer.claims.email", "authorizer.claims.none", "authorizer.claims")
    asked = {"authorization_type": "COGNITO_USER_POOLS", "authorizer": "pool"}
    gateway.deploy(showing(*names, log=log_of(*names), authorizers={"pool": pool_authorizer()}, **asked))
    token = pool.id_token(email="ada@example.com")
    response = await ask(gateway, "GET", "/a", f"Authorization: {token}")
    if place == "template":
        assert shown(response.body) == ["ada", "ada@example.com", "", ""]
    else:
        assert await logged.values() == ["ada", "ada@example.com", "-", "-"]


# ---- callers who sign

SIGNED = {
    "accountId": ACCOUNT,
    "accessKey": ANN.access_key_id,
    "caller": "AIDAANN",
    "user": "AIDAANN",
    "userArn": ANN.principal,
    "principalOrgId": "o-1",
    "cognitoIdentityId": "",
    "cognitoIdentityPoolId": "",
    "cognitoAuthenticationType": "",
    "cognitoAuthenticationProvider": "",
}


@pytest.mark.parametrize("place", ["template", "access log"])
async def test_rows_identity_of_signed_callers(logged: Logged, place: str):
    """Rows: identity.{accountId, caller, user, userArn, accessKey, principalOrgId}; identity-pool callers: none."""
    gateway = await logged.start(access_keys=(ANN,))
    names = [f"identity.{name}" for name in SIGNED]
    gateway.deploy(showing(*names, log=log_of(*names), authorization_type="AWS_IAM"))
    response = await send(gateway, signed(key=ANN))
    if place == "template":
        assert shown(response.body) == list(SIGNED.values())
    else:
        assert await logged.values() == [value or "-" for value in SIGNED.values()]


# ---- callers with keys


@pytest.mark.parametrize("place", ["template", "access log"])
async def test_rows_identity_of_callers_with_keys(logged: Logged, place: str):
    """Rows: identity.{apiKey, apiKeyId}."""
    gateway = await logged.start()
    names = ("identity.apiKey", "identity.apiKeyId")
    gateway.deploy(showing(*names, log=log_of(*names), api_key_required=True))
    gateway.app.admit_keys([KEY], [plan("partner")])
    response = await ask(gateway, "GET", "/a", f"X-API-Key: {VALUE}")
    if place == "template":
        assert shown(response.body) == [VALUE, "partner"]
    else:
        # Ours: no log has the value.
        assert await logged.values() == ["***", "partner"]


# ---- where callers come from


@pytest.mark.parametrize("place", ["template", "access log"])
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (("127.0.0.0/8=vpce-1/vpc-2",), ["127.0.0.1", "agent/1", "vpc-2", "vpce-1"]),
        (("127.0.0.0/8=vpc-2",), ["127.0.0.1", "agent/1", "vpc-2", ""]),
        ((), ["127.0.0.1", "agent/1", "", ""]),
    ],
    ids=["private endpoint", "VPC alone", "public"],
)
async def test_rows_identity_of_all_callers(logged: Logged, place: str, source: tuple[str, ...], expected: list[str]):
    """Row: identity.{sourceIp, userAgent, vpcId, vpceId}: immediate TCP peer; header; private endpoint."""
    gateway = await logged.start(vpc_sources=source)
    names = [f"identity.{name}" for name in ("sourceIp", "userAgent", "vpcId", "vpceId")]
    gateway.deploy(showing(*names, log=log_of(*names)))
    response = await ask(gateway, "GET", "/a", "User-Agent: agent/1", "X-Forwarded-For: 192.0.2.1")
    if place == "template":
        assert shown(response.body) == expected
    else:
        assert await logged.values() == [value or "-" for value in expected]


async def test_rows_without_a_caller_who_is_known(logged: Logged):
    """Unset members print empty in templates, - in access logs."""
    gateway = await logged.start()
    names = ("authorizer.principalId", "identity.apiKeyId", "identity.userArn", "authorize.status", "tlsVersion")
    gateway.deploy(showing(*names, log=log_of(*names)))
    assert shown((await ask(gateway, "GET", "/a")).body) == [""] * 5
    assert await logged.values() == ["-"] * 5


# ---- phases

PHASES = ("authenticate.status", "authenticate.error", "authorize.status", "authorizer.status", "authorizer.error")
WRONG = msgspec.structs.replace(ANN, secret="another")
DENIED = msgspec.structs.replace(ANN, policies=(SAYS["deny"],))
IAM: list[Any] = [
    pytest.param(ANN, ANN, ["200", "-", "200", "-", "-"], id="let in"),
    pytest.param(ANN, WRONG, ["403", "The", "-", "-", "-"], id="authenticate: badly signed"),
    pytest.param(DENIED, DENIED, ["200", "-", "403", "-", "-"], id="authorize: denied"),
]


@pytest.mark.parametrize(("admitted", "signer", "expected"), IAM)
async def test_rows_of_phases_of_signed_callers(
    logged: Logged, admitted: AccessKey, signer: AccessKey, expected: list[str]
):
    """Rows: authenticate.{error, latency, status}, authorize.{error, latency, status}; no authorizer is called."""
    gateway = await logged.start(access_keys=(admitted,))
    gateway.deploy(showing(log=log_of(*PHASES), authorization_type="AWS_IAM"))
    await send(gateway, signed(key=signer))
    assert [value.partition(" ")[0] for value in await logged.values()] == expected


AUTHORIZED: list[Any] = [
    pytest.param(policy(), ["-", "-", "200", "200", "-"], id="let in"),
    pytest.param(policy("Deny"), ["-", "-", "403", "403", "User"], id="denied"),
    pytest.param(Exception("Unauthorized"), ["-", "-", "401", "401", "Unauthorized"], id="unauthorized"),
]


@pytest.mark.parametrize(("result", "expected"), AUTHORIZED)
async def test_rows_of_phases_of_callers_of_an_authorizer(logged: Logged, result: Any, expected: list[str]):
    """Rows: authorize.{error, latency, status}, authorizer.{error, status}."""
    gateway = await logged.start()

    async def authorize(event: Any, context: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    one = authorizer("REST", "authorize", called="PYTHON", identity_sources=())
    asked = {"authorization_type": "CUSTOM", "authorizer": "who", "authorizers": {"who": one}}
    gateway.deploy(showing(log=log_of(*PHASES), **asked), handlers={"authorize": authorize})
    await ask(gateway, "GET", "/a")
    assert [value.partition(" ")[0] for value in await logged.values()] == expected


async def test_row_no_authorizer_fields_where_a_token_is_missing(logged: Logged):
    """Nothing in access-log authorizer fields where the function was not called."""
    gateway = await logged.start()
    one = authorizer("REST", "authorize", called="PYTHON")
    names = ("authorizer.status", "authorizer.error", "authorizer.latency", "authorizer.requestId", "authorize.status")
    asked = {"authorization_type": "CUSTOM", "authorizer": "who", "authorizers": {"who": one}}
    gateway.deploy(showing(log=log_of(*names), **asked), handlers={"authorize": lambda event, context: None})
    assert (await ask(gateway, "GET", "/a")).status == 401
    assert await logged.values() == ["-"] * 5


async def test_a_function_sees_where_a_caller_comes_from(make_gateway: MakeGateway):
    """The proxy event's identity has vpcId and vpceId of private endpoints, and of those alone."""

    def identity(event: dict[str, Any], _context: Any) -> dict[str, Any]:
        return {"statusCode": 200, "body": json.dumps(event["requestContext"]["identity"])}

    seen = []
    for sources in (("127.0.0.0/8=vpce-1/vpc-2",), ()):
        gateway = await make_gateway(vpc_sources=sources)
        gateway.deploy(rest_api(method("GET /a", "PYTHON", "identity")), handlers={"identity": identity})
        shown = json.loads((await ask(gateway, "GET", "/a")).body)
        seen.append([shown.get("vpcId"), shown.get("vpceId"), "vpceId" in shown])
    assert seen == [["vpc-2", "vpce-1", True], [None, None, False]]
