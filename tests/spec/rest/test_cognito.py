"""COGNITO_USER_POOLS: which tokens are taken, what is said of others, what is made of their claims.

Source: developer guide, "Control access to a REST API using Amazon Cognito user pools as authorizer". The same with
tokens of moto's pools is tests/authorizers'.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import ask, mock, rest_api
from tests.harness.token_issuer import rsa_key, signed
from tests.harness.user_pool import ARN, CLIENT, UserPool, pool_authorizer
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.freeze_access import authorizer_of_v1
from wsgw.definitions.route import Integration, Route

UNAUTHORIZED = (401, "UnauthorizedException", {"message": "Unauthorized"})
EXPIRED = (401, "UnauthorizedException", {"message": "The incoming token has expired"})
ASKED: dict[str, Any] = {"authorization_type": "COGNITO_USER_POOLS", "authorizer": "pool"}


@pytest.fixture
async def pool() -> AsyncIterator[UserPool]:
    one = await UserPool().start()
    yield one
    await one.stop()


@pytest.fixture
async def gateway(make_gateway: MakeGateway, pool: UserPool) -> TestGateway:
    one = await make_gateway(cognito_endpoint=pool.url)
    deploy(one, pool_authorizer())
    return one


def who(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event["requestContext"]["authorizer"])}


def deploy(gateway: TestGateway, one: Authorizer) -> None:
    """`GET /id` without scopes, `GET /scoped` with two."""
    integration = Integration(type="PYTHON", uri="who")
    routes = (
        Route(key="GET /id", integration=integration, **ASKED),
        Route(key="GET /scoped", integration=integration, authorization_scopes=("pets/read", "pets/all"), **ASKED),
    )
    gateway.deploy(rest_api(*routes, authorizers={one.id: one}), handlers={"who": who})


async def get(gateway: TestGateway, token: str | None, path: str = "/id", name: str = "Authorization") -> Response:
    return await ask(gateway, "GET", path, *([] if token is None else [f"{name}: {token}"]))


def said(response: Response) -> tuple[int, str | None, Any]:
    return response.status, response.header("x-amzn-ErrorType"), json.loads(response.body)


# ---- the definition


def test_the_identity_source_is_the_header_authorization_unless_another_is_named():
    """Row: identitySource default method.request.header.Authorization."""
    members = {"id": "pool", "name": "pool", "type": "COGNITO_USER_POOLS", "providerARNs": [ARN]}
    assert authorizer_of_v1(members).identity_sources == ("method.request.header.Authorization",)
    named = authorizer_of_v1({**members, "identitySource": "method.request.header.X-Token"})
    assert named.identity_sources == ("method.request.header.X-Token",)


async def test_the_token_stands_where_the_identity_source_says(gateway: TestGateway, pool: UserPool):
    """Row: identitySource."""
    deploy(gateway, pool_authorizer(identity_sources=("method.request.header.X-Token",)))
    token = pool.id_token()
    assert (await get(gateway, token, name="x-token")).status == 200
    assert said(await get(gateway, token)) == UNAUTHORIZED


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
async def test_a_token_may_have_a_prefix(gateway: TestGateway, pool: UserPool, prefix: str):
    """Row: token with or without Bearer."""
    assert (await get(gateway, prefix + pool.id_token())).status == 200


async def test_every_pool_of_the_list_will_do(gateway: TestGateway, pool: UserPool):
    """Row: providerARNs list."""
    other = ARN.replace("us-east-1_Pool", "us-east-1_Other")
    deploy(gateway, pool_authorizer(provider_arns=(other, ARN)))
    assert (await get(gateway, pool.id_token())).status == 200
    deploy(gateway, pool_authorizer(provider_arns=(other,)))
    assert said(await get(gateway, pool.id_token())) == UNAUTHORIZED


async def test_the_validation_expression_is_over_the_audience(gateway: TestGateway, pool: UserPool):
    """Row: identityValidationExpression is a regex matched against the aud of the token before validation."""
    deploy(gateway, pool_authorizer(identity_validation_expression="client-[12]"))
    assert (await get(gateway, pool.id_token())).status == 200
    assert said(await get(gateway, pool.id_token(aud="client-3"))) == UNAUTHORIZED
    # Before validation: nobody learns that it has expired.
    assert said(await get(gateway, pool.id_token(aud="client-3", exp=1))) == UNAUTHORIZED
    assert said(await get(gateway, pool.id_token(exp=1))) == EXPIRED


# ---- which token


ACCEPTED: list[Any] = [
    pytest.param("/id", "id", "-", 200, id="none: ID token"),
    pytest.param("/id", "access", "pets/read", 401, id="none: no access token"),
    pytest.param("/scoped", "access", "pets/read", 200, id="set: access token with one of the scopes"),
    pytest.param("/scoped", "access", "openid pets/all email", 200, id="set: among others"),
    pytest.param("/scoped", "access", "pets/all pets/read", 200, id="set: with all of them"),
    pytest.param("/scoped", "access", "pets/write", 401, id="set: another scope"),
    pytest.param("/scoped", "access", "pets/reader", 401, id="set: one that begins as a scope"),
    pytest.param("/scoped", "access", None, 401, id="set: no scope"),
    pytest.param("/scoped", "id", "pets/read", 401, id="set: no ID token"),
]


@pytest.mark.parametrize(("path", "use", "scope", "status"), ACCEPTED)
async def test_the_scopes_of_a_method_say_which_token_is_taken(
    gateway: TestGateway, pool: UserPool, path: str, use: str, scope: str | None, status: int
):
    """Method authorizationScopes none or set; scope mismatch 401 (unconfirmed)."""
    token = pool.id_token(scope=scope) if use == "id" else pool.access_token(scope)
    response = await get(gateway, token, path)
    assert response.status == status
    if status == 401:
        assert said(response) == UNAUTHORIZED


# ---- answers


REFUSED: list[Any] = [
    pytest.param(lambda pool: None, UNAUTHORIZED, id="missing"),
    pytest.param(lambda pool: "", UNAUTHORIZED, id="empty"),
    pytest.param(lambda pool: "abc", UNAUTHORIZED, id="malformed"),
    pytest.param(lambda pool: "a.b.c", UNAUTHORIZED, id="malformed: three parts"),
    pytest.param(
        lambda pool: signed(pool.issuer.header(), pool.issuer.claims(token_use="id"), rsa_key("thief")),
        UNAUTHORIZED,
        id="wrong signature",
    ),
    pytest.param(lambda pool: pool.id_token(token_use="access"), UNAUTHORIZED, id="wrong token use"),
    pytest.param(lambda pool: pool.id_token(iss="https://issuer.example/pool"), UNAUTHORIZED, id="wrong issuer"),
    pytest.param(lambda pool: pool.id_token(exp=1_700_000_000), EXPIRED, id="expired"),
    pytest.param(lambda pool: pool.id_token(exp=None), UNAUTHORIZED, id="without exp"),
]


@pytest.mark.parametrize(("make", "answer"), REFUSED)
async def test_a_case_of_the_table_of_answers(gateway: TestGateway, pool: UserPool, make: Any, answer: Any):
    """401, and the whole body."""
    assert said(await get(gateway, make(pool))) == answer


async def test_a_wrong_aud_is_refused_where_an_expression_says_which(gateway: TestGateway, pool: UserPool):
    """Row: wrong aud."""
    deploy(gateway, pool_authorizer(identity_validation_expression=CLIENT))
    assert said(await get(gateway, pool.id_token(aud="another"))) == UNAUTHORIZED


async def test_only_rs256_is_taken(gateway: TestGateway, pool: UserPool):
    """Row: valid signature RS256."""
    key = pool.issuer.key
    claims = json.loads(_claims_of(pool.id_token()))
    for algorithm in ("RS384", "RS512"):
        token = signed(pool.issuer.header(alg=algorithm), claims, key, algorithm)
        assert said(await get(gateway, token)) == UNAUTHORIZED
    assert (await get(gateway, signed(pool.issuer.header(), claims, key))).status == 200


def _claims_of(token: str) -> bytes:
    from base64 import urlsafe_b64decode

    part = token.split(".")[1]
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_a_resource_policy_that_does_not_allow_is_403(gateway: TestGateway, pool: UserPool):
    """Row: resource policy not allowing."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/dev/GET/b"}
        ],
    }
    one = pool_authorizer()
    method = msgspec.structs.replace(mock("GET /id"), **ASKED)
    gateway.deploy(rest_api(method, policy=policy, authorizers={one.id: one}))
    assert said(await get(gateway, pool.id_token()))[:2] == (403, "AccessDeniedException")


# ---- claims


async def test_claims_in_events_are_strings(gateway: TestGateway, pool: UserPool):
    """Row: event requestContext.authorizer.claims; all strings; arrays comma-joined (unconfirmed)."""
    token = pool.id_token(**{"cognito:groups": ["a", "b"], "email_verified": True, "auth_time": 7})
    section = json.loads((await get(gateway, token)).body)
    assert section["claims"]["cognito:groups"] == "a,b"
    assert (section["claims"]["email_verified"], section["claims"]["auth_time"]) == ("true", "7")
    assert {type(value) for value in section["claims"].values()} == {str}
    assert section["claims"]["sub"] == "ada"


async def test_a_token_that_was_taken_is_not_verified_anew(gateway: TestGateway, pool: UserPool):
    """Row: result cached 300 s by default: here as long as the token is good, and its keys are asked for once."""
    token = pool.id_token()
    for _ in range(3):
        assert (await get(gateway, token)).status == 200
        gateway.advance(301)
    assert len(pool.issuer.backend.requests) == 1
