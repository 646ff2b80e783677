"""JWT authorizers as clients of an HTTP API and of `$connect` meet them: a real issuer, real tokens, over sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, route
from tests.harness.raw_http import split_responses, talk
from tests.harness.raw_websocket import HandshakeRefused, Response
from tests.harness.token_issuer import DISCOVERY, JWKS, TokenIssuer, ec_key, jwk, rsa_key, segment, signed
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.route import Integration, Route
from wsgw.errors import DefinitionError

WHO = Integration(type="PYTHON", uri="who", payload_format_version="2.0")


def who(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers what the event says of the caller."""
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}


class Clock:
    """The gateway's time, once there is one."""

    gateway: TestGateway | None = None

    def __call__(self) -> float:
        assert self.gateway is not None
        return self.gateway.clock.wall_ms() / 1000


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    one = await TokenIssuer(Clock()).start()
    yield one
    await one.stop()


class Site:
    """A gateway with an HTTP API `app`: `GET /who` asks for a token, `GET /read` for one with a scope, too."""

    def __init__(self, gateway: TestGateway, issuer: TokenIssuer) -> None:
        self.gateway = gateway
        self.issuer = issuer
        issuer._now.gateway = gateway

    def deploy(self, *, scopes: tuple[str, ...] = ("pets/read", "pets/write"), **members: Any) -> None:
        self.gateway.deploy(self.api(scopes, **members), handlers={"who": who})

    def api(self, scopes: tuple[str, ...] = (), **members: Any) -> Api:
        members.setdefault("issuer", self.issuer.url)
        members.setdefault("audience", ("app", "other-app"))
        members.setdefault("identity_sources", ("$request.header.Authorization",))
        authorizer = Authorizer(id="tokens", name="tokens", type="JWT", **members)
        guarded = {"integration": WHO, "authorization_type": "JWT", "authorizer": "tokens"}
        routes = [
            Route(key="GET /who", **guarded),
            Route(key="GET /read", authorization_scopes=scopes, **guarded),
        ]
        return Api(
            id="app",
            name="app",
            protocol="HTTP",
            routes={one.key: one for one in routes},
            stages={"prod": Stage(name="prod")},
            authorizers={"tokens": authorizer},
        )

    async def ask(self, token: str | None, path: str = "/who", header: str = "Authorization") -> Response:
        lines = [f"GET /app/prod{path} HTTP/1.1", "Host: gateway.example", "Connection: close"]
        if token is not None:
            lines.append(f"{header}: {token}")
        received = await talk(self.gateway.url, "\r\n".join([*lines, "", ""]).encode("latin-1"))
        (response,) = split_responses(received)
        return response

    async def status(self, token: str | None, path: str = "/who") -> int:
        return (await self.ask(token, path)).status


@pytest.fixture
async def site(make_gateway: MakeGateway, issuer: TokenIssuer) -> Site:
    one = Site(await make_gateway(), issuer)
    one.deploy()
    return one


def refused(response: Response, description: str | None, scope: str = "") -> None:
    """It is API Gateway's 401 for a token with this fault; None: for no token at all."""
    challenge = "Bearer"
    if description is not None:
        challenge = f'Bearer scope="{scope}" error="invalid_token" error_description="{description}"'
    assert (response.status, response.body) == (401, b'{"message":"Unauthorized"}')
    assert response.header("www-authenticate") == challenge
    assert response.header("apigw-requestid")


# ---- the good way


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer ", "BEARER   "])
async def test_a_token_is_taken_raw_or_after_bearer(site: Site, prefix: str) -> None:
    response = await site.ask(prefix + site.issuer.token())
    assert response.status == 200, response


async def test_events_show_claims_as_text_and_scopes_only_where_the_route_asks_for_some(site: Site) -> None:
    token = site.issuer.token(
        scope="pets/read openid", admin=True, level=7, half=0.5, groups=["admin", "poweruser"], none=None, o={"a": [1]}
    )
    shown = json.loads((await site.ask(token)).body)["jwt"]
    assert shown["scopes"] is None
    claims = shown["claims"]
    assert claims["exp"].isdigit()
    assert {name: claims[name] for name in ("admin", "level", "half", "groups", "o", "sub")} == {
        "admin": "true",
        "level": "7",
        "half": "0.5",
        "groups": "[admin poweruser]",
        "o": '{"a":[1]}',
        "sub": "ada",
    }
    assert "none" not in claims
    assert json.loads((await site.ask(token, "/read")).body)["jwt"]["scopes"] == ["pets/read", "openid"]


