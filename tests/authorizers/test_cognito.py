"""Callers of REST APIs known by tokens of Cognito user pools: real ones of moto's pools, over sockets."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from tests.harness.aws_services import aws_services, client
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import ask
from tests.harness.token_issuer import rsa_key, segment, signed
from wsgw.authorizers.cognito import Pool, pool_of
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.route import Integration, Route
from wsgw.errors import DefinitionError

AWS = "https://cognito-idp.eu-west-1.amazonaws.com"
ACCOUNT = "123456789012"
PASSWORD = "Correct-Horse-1"
SCOPE = "aws.cognito.signin.user.admin"
EXPIRED = b'{"message":"The incoming token has expired"}'
UNAUTHORIZED = b'{"message":"Unauthorized"}'


@pytest.fixture(scope="module")
def services() -> Iterator[str]:
    with aws_services() as url:
        yield url


class UserPool:
    """A pool of moto's with the user `ada`, and what signs its tokens."""

    def __init__(self, url: str) -> None:
        self._cognito = client("cognito-idp", url, "eu-west-1")
        pool = self._cognito.create_user_pool(PoolName="people")["UserPool"]
        self.id, self.arn = pool["Id"], pool["Arn"]
        flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        made = self._cognito.create_user_pool_client(UserPoolId=self.id, ClientName="app", ExplicitAuthFlows=flows)
        self.client = made["UserPoolClient"]["ClientId"]
        self._cognito.admin_create_user(UserPoolId=self.id, Username="ada")
        self._cognito.admin_set_user_password(UserPoolId=self.id, Username="ada", Password=PASSWORD, Permanent=True)
        text = gzip.decompress(files("moto.cognitoidp").joinpath("resources/jwks-private.json.gz").read_bytes())
        key = RSAAlgorithm.from_jwk(text.decode())
        assert isinstance(key, RSAPrivateKey)
        self.key = key

    @property
    def issuer(self) -> str:
        return f"{AWS}/{self.id}"

    def tokens(self) -> tuple[str, str]:
        """An ID token and an access token of `ada`, as signing in gives them."""
        result = self._cognito.admin_initiate_auth(
            UserPoolId=self.id,
            ClientId=self.client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ada", "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        return result["IdToken"], result["AccessToken"]

    def token(self, now: float, key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """One that the pool might have signed; a claim that is None is left out."""
        made = {
            "iss": self.issuer,
            "sub": "ada-1",
            "aud": self.client,
            "token_use": "id",
            "iat": int(now) - 1,
            "exp": int(now) + 3600,
            **claims,
        }
        made = {name: value for name, value in made.items() if value is not None}
        return signed({"kid": "dummy", "alg": "RS256", **(header or {})}, made, key or self.key)


@pytest.fixture(scope="module")
def pool(services: str) -> UserPool:
    return UserPool(services)


def who(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}


class Site:
    def __init__(self, gateway: TestGateway, pool: UserPool) -> None:
        self.gateway = gateway
        self.pool = pool

    @property
    def now(self) -> float:
        return self.gateway.clock.wall_ms() / 1000

    def deploy(self, **members: Any) -> None:
        members.setdefault("provider_arns", (self.pool.arn,))
        members.setdefault("identity_sources", ("method.request.header.Authorization",))
        authorizer = Authorizer(id="pool", name="pool", type="COGNITO_USER_POOLS", **members)
        guarded: dict[str, Any] = {
            "integration": Integration(type="PYTHON", uri="who"),
            "authorization_type": "COGNITO_USER_POOLS",
            "authorizer": "pool",
        }
        routes = {
            "GET /id": Route(key="GET /id", **guarded),
            "GET /access": Route(key="GET /access", authorization_scopes=(SCOPE, "pets/read"), **guarded),
        }
        one = Api(
            id="pets",
            name="pets",
            protocol="REST",
            routes=routes,
            stages={"dev": Stage(name="dev")},
            authorizers={"pool": authorizer},
        )
        self.gateway.deploy(one, handlers={"who": who})

    async def ask(self, token: str | None, path: str = "/id") -> Response:
        return await ask(self.gateway, "GET", path, *([] if token is None else [f"Authorization: {token}"]))


@pytest.fixture
async def site(pool: UserPool, services: str) -> AsyncIterator[Site]:
    gateway = await TestGateway(True, cognito_endpoint=services).start()
    one = Site(gateway, pool)
    one.deploy()
    yield one
    await gateway.stop()


def refused(response: Response, body: bytes = UNAUTHORIZED) -> None:
    assert (response.status, response.body) == (401, body)
    assert response.header("x-amzn-errortype") == "UnauthorizedException"


async def test_somebody_who_signed_in_calls_with_the_id_token(site: Site, pool: UserPool) -> None:
    identity, access = pool.tokens()
    for text in (identity, f"Bearer {identity}"):
        response = await site.ask(text)
        assert response.status == 200, response
        claims = json.loads(response.body)["claims"]
        assert claims["cognito:username"] == "ada"
        assert claims["token_use"] == "id"
        assert claims["exp"].isdigit()
    refused(await site.ask(access))  # an access token where the method asks for no scopes


async def test_somebody_who_signed_in_calls_a_method_with_scopes_with_the_access_token(
    site: Site, pool: UserPool
) -> None:
    identity, access = pool.tokens()
    refused(await site.ask(identity, "/access"))
    response = await site.ask(access, "/access")
    assert response.status == 200, response
    claims = json.loads(response.body)["claims"]
    assert (claims["token_use"], claims["scope"], claims["client_id"]) == ("access", SCOPE, pool.client)


REFUSED: list[tuple[str, str, dict[str, Any], bytes]] = [
    ("expired", "/id", {"exp": 1_700_000_000}, EXPIRED),
    ("exp missing", "/id", {"exp": None}, UNAUTHORIZED),
    ("exp a text", "/id", {"exp": "99999999999"}, UNAUTHORIZED),
    ("iss of another pool", "/id", {"iss": AWS + "/eu-west-1_other"}, UNAUTHORIZED),
    ("iss missing", "/id", {"iss": None}, UNAUTHORIZED),
    ("wrong token use", "/id", {"token_use": "access"}, UNAUTHORIZED),
    ("token use missing", "/id", {"token_use": None}, UNAUTHORIZED),
    ("wrong token use with scopes", "/access", {"scope": SCOPE}, UNAUTHORIZED),
    ("scope mismatch", "/access", {"token_use": "access", "scope": "pets/write"}, UNAUTHORIZED),
    ("no scope", "/access", {"token_use": "access"}, UNAUTHORIZED),
    ("expired access token", "/access", {"token_use": "access", "scope": SCOPE, "exp": 1_700_000_000}, EXPIRED),
    ("wrong signature", "/id", {"key": rsa_key("attacker")}, UNAUTHORIZED),
    ("expired and of the wrong signature", "/id", {"key": rsa_key("attacker"), "exp": 1}, UNAUTHORIZED),
    ("unknown key", "/id", {"header": {"kid": "other"}}, UNAUTHORIZED),
    ("another algorithm", "/id", {"header": {"alg": "RS512"}}, UNAUTHORIZED),
]  # fmt: skip


@pytest.mark.parametrize(("path", "members", "body"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_a_row_of_the_table_of_refusals(
    site: Site, pool: UserPool, path: str, members: dict[str, Any], body: bytes
) -> None:
    refused(await site.ask(pool.token(site.now, **members), path), body)


@pytest.mark.parametrize("text", [None, "", "abc", "Bearer", "a.b.c", "Bearer a.b.c"])
async def test_a_missing_or_malformed_token_is_refused(site: Site, text: str | None) -> None:
    refused(await site.ask(text))


async def test_a_token_without_signature_is_refused(site: Site, pool: UserPool) -> None:
    _, claims, _ = pool.token(site.now).split(".")
    refused(await site.ask(f"{segment({'alg': 'none', 'kid': 'dummy'})}.{claims}."))


async def test_a_token_that_was_good_expires(site: Site, pool: UserPool) -> None:
    token = pool.token(site.now, exp=int(site.now) + 60)
    assert (await site.ask(token)).status == 200
    site.gateway.advance(61)
    refused(await site.ask(token), EXPIRED)


async def test_claims_are_texts(site: Site, pool: UserPool) -> None:
    token = pool.token(site.now, **{"cognito:groups": ["admins", "staff"], "email_verified": True, "a": {"b": 1}})
    claims = json.loads((await site.ask(token)).body)["claims"]
    assert (claims["cognito:groups"], claims["email_verified"], claims["a"]) == ("admins,staff", "true", '{"b":1}')


async def test_the_expression_is_over_the_audience_and_comes_before_all_else(site: Site, pool: UserPool) -> None:
    site.deploy(identity_validation_expression=pool.client)
    assert (await site.ask(pool.token(site.now))).status == 200
    refused(await site.ask(pool.token(site.now, aud="another")))
    refused(await site.ask(pool.token(site.now, aud=pool.client + "2")))  # it is over the whole of it
    refused(await site.ask(pool.token(site.now, aud="another", exp=1)))
    refused(await site.ask(pool.token(site.now, aud=None)))
    access = {"aud": None, "client_id": pool.client, "token_use": "access", "scope": "pets/read"}
    assert (await site.ask(pool.token(site.now, **access), "/access")).status == 200


async def test_a_pool_of_a_list_will_do(site: Site, pool: UserPool) -> None:
    other = f"arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/us-east-1_Other"
    site.deploy(provider_arns=(other, pool.arn))
    assert (await site.ask(pool.token(site.now))).status == 200
    issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other"
    assert (await site.ask(pool.token(site.now, iss=issuer))).status == 200  # moto signs for all with one key


async def test_a_pool_whose_keys_cannot_be_had_makes_500(pool: UserPool) -> None:
    gateway = await TestGateway(True, cognito_endpoint="http://127.0.0.1:9").start()
    try:
        site = Site(gateway, pool)
        site.deploy()
        response = await site.ask(pool.token(site.now))
        assert (response.status, response.body) == (500, b'{"message":null}')
        assert response.header("x-amzn-errortype") == "AuthorizerConfigurationException"
        refused(await site.ask("abc"))
    finally:
        await gateway.stop()


POOLS = [
    (
        "arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_aB3",
        "",
        Pool(
            ("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_aB3",),
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_aB3/.well-known/jwks.json",
        ),
    ),
    (
        "arn:aws-cn:cognito-idp:cn-north-1:1:userpool/cn-north-1_x",
        "",
        Pool(
            ("https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_x",),
            "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_x/.well-known/jwks.json",
        ),
    ),
    (
        "arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_aB3",
        "http://localhost:9229/",
        Pool(
            (
                "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_aB3",
                "http://localhost:9229/eu-west-1_aB3",
            ),
            "http://localhost:9229/eu-west-1_aB3/.well-known/jwks.json",
        ),
    ),
]


@pytest.mark.parametrize(("arn", "endpoint", "pool"), POOLS)
def test_an_arn_says_where_a_pool_is(arn: str, endpoint: str, pool: Pool) -> None:
    assert pool_of(arn, endpoint) == pool


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "eu-west-1_aB3",
        "arn:aws:cognito-idp:eu-west-1:1:userpool/",
        "arn:aws:cognito-identity:eu-west-1:1:identitypool/x",
        "arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_a/../../b",
        "arn:aws:cognito-idp:evil.example/:1:userpool/eu-west-1_a",
        "arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_a\n",
    ],
)
def test_what_is_no_pool_is_said(arn: str) -> None:
    with pytest.raises(ValueError, match="is no user pool"):
        pool_of(arn)


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"provider_arns": ()}, "providerARNs is empty"),
    ({"provider_arns": ("pool",)}, "is no user pool"),
    ({"identity_sources": ("method.request.querystring.a",)}, "a token stands in"),
    ({"identity_sources": ()}, "exactly one identity source"),
    ({"identity_validation_expression": "("}, "identityValidationExpression"),
]


@pytest.mark.parametrize(("members", "said"), UNUSABLE, ids=[said for _, said in UNUSABLE])
async def test_an_authorizer_that_could_not_check_is_not_deployed(
    site: Site, members: dict[str, Any], said: str
) -> None:
    with pytest.raises(DefinitionError, match=said):
        site.deploy(**members)
