"""JWT authorizers of HTTP APIs: the definition, every check and every refusal of the tables, where claims get to.

What each check does with the odd values of its claim stands in tests/authorizers/test_jwt.py.
Source: developer guide, "Control access to HTTP APIs with JWT authorizers"; recorded answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Answer, Client, function, new_session, proxy
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from tests.harness.token_issuer import DISCOVERY, JWKS, TokenIssuer, ec_key, jwk, rsa_key, segment, signed
from wsgw.definitions.api import Api
from wsgw.definitions.check import check
from wsgw.definitions.freeze import freeze
from wsgw.errors import DefinitionError
from wsgw.formats.parse import parse

AUDIENCE = ["app", "other-app"]
SCOPES = ["pets/read", "pets/write"]


@pytest.fixture
def lanes() -> bool:
    """Tokens are looked at behind either door alike."""
    return True


@pytest.fixture
async def issuer(gateway: TestGateway) -> AsyncIterator[TokenIssuer]:
    one = await TokenIssuer(lambda: gateway.clock.wall_ms() / 1000).start()
    # Keys of both families, for any algorithm of theirs: it is the gateway that says which will do.
    one.serve(jwk(one.key, one.kid), jwk(ec_key("e"), "e"))
    yield one
    await one.stop()


def guarded(issuer: TokenIssuer, integration: dict[str, Any], stage: Any = None, /, **authorizer: Any) -> Api:
    """The HTTP API `web`: `GET /who` wants a token of `issuer`, `GET /read` one with a scope, too."""
    members = {
        "type": "JWT",
        "identitySource": "$request.header.Authorization",
        "issuer": issuer.url,
        "audience": AUDIENCE,
        **authorizer,
    }
    routes = {
        "GET /who": {**integration, "authorizer": "tokens"},
        "GET /read": {**integration, "authorizer": "tokens", "authorizationScopes": SCOPES},
        "GET /open": integration,
    }
    one = {"protocol": "HTTP", "authorizers": {"tokens": members}, "routes": routes, "stages": {"$default": stage}}
    parsed = parse(json.dumps({"apis": {"web": one}}).encode(), "web.yaml", {})
    if parsed.findings:
        raise DefinitionError([f"{finding.severity}: {finding.message}" for finding in parsed.findings])
    return freeze(parsed.documents[0])


class Site:
    """The API in front of a backend, with the time of the test. `ask` gives what a client with this token gets."""

    def __init__(self, gateway: TestGateway, issuer: TokenIssuer, backend: Backend, client: Client) -> None:
        self.gateway, self.issuer, self.backend, self._client = gateway, issuer, backend, client
        backend.on("/", 200, "pets")
        self.deploy()

    def deploy(self, **authorizer: Any) -> None:
        self.gateway.deploy(guarded(self.issuer, proxy(self.backend.url), **authorizer))

    async def ask(self, token: str | None, target: str = "/who", name: str = "Authorization") -> Answer:
        return await self._client.ask(target, headers=[] if token is None else [(name, token)])

    async def status(self, token: str | None, target: str = "/who", name: str = "Authorization") -> int:
        return (await self.ask(token, target, name)).status


@pytest.fixture
async def site(gateway: TestGateway, issuer: TokenIssuer, backend: Backend, client: Client) -> Site:
    return Site(gateway, issuer, backend, client)


# ---- definition


@pytest.mark.parametrize(
    ("source", "target", "header"),
    [
        ("$request.header.X-Token", "/who", "x-token"),
        ("$request.querystring.access", "/who?access={token}", ""),
    ],
    ids=["$request.header.NAME", "$request.querystring.NAME"],
)
async def test_an_identity_source_is_one_of(site: Site, source: str, target: str, header: str):
    """Definition: identitySource exactly one of …; the token stands there and nowhere else."""
    site.deploy(identitySource=source)
    token = site.issuer.token()
    assert await site.status(token if header else None, target.format(token=token), header) == 200
    assert await site.status(token) == 401


FINDINGS = [
    pytest.param({"identitySource": ["$request.header.A", "$request.header.B"]}, "error", id="two identity sources"),
    pytest.param({"identitySource": []}, "error", id="no identity source"),
    pytest.param({"identitySource": "$context.identity.sourceIp"}, "error", id="$context is none"),
    pytest.param({"identitySource": "$stageVariables.token"}, "error", id="$stageVariables is none"),
    pytest.param({"issuer": "http://issuer.example"}, "error", id="issuer: https URL"),
    pytest.param({"issuer": "issuer"}, "error", id="issuer: URL"),
    pytest.param({"audience": [f"a{number}" for number in range(51)]}, "error", id="audience list of 51"),
    pytest.param({"audience": []}, "error", id="audience empty: no token would do"),
]
GOOD = {"issuer": "https://issuer.example"}


@pytest.mark.parametrize(("authorizer", "severity"), FINDINGS)
async def test_what_a_definition_may_not_say(site: Site, authorizer: dict[str, Any], severity: str):
    """Definition: identitySource exactly one, issuer (https URL), audience list (≤ 50)."""
    api = guarded(site.issuer, proxy("http://h"), **{**GOOD, **authorizer})
    assert [finding.severity for finding in check(api)] == [severity]


@pytest.mark.parametrize(
    "authorizer",
    [{"issuer": "http://issuer.example"}, {**GOOD, "jwksUri": "http://keys.example/jwks.json"}],
    ids=["issuer", "jwksUri"],
)
async def test_keys_that_could_be_anybodys_are_not_deployed(site: Site, authorizer: dict[str, str]):
    """Whoever deploys without a check beforehand trusts no keys of another machine over plain HTTP either."""
    with pytest.raises(DefinitionError, match="keys that come over plain HTTP could be anybody's"):
        site.deploy(**authorizer)


async def test_what_a_definition_may_say(site: Site):
    """audience list of 50, a https issuer: nothing to find."""
    api = guarded(site.issuer, proxy("http://h"), **GOOD, audience=[f"a{number}" for number in range(50)])
    assert check(api) == []


async def test_results_are_not_kept(site: Site):
    """No caching of results is configurable: a time is kept in the definition and changes nothing."""
    site.deploy(resultTtlInSeconds=3600)
    token = site.issuer.token(exp=int(site.gateway.clock.wall_ms() / 1000) + 60)
    assert await site.status(token) == 200
    site.gateway.advance(61)
    assert await site.status(token) == 401


# ---- keys


async def test_keys_are_found_by_discovery_and_kept(site: Site):
    """Discovery → jwks_uri → keys; keys are kept 2 hours (unconfirmed), whatever a deployment does meanwhile."""
    for _ in range(3):
        assert await site.status(site.issuer.token()) == 200
        site.deploy()
        site.gateway.advance(7_199 / 3)
    assert (site.issuer.asked(DISCOVERY), site.issuer.asked(JWKS)) == (1, 1)
    site.gateway.advance(3)
    assert await site.status(site.issuer.token()) == 200
    await site.issuer.backend.wait_for(JWKS, 2)


async def test_a_new_key_is_picked_up_when_an_unknown_kid_appears(site: Site):
    """New keys picked up when an unknown kid appears (unconfirmed)."""
    assert await site.status(site.issuer.token()) == 200
    site.issuer.rotate("second")
    assert await site.status(site.issuer.token()) == 200
    assert site.issuer.asked(JWKS) == 2


async def test_keys_that_take_too_long_are_none(site: Site):
    """Each fetch ≤ 1,500 ms; no keys at all (unconfirmed): 500."""
    arrived: list[Any] = []

    async def never(request: Any) -> web.Response:
        arrived.append(request)
        await asyncio.Event().wait()
        raise AssertionError

    # Another issuer's text: of this one the keys may be here already.
    issuer = await TokenIssuer(site.issuer._now).start()
    try:
        issuer.answer(JWKS, never)
        site.gateway.deploy(guarded(issuer, proxy(site.backend.url)))
        answer = await site.ask(issuer.token())
    finally:
        await issuer.stop()
    assert arrived
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


@pytest.mark.parametrize(("size", "status"), [(150_000, 200), (150_001, 500)], ids=["150,000 bytes", "a byte more"])
async def test_a_set_of_keys_is_bounded(site: Site, size: int, status: int):
    """JWKS ≤ 150,000 B."""
    issuer = await TokenIssuer(site.issuer._now).start()
    try:
        document = json.dumps({"keys": [jwk(issuer.key, issuer.kid, alg="RS256")]})
        issuer.backend.on(JWKS, body=document + " " * (size - len(document)))
        site.gateway.deploy(guarded(issuer, proxy(site.backend.url)))
        assert await site.status(issuer.token()) == status
    finally:
        await issuer.stop()


async def test_an_issuer_without_discovery_lets_nobody_in(site: Site):
    """The service does not make such an authorizer; here it is made, and nobody is let in until there are keys."""
    issuer = await TokenIssuer(site.issuer._now).start()
    try:
        issuer.fail(404)
        site.gateway.deploy(guarded(issuer, proxy(site.backend.url)))
        assert await site.status(issuer.token()) == 500
        assert await site.status(None) == 401
        assert await site.status(None, "/open") == 200
        issuer.serve()
        site.gateway.advance(6)
        assert await site.status(issuer.token()) == 200
    finally:
        await issuer.stop()


# ---- the token and its checks, in order


@pytest.mark.parametrize("prefix", ["", "Bearer "], ids=["raw", "Bearer"])
async def test_a_token_is(site: Site, prefix: str):
    """Token: raw, or prefixed `Bearer `."""
    assert await site.status(prefix + site.issuer.token()) == 200


def unsigned(issuer: TokenIssuer) -> str:
    return f"{segment(issuer.header(alg='none'))}.{segment(issuer.claims())}."


def by_secret(issuer: TokenIssuer) -> str:
    return signed(issuer.header(alg="HS256"), issuer.claims(), b"x" * 32, "HS256")


def rsa(algorithm: str) -> Callable[[TokenIssuer], str]:
    def token(issuer: TokenIssuer) -> str:
        return signed(issuer.header(alg=algorithm), issuer.claims(), issuer.key, algorithm)

    return token


def by_curve(issuer: TokenIssuer) -> str:
    return signed(issuer.header(alg="ES256", kid="e"), issuer.claims(), ec_key("e"), "ES256")


def claiming(**claims: Any) -> Callable[[TokenIssuer], str]:
    return lambda issuer: issuer.token(**claims)


def later(**claims: int) -> Callable[[TokenIssuer], str]:
    """Claims so many seconds from now."""
    return lambda issuer: issuer.token(**{name: int(issuer._now()) + value for name, value in claims.items()})


INVALID = "token contains an invalid number of segments"
CHECKS: list[Any] = [
    pytest.param(lambda issuer: None, None, id="presence: missing"),
    pytest.param(lambda issuer: "", None, id="presence: empty"),
    pytest.param(lambda issuer: "a.b", INVALID, id="format: two segments"),
    pytest.param(lambda issuer: issuer.token() + ".x", INVALID, id="format: four segments"),
    pytest.param(lambda issuer: "!.!.!", "token is malformed", id="format: base64url"),
    pytest.param(lambda issuer: f"{segment(b'x')}.{segment(b'x')}.x", "token is malformed", id="format: JSON"),
    pytest.param(unsigned, "the token does not have a valid algorithm", id="algorithm: none"),
    pytest.param(by_secret, "the token does not have a valid algorithm", id="algorithm: HS256"),
    pytest.param(by_curve, "the token does not have a valid algorithm", id="algorithm: ES256"),
    pytest.param(rsa("PS256"), "the token does not have a valid algorithm", id="algorithm: PS256 (unconfirmed)"),
    pytest.param(rsa("RS256"), "", id="algorithm: RS256"),
    pytest.param(rsa("RS384"), "", id="algorithm: RS384"),
    pytest.param(rsa("RS512"), "", id="algorithm: RS512"),
    pytest.param(lambda issuer: issuer.token({"kid": "x"}), "the token does not name a known key", id="kid: unknown"),
    pytest.param(lambda issuer: issuer.token({"kid": None}), "the token does not name a key", id="kid: missing"),
    pytest.param(
        lambda issuer: signed(issuer.header(), issuer.claims(), rsa_key("another")),
        "unable to verify the signature",
        id="signature: another key's",
    ),
    pytest.param(claiming(iss="https://x.example"), "the token does not have a valid issuer", id="iss: another"),
    pytest.param(claiming(aud="x"), "the token does not have a valid audience", id="aud: none of the audience"),
    pytest.param(claiming(aud=["x", "other-app"]), "", id="aud: one of the audience"),
    pytest.param(claiming(aud=None, client_id="app"), "", id="client_id: where aud is absent"),
    pytest.param(
        claiming(aud="x", client_id="app"),
        "the token does not have a valid audience",
        id="client_id: not where there is an aud",
    ),
    pytest.param(claiming(aud=None), "the token does not have a valid audience", id="neither aud nor client_id"),
    pytest.param(later(exp=30), "", id="exp: after now"),
    pytest.param(later(exp=-1), "the token has expired", id="exp: before now"),
    pytest.param(later(nbf=-1), "", id="nbf: before now"),
    pytest.param(later(nbf=30), "the token is not valid yet", id="nbf: after now"),
    pytest.param(later(iat=-30), "", id="iat: before now"),
    pytest.param(later(iat=30), "the token was issued in the future", id="iat: after now"),
    pytest.param(claiming(iat=None, nbf=None), "", id="nbf, iat: if present"),
]


@pytest.mark.parametrize(("make", "said"), CHECKS)
async def test_each_check(site: Site, make: Callable[[TokenIssuer], str | None], said: str | None):
    """Checks in order. said: the error_description, "" for a token that will do, None for none at all."""
    answer = await site.ask(make(site.issuer))
    if said == "":
        assert (answer.status, answer.body) == (200, b"pets")
        return
    challenge = "Bearer" if said is None else invalid("", said)
    assert (answer.status, answer.header("www-authenticate")) == (401, challenge)
    assert answer.body == b'{"message":"Unauthorized"}'
    assert site.backend.requests == []


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        pytest.param({"scope": "pets/write openid"}, 200, id="scope, space-separated"),
        pytest.param({"scope": ["pets/read"]}, 200, id="scope, a list"),
        pytest.param({"scp": "pets/read"}, 200, id="scp, a string"),
        pytest.param({"scp": ["openid", "pets/read"]}, 200, id="scp, a list"),
        pytest.param({"scp": ["openid"], "scope": "pets/read"}, 403, id="scp first"),
        pytest.param({"scope": "openid"}, 403, id="no common element"),
        pytest.param({}, 403, id="no scopes"),
    ],
)
async def test_scopes_of_a_route(site: Site, claims: dict[str, Any], status: int):
    """scope / scp: at least one common element, if the route has authorizationScopes."""
    token = site.issuer.token(**claims)
    assert await site.status(token, "/read") == status
    assert await site.status(token) == 200


# ---- failures: status, header, body


def invalid(scope: str, description: str) -> str:
    return f'Bearer scope="{scope}" error="invalid_token" error_description="{description}"'


@pytest.mark.parametrize(
    ("make", "target", "status", "challenge"),
    [
        pytest.param(lambda issuer: None, "/read", 401, "Bearer", id="no token"),
        pytest.param(lambda issuer: "x", "/who", 401, invalid("", INVALID), id="malformed, scope empty if none"),
        pytest.param(
            lambda issuer: "x", "/read", 401, invalid("pets/read pets/write", INVALID),
            id="malformed, scope: the route's authorizationScopes separated by spaces",
        ),
        pytest.param(
            claiming(aud="x"), "/who", 401, invalid("", "the token does not have a valid audience"), id="audience"
        ),
        pytest.param(later(exp=-1), "/who", 401, invalid("", "the token has expired"), id="expired"),
        pytest.param(
            claiming(iss="x"), "/who", 401, invalid("", "the token does not have a valid issuer"), id="other: issuer"
        ),
        pytest.param(
            claiming(), "/read", 403, 'Bearer scope="pets/read pets/write" error="insufficient_scope"',
            id="scope mismatch (unconfirmed: www-authenticate)",
        ),
    ],
)  # fmt: skip
async def test_each_failure(
    site: Site, make: Callable[[TokenIssuer], str | None], target: str, status: int, challenge: str
):
    """Each with apigw-requestid and a body of 26 or 23 bytes."""
    answer = await site.ask(make(site.issuer), target)
    assert (answer.status, answer.header("www-authenticate")) == (status, challenge)
    body, length = (b'{"message":"Unauthorized"}', "26") if status == 401 else (b'{"message":"Forbidden"}', "23")
    assert (answer.body, answer.header("content-length")) == (body, length)
    assert answer.header("apigw-requestid")
    assert answer.header("content-type") == "application/json"


# ---- where claims get to

CLAIMS = {
    "admin": True,
    "level": 7,
    "half": 0.5,
    "groups": ["admin", "poweruser"],
    "address": {"city": "Graz"},
    "scope": "pets/read openid",
}
SHOWN = {
    "admin": "true",
    "level": "7",
    "half": "0.5",
    "groups": "[admin poweruser]",
    "address": '{"city":"Graz"}',
    "scope": "pets/read openid",
    "sub": "ada",
}


def with_null(issuer: TokenIssuer) -> str:
    return signed(issuer.header(), {**issuer.claims(**CLAIMS), "nothing": None}, issuer.key)


Told = Callable[[str, str], Awaitable[Any]]


@pytest.fixture
def told(gateway: TestGateway, issuer: TokenIssuer, client: Client, lambdas: LambdaEndpoint) -> Told:
    """What an event of this version says under requestContext.authorizer, for a call of this path."""

    async def ask(version: str, target: str) -> Any:
        gateway.deploy(guarded(issuer, function(version)))
        lambdas.functions["handle"] = returns({"statusCode": 200})
        answer = await client.ask(target, headers={"Authorization": with_null(issuer)})
        assert answer.status == 200
        return lambdas.calls[-1].event["requestContext"].get("authorizer")

    return ask


@pytest.mark.parametrize("name", SHOWN)
async def test_each_claim_is_text_in_an_event(told: Told, name: str):
    """Row jwt: claim values are all strings: numbers, booleans, arrays `[a b]`, objects as JSON text."""
    assert (await told("2.0", "/who"))["jwt"]["claims"][name] == SHOWN[name]


@pytest.mark.parametrize(
    ("target", "scopes"),
    [("/read", ["pets/read", "openid"]), ("/who", None)],
    ids=["the token's complete list where the route has authorizationScopes", "else null"],
)
async def test_scopes_in_an_event(told: Told, target: str, scopes: Any):
    """Row jwt: {claims{}, scopes: list or null}; exactly one of jwt, lambda, iam."""
    section = await told("2.0", target)
    assert list(section) == ["jwt"]
    assert set(section["jwt"]) == {"claims", "scopes"}
    assert section["jwt"]["scopes"] == scopes


async def test_a_null_claim_is_omitted(told: Told):
    """Row jwt: null claims omitted."""
    assert "nothing" not in (await told("2.0", "/who"))["jwt"]["claims"]


async def test_without_an_authorizer_the_member_is_absent(told: Told):
    """Row authorizer: absent without authorizer; format 1.0 has it with nulls."""
    assert await told("2.0", "/open") is None
    assert await told("1.0", "/open") == {"claims": None, "scopes": None}


async def test_claims_in_payload_format_1_0(told: Told):
    """Format 1.0: requestContext.authorizer {claims, scopes}."""
    section = await told("1.0", "/read")
    assert section["scopes"] == ["pets/read", "openid"]
    assert {name: section["claims"][name] for name in SHOWN} == SHOWN


async def test_claims_in_parameter_mapping(site: Site):
    """Row `$context.N`: `$context.authorizer.claims.NAME`, in requests and in responses."""
    claim = "$context.authorizer.claims.groups"
    integration = proxy(
        site.backend.url,
        requestParameters={"append:header.out": claim, "append:header.none": "$context.authorizer.claims.nobody"},
        responseParameters={"200": {"append:header.who": "$context.authorizer.claims.sub"}},
    )
    site.gateway.deploy(guarded(site.issuer, integration))
    answer = await site.ask(with_null(site.issuer))
    got = site.backend.requests[-1]
    assert (got.header("out"), got.header("none"), answer.header("who")) == ("[admin poweruser]", None, "ada")


LINE = "|".join(
    f"$context.{name}" for name in ("status", "authorizer.claims.sub", "authorizer.principalId", "authorizer.error")
)


@pytest.mark.parametrize(
    ("claims", "line"),
    [
        pytest.param({}, "200|ada|ada|-", id="authorizer.claims.X"),
        pytest.param({"aud": "x"}, "401|-|-|the token does not have a valid audience", id="authorizer.error"),
    ],
)
async def test_claims_in_access_logs(
    make_gateway: MakeGateway, issuer: TokenIssuer, backend: Backend, tmp_path: Path, claims: Any, line: str
):
    """Access log variables: authorizer.{claims.X, principalId, error}."""
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    stage = {"accessLog": LINE + "|$context.requestId"}
    gateway.deploy(guarded(issuer, proxy(backend.url), stage))
    token = issuer.token(**claims)
    async with new_session() as session:
        answer = await Client(session, gateway).ask("/who", headers={"Authorization": token})
    await gateway.stop()
    written = (tmp_path / "access.log").read_text()
    assert written == f"{line}|{answer.header('apigw-requestid')}\n"


# ---- what is not served


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"issuer": ""}, id="no issuer"),
        pytest.param({"audience": []}, id="no audience"),
        pytest.param({"identitySource": ["$request.header.A", "$request.header.B"]}, id="two identity sources"),
    ],
)
async def test_what_could_not_be_checked_is_not_deployed(site: Site, members: dict[str, Any]):
    """Never open by accident."""
    with pytest.raises(DefinitionError):
        site.deploy(**members)
    assert await site.status(None) == 401