async def test_the_token_may_stand_in_the_query(site: Site) -> None:
    site.deploy(identity_sources=("$request.querystring.token",))
    token = site.issuer.token()
    assert (await site.ask(None, f"/who?a=1&token={token}")).status == 200
    refused(await site.ask(token), None)
    refused(await site.ask(None, "/who?token="), None)


async def test_two_tokens_are_none(site: Site) -> None:
    """Nobody knows which of two a backend would take."""
    good, wrong = site.issuer.token(), "token contains an invalid number of segments"
    site.deploy(identity_sources=("$request.header.X-Token",))
    assert (await site.ask(good, header="X-Token")).status == 200
    refused(await site.ask(f"{good}\r\nX-Token: {good}", header="X-Token"), wrong)
    site.deploy(identity_sources=("$request.querystring.token",))
    refused(await site.ask(None, f"/who?token={good}&token={good}"), wrong)


# ---- the table of checks, in their order

CHECKS: list[tuple[str, dict[str, Any], int, str | None]] = [
    ("iss another", {"iss": "https://elsewhere.example"}, 401, "the token does not have a valid issuer"),
    ("iss with a slash more", {"iss": "{url}/"}, 401, "the token does not have a valid issuer"),
    ("iss missing", {"iss": None}, 401, "the token does not have a valid issuer"),
    ("iss a list", {"iss": ["{url}"]}, 401, "the token does not have a valid issuer"),
    ("aud another", {"aud": "other"}, 401, "the token does not have a valid audience"),
    ("aud a list with one that is good", {"aud": ["x", "other-app"]}, 200, None),
    ("aud a list without", {"aud": ["x", "y"]}, 401, "the token does not have a valid audience"),
    ("aud an empty list", {"aud": []}, 401, "the token does not have a valid audience"),
    ("aud a number", {"aud": 7}, 401, "the token does not have a valid audience"),
    ("aud missing", {"aud": None}, 401, "the token does not have a valid audience"),
    ("client_id where aud is missing", {"aud": None, "client_id": "app"}, 200, None),
    ("client_id another", {"aud": None, "client_id": "x"}, 401, "the token does not have a valid audience"),
    (
        "client_id is not looked at where there is an aud",
        {"aud": "x", "client_id": "app"},
        401,
        "the token does not have a valid audience",
    ),
    ("exp missing", {"exp": None}, 401, "the token does not have a valid exp"),
    ("exp a text", {"exp": "99999999999"}, 401, "the token does not have a valid exp"),
    ("exp true", {"exp": True}, 401, "the token does not have a valid exp"),
    ("exp beyond floats", {"exp": 10**400}, 401, "the token does not have a valid exp"),
    ("exp a fraction", {"exp": 99999999999.5}, 200, None),
    ("exp passed", {"exp": 1_700_000_000}, 401, "the token has expired"),
    ("exp negative", {"exp": -1}, 401, "the token has expired"),
    ("nbf to come", {"nbf": 99_999_999_999}, 401, "the token is not valid yet"),
    ("nbf a text", {"nbf": "0"}, 401, "the token does not have a valid nbf"),
    ("nbf passed", {"nbf": 1}, 200, None),
    ("iat to come", {"iat": 99_999_999_999}, 401, "the token was issued in the future"),
    ("iat a list", {"iat": []}, 401, "the token does not have a valid iat"),
    ("iat missing", {"iat": None}, 200, None),
    ("sub a number", {"sub": 7}, 401, "the token does not have a valid sub"),
    ("sub missing", {"sub": None}, 200, None),
    ("issuer comes before audience", {"iss": "x", "aud": "y"}, 401, "the token does not have a valid issuer"),
    ("audience comes before time", {"aud": "y", "exp": 1}, 401, "the token does not have a valid audience"),
]


@pytest.mark.parametrize(("claims", "status", "description"), [row[1:] for row in CHECKS], ids=[r[0] for r in CHECKS])
async def test_a_row_of_the_table_of_checks(
    site: Site, claims: dict[str, Any], status: int, description: str | None
) -> None:
    """S-13: exp, nbf and iat, the forms of aud, claims that are missing."""
    filled = json.loads(json.dumps(claims).replace("{url}", site.issuer.url))
    good = site.issuer.claims()
    for name, value in filled.items():
        good.pop(name, None)
        if value is not None:
            good[name] = value
    response = await site.ask(signed(site.issuer.header(), good, site.issuer.key))
    assert response.status == status, response
    if description is not None:
        refused(response, description)


@pytest.mark.parametrize("token", [None, "", " "], ids=["no header", "empty", "blank"])
async def test_without_a_token_the_challenge_says_only_bearer(site: Site, token: str | None) -> None:
    refused(await site.ask(token), None)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("abc", "token contains an invalid number of segments"),
        ("Bearer", "token contains an invalid number of segments"),
        ("Basic YTpi", "token contains an invalid number of segments"),
        ("a.b", "token contains an invalid number of segments"),
        ("a.b.c.d.e", "token contains an invalid number of segments"),
        ("a.b.c", "token is malformed"),
        ("..", "token is malformed"),
    ],
)
async def test_what_is_no_token_is_malformed(site: Site, text: str, description: str) -> None:
    refused(await site.ask(text), description)
    assert site.issuer.asked() <= 1  # the one that began with the deployment


async def test_the_time_runs_out_for_a_token_that_was_good(site: Site) -> None:
    token = site.issuer.token(exp=int(site.issuer._now()) + 60)
    assert await site.status(token) == 200
    site.gateway.advance(59)
    site.gateway.advance(2)
    refused(await site.ask(token), "the token has expired")


async def test_clocks_may_differ_by_the_leeway(make_gateway: MakeGateway, issuer: TokenIssuer) -> None:
    """S-13: clock skew."""
    one = Site(await make_gateway(jwt_leeway_seconds=30.0), issuer)
    one.deploy()
    now = int(issuer._now())
    assert await one.status(issuer.token(exp=now - 20, iat=now + 20, nbf=now + 20)) == 200
    refused(await one.ask(issuer.token(exp=now - 40)), "the token has expired")
    refused(await one.ask(issuer.token(nbf=now + 45)), "the token is not valid yet")
    refused(await one.ask(issuer.token(iat=now + 45)), "the token was issued in the future")


async def test_keys_are_not_fetched_from_where_the_gateway_may_not_go(make_gateway: MakeGateway, issuer: TokenIssuer):
    one = Site(await make_gateway(egress_deny=("127.0.0.0/8", "::1")), issuer)
    one.deploy()
    assert await one.status(issuer.token()) == 500
    assert (issuer.asked(DISCOVERY), issuer.asked()) == (0, 0)


# ---- scopes


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        ({"scope": "pets/read"}, True),
        ({"scope": "openid pets/write"}, True),
        ({"scope": ["openid", "pets/write"]}, True),
        ({"scp": ["pets/read"]}, True),
        ({"scp": "pets/read openid"}, True),
        ({"scp": ["openid"], "scope": "pets/read"}, False),
        ({"scope": "pets/read2"}, False),
        ({"scope": ""}, False),
        ({"scope": 7}, False),
        ({}, False),
    ],
)
async def test_a_route_with_scopes_wants_one_of_them(site: Site, claims: dict[str, Any], allowed: bool) -> None:
    """`scp` first, then `scope`; a text with spaces, or a list."""
    response = await site.ask(site.issuer.token(**claims), "/read")
    if allowed:
        assert response.status == 200
        return
    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')
    assert response.header("www-authenticate") == 'Bearer scope="pets/read pets/write" error="insufficient_scope"'


async def test_a_challenge_names_the_scopes_of_the_route(site: Site) -> None:
    refused(await site.ask(site.issuer.token(aud="x"), "/read"), "the token does not have a valid audience",
            "pets/read pets/write")  # fmt: skip


# ---- attacks: S-12


def attacks(issuer: TokenIssuer, evil: str) -> dict[str, str]:
    """Tokens of somebody who has the public key and a key of their own. `evil`: a URL that must not be asked."""
    own, claims, header = rsa_key("attacker"), issuer.claims(), issuer.header()
    public = jwk(issuer.key, issuer.kid)
    secret = json.dumps(public).encode()

    def by(key: Any, **members: Any) -> str:
        return signed(issuer.header(**members), claims, key)

    def hmac(algorithm: str, **members: Any) -> str:
        return signed(issuer.header(alg=algorithm, **members), claims, secret, algorithm)

    good = issuer.token()
    head, _, tail = good.split(".")
    unsigned = f"{segment(issuer.header(alg='none'))}.{segment(claims)}."
    return {
        "alg none": unsigned,
        "alg None": f"{segment(issuer.header(alg='None'))}.{segment(claims)}.",
        "alg none with the signature of another": unsigned + good.rsplit(".", 1)[1],
        "alg missing": signed(issuer.header(alg=None), claims, issuer.key),
        "alg a list": signed(issuer.header(alg=["RS256"]), claims, issuer.key),
        "HS256 with the public key": hmac("HS256"),
        "HS512 with the public key": hmac("HS512"),
        "RS256 in the header, an HMAC behind": signed(header, claims, secret, "HS256"),
        "PS256, which is not in the list": signed(issuer.header(alg="PS256"), claims, issuer.key, "PS256"),
        "ES256, which is not in the list": signed(issuer.header(alg="ES256"), claims, ec_key("a"), "ES256"),
        "alg that is not the key's own": signed(issuer.header(alg="RS512"), claims, issuer.key, "RS512"),
        "signed by somebody else": by(own),
        "no signature": good.rsplit(".", 1)[0] + ".",
        "claims of another token": f"{head}.{segment({**claims, 'sub': 'eve'})}.{tail}",
        "kid missing": by(issuer.key, kid=None),
        "kid empty": by(issuer.key, kid=""),
        "kid a number": by(issuer.key, kid=1),
        "kid a path": by(own, kid="../../../../dev/null"),
        "kid SQL": by(own, kid="x' UNION SELECT 'secret' --"),
        "kid a URL": by(own, kid=evil),
        "kid a command": by(own, kid="| curl " + evil),
        "jku": by(own, jku=evil),
        "jku with a kid of its own": by(own, jku=evil, kid="evil"),
        "x5u": by(own, x5u=evil, kid="evil"),
        "jwk": by(own, jwk=jwk(own, "evil")),
        "jwk with a kid of its own": by(own, jwk=jwk(own, "evil"), kid="evil"),
        "x5c": by(own, x5c=["MIIB"], kid="evil"),
        "crit": by(issuer.key, crit=["exp"], exp=9_999_999_999),
        "crit empty": by(issuer.key, crit=[]),
        "crit b64": by(issuer.key, crit=["b64"], b64=True),
        "b64 false": by(issuer.key, b64=False),
        "typ of a logout token": by(issuer.key, typ="logout+jwt"),
        "typ a number": by(issuer.key, typ=1),
        "a key that is for encryption": signed(issuer.header(kid="enc"), claims, rsa_key("enc")),
        "a key that is too weak": signed(issuer.header(kid="weak"), claims, rsa_key("weak", 1024)),
        "a symmetric key of the set": signed(issuer.header(kid="oct", alg="HS256"), claims, b"s" * 32, "HS256"),
        "a symmetric key, as RS256": signed(issuer.header(kid="oct"), claims, b"s" * 32, "HS256"),
        "header twice the alg": signed(b'{"alg":"none","alg":"RS256","kid":"first"}', claims, issuer.key),
        "claims twice the sub": signed(header, b'{"sub":"ada",' + json.dumps(claims).encode()[1:], issuer.key),
        "claims twice in an object": signed(
            header, json.dumps(claims).encode()[:-1] + b',"o":{"a":1,"a":2}}', issuer.key
        ),
        "claims a list": signed(header, [1], issuer.key),
        "claims not a number": signed(header, json.dumps(claims).encode()[:-1] + b',"x":NaN}', issuer.key),
        "claims UTF-16": signed(header, json.dumps(claims).encode("utf-16"), issuer.key),
        "claims with half of a surrogate pair": signed(
            header, json.dumps(claims).encode()[:-1] + b',"x":"\\ud800"}', issuer.key
        ),
        "claims nested deeply": signed(header, b"[" * 4_000, issuer.key),
        "padding": good + "=",
        "standard base64": good[:-4] + "+/+/",
        "a signature in other letters": good[:-1] + ("B" if good[-1] == "A" else chr(ord(good[-1]) + 1)),
    }  # fmt: skip


async def test_no_attack_gets_in_or_makes_the_gateway_ask_anybody(site: Site) -> None:
    """S-12: all 401, and no request that the token caused."""
    evil = site.issuer.url + "/evil"
    site.issuer.serve(
        jwk(site.issuer.key, "first", alg="RS256"),
        jwk(rsa_key("enc"), "enc", use="enc"),
        jwk(rsa_key("weak", 1024), "weak"),
        {"kty": "oct", "kid": "oct", "k": segment(b"s" * 32)},
    )
    assert await site.status(site.issuer.token()) == 200
    site.gateway.advance(7_300)  # the set is old: this is fetched
    assert await site.status(site.issuer.token()) == 200
    await site.issuer.backend.wait_for(JWKS, 2)
    for name, token in attacks(site.issuer, evil).items():
        response = await site.ask(token)
        assert response.status == 401, name
        assert response.body == b'{"message":"Unauthorized"}', name
        assert "Bearer" in (response.header("www-authenticate") or ""), name
    assert not site.issuer.asked("/evil")
    # Of the kids that nobody knows, the first one was worth a question to the issuer; nothing came of the others.
    assert site.issuer.asked() <= 3
    assert await site.status(site.issuer.token()) == 200


async def test_a_token_that_brings_keys_along_is_judged_by_the_issuers_alone(site: Site) -> None:
    """Some issuers write jku into their own tokens: it is not followed, and does no harm."""
    evil = site.issuer.url + "/evil"
    token = signed(
        site.issuer.header(jku=evil, jwk=jwk(rsa_key("attacker"), "x")), site.issuer.claims(), site.issuer.key
    )
    assert await site.status(token) == 200
    assert not site.issuer.asked("/evil")


async def test_a_token_of_a_megabyte_is_refused_unread(make_gateway: MakeGateway, issuer: TokenIssuer) -> None:
    """S-13: even where heads may be as long."""
    one = Site(await make_gateway(header_bytes=2_000_000, request_url_bytes=2_000_000), issuer)
    one.deploy()
    response = await one.ask(issuer.token(pad="x" * 1_000_000))
    assert response.status in (401, 431)
    response = await one.ask(issuer.token(pad="x" * 3_000))
    assert response.status == 200


async def test_secrets_stay_out_of_answers_and_logs(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    token = site.issuer.token(aud="x")
    response = await site.ask(token)
    said = caplog.text + "".join(capfd.readouterr()) + str(response.headers) + response.body.decode()
    assert token.split(".")[1] not in said


async def test_the_gateways_own_log_says_why_a_token_was_refused(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    await site.ask(None)
    await site.ask(site.issuer.token(aud="x"))
    await site.ask(site.issuer.token(scope="other"), "/read")
    for why in (
        "UNAUTHORIZED: no token api=app",
        "UNAUTHORIZED: the token does not have a valid audience api=app",
        "ACCESS_DENIED: the token has none of the route's scopes api=app",
    ):
        assert why in caplog.text


async def test_logs_say_who_called_and_why_somebody_was_refused(
    make_gateway: MakeGateway, issuer: TokenIssuer, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    one = Site(await make_gateway(access_log=str(log)), issuer)
    line = "$context.status|$context.authorizer.claims.sub|$context.authorizer.error|$context.requestId"
    stages = {"prod": Stage(name="prod", access_log_format=line)}
    one.gateway.deploy(msgspec.structs.replace(one.api(), stages=stages), handlers={"who": who})
    good, wrong = issuer.token(), issuer.token(aud="x")
    await one.ask(good)
    await one.ask(wrong)
    await one.ask(None)
    await one.gateway.stop()
    written = log.read_text()
    assert [row.rpartition("|")[0] for row in written.splitlines()] == [
        "200|ada|-",
        "401|-|the token does not have a valid audience",
        "401|-|no token",
    ]
    assert good not in written
    assert wrong not in written


# ---- the issuer


async def test_discovery_begins_with_the_deployment(site: Site) -> None:
    await site.issuer.backend.wait_for(JWKS)
    assert await site.status(site.issuer.token()) == 200
    assert (site.issuer.asked(DISCOVERY), site.issuer.asked()) == (1, 1)


@pytest.fixture
async def proxied(site: Site, backend: Backend) -> Backend:
    """`GET /who` leads to a backend, so that requests are driven without a task of their own."""
    backend.on("/", body="there")
    one = site.api()
    to = Integration(type="HTTP_PROXY", uri=backend.url, method="GET")
    guarded = msgspec.structs.replace(one.routes["GET /who"], integration=to)
    site.gateway.deploy(msgspec.structs.replace(one, routes={"GET /who": guarded}))
    return backend


async def test_requests_that_come_before_the_keys_wait_for_them_and_have_no_task_of_its_own(
    site: Site, proxied: Backend
) -> None:
    token = site.issuer.token()
    assert {one.status for one in await asyncio.gather(*(site.ask(token) for _ in range(20)))} == {200}
    assert site.issuer.asked() == 1
    site.issuer.rotate("second")
    token = site.issuer.token()
    assert {one.status for one in await asyncio.gather(*(site.ask(token) for _ in range(20)))} == {200}
    assert site.issuer.asked() == 2
    refused(await site.ask(site.issuer.token(aud="x")), "the token does not have a valid audience")
    assert len(proxied.got("/")) == 40


async def test_a_client_that_goes_away_while_the_keys_are_fetched_harms_nobody(site: Site, proxied: Backend) -> None:
    assert await site.status(site.issuer.token()) == 200
    site.issuer.rotate("second")
    token, served, go = site.issuer.token(), site.issuer.backend, asyncio.Event()
    keys = json.dumps({"keys": [jwk(site.issuer.key, "second")]})

    async def slow(_request: Any) -> web.Response:
        await go.wait()
        return web.Response(text=keys)

    site.issuer.answer(JWKS, slow)
    host, port = site.gateway.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /app/prod/who HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n".encode())
    await served.wait_for(JWKS, 2)
    patient = asyncio.ensure_future(site.status(token))
    writer.transport.abort()
    for _ in range(50):  # turns in which the gateway sees it
        await asyncio.sleep(0)
    go.set()
    assert await patient == 200


async def test_keys_and_checked_tokens_outlive_deployments(site: Site) -> None:
    token = site.issuer.token()
    assert await site.status(token) == 200
    site.deploy()
    assert await site.status(token) == 200
    assert site.issuer.asked() == 1


async def test_an_issuer_that_is_down_makes_500_until_it_is_back(
    make_gateway: MakeGateway, issuer: TokenIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.fail()
    one = Site(await make_gateway(), issuer)
    one.deploy()
    await issuer.backend.wait_for(DISCOVERY)
    token = issuer.token()
    for _ in range(3):
        response = await one.ask(token)
        assert (response.status, response.body) == (500, b'{"message":"Internal Server Error"}')
    refused(await one.ask("no token"), "token contains an invalid number of segments")
    refused(await one.ask(None), None)
    assert f"the keys of {issuer.url} cannot be had" in caplog.text
    assert "answered 500" in caplog.text
    assert issuer.asked(DISCOVERY) == 1  # not asked again with every request
    issuer.serve()
    one.gateway.advance(6)
    assert await one.status(token) == 200


async def test_keys_of_a_file_need_no_network(make_gateway: MakeGateway, issuer: TokenIssuer, tmp_path: Any) -> None:
    one = Site(await make_gateway(), issuer)
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk(issuer.key, "first")]}))
    one.deploy(jwks_uri=f"file:{file}")
    assert await one.status(issuer.token()) == 200
    assert issuer.requests == 0
    file.write_text(json.dumps({"keys": [jwk(rsa_key("second"), "second")]}))
    one.deploy(jwks_uri=f"file:{file}")
    refused(await one.ask(issuer.token()), "the token does not name a known key")


async def test_a_jwks_uri_takes_the_place_of_discovery(site: Site) -> None:
    site.issuer.backend.on(DISCOVERY, 404)
    site.deploy(jwks_uri=site.issuer.url + JWKS)
    assert await site.status(site.issuer.token()) == 200


UNUSABLE = [
    ({"audience": ()}, "audience is empty"),
    ({"issuer": ""}, "issuer is missing"),
    ({"issuer": "accounts.example"}, "no https URL"),
    ({"issuer": "https://a b/"}, "invalid_url"),
    ({"identity_sources": ()}, "exactly one identity source"),
    ({"identity_sources": ("$request.header.A", "$request.header.B")}, "exactly one identity source"),
    ({"identity_sources": ("$request.body.a",)}, "a token stands in"),
    ({"identity_sources": ("route.request.header.A",)}, "a token stands in"),
    ({"jwks_uri": "ftp://keys"}, "https URL, or in a file"),
    ({"jwks_uri": "file:missing.json"}, "No such file"),
    ({"scopes": ('pets"',)}, "no spaces, quotes"),
]


@pytest.mark.parametrize(("members", "said"), UNUSABLE, ids=[said for _, said in UNUSABLE])
async def test_an_authorizer_that_could_not_check_is_not_deployed(site: Site, members: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        site.deploy(**members)


async def test_more_algorithms_are_a_setting(make_gateway: MakeGateway, issuer: TokenIssuer) -> None:
    one = Site(await make_gateway(jwt_algorithms=("PS256", "ES256")), issuer)
    issuer.serve(jwk(issuer.key, "first"), jwk(ec_key("a"), "ec"))
    one.deploy()
    claims = issuer.claims()
    assert await one.status(signed(issuer.header(alg="PS256"), claims, issuer.key, "PS256")) == 200
    assert await one.status(signed(issuer.header(alg="ES256", kid="ec"), claims, ec_key("a"), "ES256")) == 200
    refused(await one.ask(issuer.token()), "the token does not have a valid algorithm")
    crossed = signed(issuer.header(alg="PS256", kid="ec"), claims, issuer.key, "PS256")
    refused(await one.ask(crossed), "the token does not have a valid algorithm")


# ---- $connect


async def connect_api(site: Site, source: str = "route.request.header.Authorization", **members: Any) -> None:
    authorizer = Authorizer(
        id="tokens", name="tokens", type="JWT", issuer=site.issuer.url, audience=("app",), identity_sources=(source,)
    )
    connect = route("$connect", authorization_type="JWT", authorizer="tokens", **members)
    echo = route("who", Integration(type="PYTHON", uri="who"), two_way=True)
    site.gateway.deploy(api(connect, echo, authorizers={"tokens": authorizer}), handlers={"who": event_of})


def event_of(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event["requestContext"]["authorizer"])}


async def test_a_handshake_shows_a_token_and_its_claims_stay_with_the_connection(site: Site) -> None:
    await connect_api(site)
    token = site.issuer.token(groups=["a", "b"], level=3)
    client = await site.gateway.connect(headers=[("Authorization", f"Bearer {token}")])
    await client.send_text('{"action": "who"}')
    shown = await client.receive_json()
    assert (shown["principalId"], shown["sub"], shown["groups"], shown["level"]) == ("ada", "ada", "[a b]", "3")
    (connection,) = site.gateway.connections
    assert connection.principal is not None
    assert connection.principal.expires == pytest.approx(site.issuer._now() + 3600, abs=5)
    assert connection.principal.credential == "principal/ada"


async def test_a_browser_shows_it_in_the_query(site: Site) -> None:
    await connect_api(site, "route.request.querystring.token")
    await site.gateway.connect(f"/prod?token={site.issuer.token()}")
    with pytest.raises(HandshakeRefused) as refusal:
        await site.gateway.connect("/prod")
    assert refusal.value.response.status == 401


@pytest.mark.parametrize(
    ("claims", "status"), [({"exp": 1}, 401), ({"aud": "x"}, 401), ({"scope": "b"}, 403), ({"scope": "a"}, 101)]
)
async def test_a_handshake_with_another_token_is_refused(site: Site, claims: dict[str, Any], status: int) -> None:
    await connect_api(site, authorization_scopes=("a",))
    headers = [("Authorization", site.issuer.token(**claims))]
    if status == 101:
        await site.gateway.connect(headers=headers)
        return
    with pytest.raises(HandshakeRefused) as refusal:
        await site.gateway.connect(headers=headers)
    assert refusal.value.response.status == status
