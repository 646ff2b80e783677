"""Web ACLs over real sockets: what clients of each kind of API get, before anything else has looked at them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import MakeGateway
from tests.firewall.web_acls import blocking, contains, rule, statement, web_acl
from tests.harness.backend import Backend
from tests.harness.countries import write_countries
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.raw_websocket import HandshakeRefused
from tests.harness.redis_server import RedisServer
from tests.harness.rest_api import ask, method, rest_api
from tests.harness.rest_api import mock as rest_mock
from wsgw.definitions.access import Cors
from wsgw.definitions.api import Api, GatewayResponse, Stage
from wsgw.definitions.firewall import WebAcl
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.definitions.route import Route
from wsgw.errors import DefinitionError
from wsgw.live.guard_firewall import firewalls_of

ADMIN = contains("/admin", "UriPath", "LOWERCASE")
EVIL = contains("evil", "Body")
BODIES = {"sorry": {"ContentType": "APPLICATION_JSON", "Content": '{"sorry": true}'}}
SORRY = {
    "Block": {
        "CustomResponse": {
            "ResponseCode": 429,
            "CustomResponseBodyKey": "sorry",
            "ResponseHeaders": [{"Name": "X-Why", "Value": "firewall"}],
        }
    }
}


def rest(acl: WebAcl, *routes: Route, stage: dict[str, Any] | None = None, **members: Any) -> Api:
    routes = routes or (rest_mock("GET /a"), rest_mock("GET /admin"))
    return rest_api(*routes, stage=Stage(name="dev", web_acl=acl, **(stage or {})), **members)


def http_api(acl: WebAcl, *routes: Route, **members: Any) -> Api:
    stage = Stage(name="$default", web_acl=acl)
    by_key = {one.key: one for one in routes}
    return Api(id="web", name="web", protocol="HTTP", routes=by_key, stages={"$default": stage}, **members)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as one:
        yield one


HOST = {"Host": "web.localhost"}


# ---- what clients get


async def test_a_rest_api_answers_403_forbidden(gateway: TestGateway):
    """Recorded on the service: `{"message":"Forbidden"}`, ForbiddenException."""
    gateway.deploy(rest(blocking(ADMIN)))
    assert (await ask(gateway, "GET", "/a")).status == 200
    refused = await ask(gateway, "GET", "/ADMIN/x")
    assert (refused.status, refused.body) == (403, b'{"message":"Forbidden"}')
    assert refused.header("x-amzn-errortype") == "ForbiddenException"


async def test_the_gateway_response_of_a_rest_api_words_it(gateway: TestGateway):
    words = GatewayResponse(
        response_type="WAF_FILTERED",
        status_code="418",
        response_templates={"application/json": '{"type": "$context.error.responseType"}'},
    )
    gateway.deploy(rest(blocking(ADMIN), gateway_responses={"WAF_FILTERED": words}))
    refused = await ask(gateway, "GET", "/admin")
    assert (refused.status, refused.body) == (418, b'{"type": "WAF_FILTERED"}')


async def test_what_a_rule_answers_wins_over_a_gateway_response(gateway: TestGateway):
    words = GatewayResponse(response_type="WAF_FILTERED", status_code="418")
    acl = web_acl(rule("it", ADMIN, SORRY), CustomResponseBodies=BODIES)
    gateway.deploy(rest(acl, gateway_responses={"WAF_FILTERED": words}))
    refused = await ask(gateway, "GET", "/admin")
    assert (refused.status, refused.body) == (429, b'{"sorry": true}')
    assert refused.header("content-type") == "application/json"
    assert refused.header("x-why") == "firewall"


async def test_an_http_api_answers_403_forbidden(
    gateway: TestGateway, backend: Backend, session: aiohttp.ClientSession
):
    gateway.deploy(http_api(blocking(ADMIN), route("$default", http(backend.url, method="ANY"))))
    async with session.get(f"{gateway.url}/a", headers=HOST) as allowed:
        assert allowed.status == 200
    async with session.get(f"{gateway.url}/admin", headers=HOST) as refused:
        assert refused.status == 403
        assert await refused.read() == b'{"message":"Forbidden"}'
        assert refused.headers["content-type"] == "application/json"
    assert len(backend.requests) == 1


async def test_an_http_api_answers_what_a_rule_says(gateway: TestGateway, session: aiohttp.ClientSession):
    acl = web_acl(rule("it", ADMIN, SORRY), CustomResponseBodies=BODIES)
    gateway.deploy(http_api(acl, route("$default", http("http://127.0.0.1:9/", method="ANY"))))
    async with session.get(f"{gateway.url}/admin", headers=HOST) as refused:
        assert (refused.status, await refused.json(), refused.headers["x-why"]) == (429, {"sorry": True}, "firewall")


async def test_a_preflight_is_looked_at_too(gateway: TestGateway, session: aiohttp.ClientSession):
    cors = Cors(allow_origins=("*",), allow_methods=("*",))
    acl = blocking(contains("OPTIONS", "Method"))
    gateway.deploy(http_api(acl, route("$default", http("http://127.0.0.1:9/", method="ANY")), cors=cors))
    asked = {**HOST, "Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    async with session.options(f"{gateway.url}/a", headers=asked) as refused:
        assert refused.status == 403


async def test_where_a_rule_fails_nobody_passes_and_everybody_is_answered(
    gateway: TestGateway, monkeypatch: pytest.MonkeyPatch
):
    def damaged(address: str) -> str:
        raise RuntimeError("the data section is corrupt")

    monkeypatch.setattr("wsgw.firewall.firewalls.countries", lambda file: damaged)
    acl = blocking({"GeoMatchStatement": {"CountryCodes": ["DE"]}})
    gateway.serve(route("send", mock("sent")), stage=Stage(name="prod", web_acl=acl))
    with pytest.raises(HandshakeRefused) as caught:
        await gateway.connect()
    assert caught.value.response.status == 500
    gateway.deploy(rest(acl))
    assert (await ask(gateway, "GET", "/a")).status == 500


async def test_a_handshake_is_refused_with_the_uniform_error(gateway: TestGateway, backend: Backend):
    acl = blocking(contains("curl", {"SingleHeader": {"Name": "user-agent"}}))
    connect, send = route("$connect", http(backend.url)), route("send", mock('{"a": 1}'), two_way=True)
    gateway.serve(connect, send, stage=Stage(name="prod", web_acl=acl))
    with pytest.raises(HandshakeRefused) as caught:
        await gateway.connect(headers=[("User-Agent", "curl/8")])
    response = caught.value.response
    assert response.status == 403
    assert json.loads(response.body)["message"] == "Forbidden"
    assert set(json.loads(response.body)) == {"message", "connectionId", "requestId"}
    assert backend.requests == []
    await gateway.connect(headers=[("User-Agent", "browser")])
    assert len(backend.requests) == 1


@pytest.mark.parametrize("path", ["/prod?token=evil", "/prod?x=1&token=%65vil"])
async def test_the_query_of_a_handshake_is_looked_at(gateway: TestGateway, path: str):
    what = contains("evil", {"SingleQueryArgument": {"Name": "token"}}, "URL_DECODE")
    gateway.serve(route("send", mock("{}")), stage=Stage(name="prod", web_acl=blocking(what)))
    with pytest.raises(HandshakeRefused):
        await gateway.connect(path)
    await gateway.connect("/prod?token=good")


async def test_a_handshake_is_answered_what_a_rule_says(gateway: TestGateway):
    acl = web_acl(rule("it", contains("evil", "QueryString"), SORRY), CustomResponseBodies=BODIES)
    gateway.serve(route("send", mock("{}")), stage=Stage(name="prod", web_acl=acl))
    with pytest.raises(HandshakeRefused) as caught:
        await gateway.connect("/prod?evil")
    assert caught.value.response.status == 429
    assert caught.value.response.body == b'{"sorry": true}'
    assert caught.value.response.header("x-why") == "firewall"


async def test_messages_are_not_looked_at(gateway: TestGateway):
    acl = blocking(contains("evil", "Body"))
    gateway.serve(route("send", mock('{"a": 1}'), two_way=True), stage=Stage(name="prod", web_acl=acl))
    client = await gateway.connect()
    await client.send_text('{"action": "send", "text": "evil"}')
    assert json.loads(await client.receive_text()) == {"a": 1}


# ---- what it looks at


@pytest.mark.parametrize("path", ["/%61dmin", "/x/../admin", "/ADMIN", "/%2e%2e/admin"])
async def test_a_path_in_disguise_does_not_pass(gateway: TestGateway, path: str):
    gateway.deploy(rest(blocking(ADMIN)))
    assert (await ask(gateway, "GET", path)).status in (400, 403)


async def test_the_verb_is_the_one_that_routes(gateway: TestGateway):
    gateway.deploy(rest(blocking(contains("DELETE", "Method")), rest_mock("ANY /a")))
    assert (await ask(gateway, "POST", "/a")).status == 200
    assert (await ask(gateway, "POST", "/a", "X-HTTP-Method-Override: DELETE")).status == 403


@pytest.mark.parametrize("size", [10, 8_000])
async def test_a_body_is_looked_at_before_a_backend_gets_it(gateway: TestGateway, backend: Backend, size: int):
    gateway.deploy(rest(blocking(EVIL), method("POST /a", "HTTP_PROXY", backend.url, method="POST")))
    assert (await ask(gateway, "POST", "/a", body=b"x" * size + b"evil")).status == 403
    assert backend.requests == []


async def test_a_body_that_could_be_streamed_is_awaited_where_rules_look_at_bodies(
    gateway: TestGateway, backend: Backend, session: aiohttp.ClientSession
):
    """Else its first bytes were all that a rule got to see, or none."""
    proxy = route("$default", http(backend.url, method="ANY"))
    what = statement("SizeConstraintStatement", "Body", ComparisonOperator="GT", Size=300_000)
    gateway.deploy(http_api(blocking(what), proxy))
    for size, status in ((299_000, 200), (301_000, 403)):
        async with session.post(f"{gateway.url}/a", headers=HOST, data=b"x" * size) as response:
            assert response.status == status


async def test_what_a_client_says_of_its_address_is_not_believed(make_gateway: MakeGateway):
    config = {"HeaderName": "X-Forwarded-For", "FallbackBehavior": "MATCH", "Position": "FIRST"}
    what = {"IPSetStatement": {"Addresses": ["192.0.2.0/24"], "IPSetForwardedIPConfig": config}}
    allow = web_acl(rule("it", what, "Allow"), DefaultAction={"Block": {}})
    plain, behind_proxy = await make_gateway(), await make_gateway(trust_forwarded=("127.0.0.1",))
    for gateway, status in ((plain, 403), (behind_proxy, 200)):
        gateway.deploy(rest(allow))
        assert (await ask(gateway, "GET", "/a", "X-Forwarded-For: 192.0.2.7")).status == status


async def test_behind_a_trusted_proxy_the_source_address_is_the_clients(make_gateway: MakeGateway):
    gateway = await make_gateway(trust_forwarded=("127.0.0.1",))
    gateway.deploy(rest(blocking({"IPSetStatement": {"Addresses": ["192.0.2.0/24"]}})))
    assert (await ask(gateway, "GET", "/a", "X-Forwarded-For: 192.0.2.7")).status == 403
    assert (await ask(gateway, "GET", "/a", "X-Forwarded-For: 198.51.100.7")).status == 200


async def test_a_country_is_looked_up_in_the_operators_file(make_gateway: MakeGateway, tmp_path: Path):
    file = write_countries(tmp_path / "countries.mmdb", {"192.0.2.0/24": "AT"})
    gateway = await make_gateway(trust_forwarded=("127.0.0.1",), geo_database=str(file))
    gateway.deploy(rest(blocking({"GeoMatchStatement": {"CountryCodes": ["AT"]}})))
    assert (await ask(gateway, "GET", "/a", "X-Forwarded-For: 192.0.2.7")).status == 403
    assert (await ask(gateway, "GET", "/a", "X-Forwarded-For: 198.51.100.7")).status == 200


# ---- rates


async def test_a_flood_is_blocked_and_passes_again_later(gateway: TestGateway):
    gateway.clock.stand_still()
    what = {"RateBasedStatement": {"Limit": 10, "AggregateKeyType": "IP", "EvaluationWindowSec": 60}}
    gateway.deploy(rest(blocking(what)))
    statuses = [(await ask(gateway, "GET", "/a")).status for _ in range(25)]
    assert statuses[:10] == [200] * 10
    assert 403 in statuses
    gateway.advance(121)
    assert (await ask(gateway, "GET", "/a")).status == 200


async def test_nodes_count_together(make_gateway: MakeGateway, redis: RedisServer):
    """Each alone sees less than the limit to the end; both together see more."""
    what = {"RateBasedStatement": {"Limit": 60, "AggregateKeyType": "IP", "EvaluationWindowSec": 600}}
    nodes = [await make_gateway(redis=redis.url, redis_seconds=1, cluster_secret="s") for _ in range(2)]
    for node in nodes:
        node.deploy(rest(blocking(what)))
        assert {(await ask(node, "GET", "/a")).status for _ in range(35)} == {200}
    blocked = []
    for _ in range(20):
        # What others have counted is learnt with what is told: each asks once more.
        for node in nodes:
            node.advance(1.1)
            sharing = firewalls_of(node.app.access)._sharing
            assert sharing is not None
            await asyncio.wait([sharing])
        blocked = [(await ask(node, "GET", "/a")).status for node in nodes]
        if blocked == [403, 403]:
            break
    assert blocked == [403, 403]


async def test_a_rate_based_rule_goes_on_without_redis(make_gateway: MakeGateway, own_redis: RedisServer):
    what = {"RateBasedStatement": {"Limit": 3, "AggregateKeyType": "IP", "EvaluationWindowSec": 600}}
    gateway = await make_gateway(redis=own_redis.url, cluster_secret="s")
    gateway.deploy(rest(blocking(what)))
    own_redis.freeze()
    try:
        statuses = []
        for _ in range(4):
            gateway.advance(1.1)
            statuses.append((await ask(gateway, "GET", "/a")).status)
    finally:
        own_redis.thaw()
    assert statuses == [200, 200, 200, 403]


# ---- what operators see


async def test_the_access_log_says_what_was_decided(make_gateway: MakeGateway, tmp_path: Path):
    log = tmp_path / "access.log"
    gateway = await make_gateway(access_log=str(log))
    names = (
        "requestId",
        "status",
        "wafResponseCode",
        "webaclArn",
        "waf.status",
        "waf.error",
        "waf.latency",
        "error.responseType",
    )
    acl = blocking(ADMIN)
    gateway.deploy(
        rest(acl, stage={"access_log_format": json.dumps({name: f"$context.{name}" for name in names})}),
    )
    await ask(gateway, "GET", "/a")
    await ask(gateway, "GET", "/admin")
    await gateway.stop()
    allowed, blocked = (json.loads(line) for line in log.read_text().splitlines())
    arn = allowed["webaclArn"]
    assert arn.startswith("arn:aws:wafv2:us-east-1:000000000000:regional/webacl/acl/")
    assert list(allowed.values())[1:] == ["200", "WAF_ALLOW", arn, "200", "-", "0", "-"]
    assert list(blocked.values())[1:] == ["403", "WAF_BLOCK", arn, "403", "Forbidden", "0", "WAF_FILTERED"]


async def test_the_access_log_has_the_status_that_a_rule_has_answered_to_a_handshake(
    make_gateway: MakeGateway, tmp_path: Path
):
    log = tmp_path / "access.log"
    gateway = await make_gateway(access_log=str(log))
    acl = web_acl(rule("it", contains("evil", "QueryString"), SORRY), CustomResponseBodies=BODIES)
    stage = Stage(name="prod", web_acl=acl, access_log_format="$context.status $context.requestId")
    gateway.serve(route("send", mock("sent")), stage=stage)
    with pytest.raises(HandshakeRefused) as caught:
        await gateway.connect("/prod?evil")
    await gateway.stop()
    assert caught.value.response.status == 429
    assert log.read_text().startswith("429 ")


async def test_without_a_web_acl_the_log_says_nothing_of_one(make_gateway: MakeGateway, tmp_path: Path):
    log = tmp_path / "access.log"
    gateway = await make_gateway(access_log=str(log))
    line = "$context.wafResponseCode $context.webaclArn $context.waf.status $context.requestId"
    gateway.deploy(rest_api(rest_mock("GET /a"), stage=Stage(name="dev", access_log_format=line)))
    await ask(gateway, "GET", "/a")
    await gateway.stop()
    assert log.read_text().startswith("- - - ")


async def test_the_control_port_shows_samples_and_counts(gateway: TestGateway, session: aiohttp.ClientSession):
    gateway.deploy(rest(blocking(ADMIN)))
    await ask(gateway, "GET", "/admin?token=secret", "Authorization: secret")
    await ask(gateway, "GET", "/a")
    url = f"{gateway.control}/webacls/pets/dev/samples"
    async with session.get(url, params={"rule": "it"}) as answer:
        shown = await answer.json()
    (sample,) = shown["samples"]
    assert shown["webAcl"] == "acl"
    assert (sample["rule"], sample["action"]) == ("it", "BLOCK")
    assert sample["request"]["uri"] == "/dev/admin"
    assert sample["request"]["queryArguments"] == ["token"]
    assert "secret" not in json.dumps(shown)
    async with session.get(url, params={"limit": "1"}) as answer:
        assert len((await answer.json())["samples"]) == 1
    async with session.get(f"{gateway.control}/metrics") as answer:
        text = await answer.text()
    labels = 'action="block",api_id="pets",rule="it",stage="dev"'
    assert f"wsgw_firewall_requests_total{{{labels}}} 1.0" in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/webacls/pets/dev/samples?limit=x", 400),
        ("/webacls/pets/dev/samples?limit=0", 400),
        ("/webacls/pets/other/samples", 404),
        ("/webacls/none/dev/samples", 404),
    ],
)
async def test_the_control_port_refuses_what_it_cannot_show(
    gateway: TestGateway, session: aiohttp.ClientSession, path: str, status: int
):
    gateway.deploy(rest(blocking(ADMIN)))
    async with session.get(gateway.control + path) as answer:
        assert answer.status == status
        assert (await answer.json())["message"]


# ---- deployments


async def test_a_stage_without_a_web_acl_has_no_step_for_one(gateway: TestGateway):
    gateway.deploy(rest_api(rest_mock("GET /a")))
    ((_, slot),) = gateway.app.stages.slots()
    assert slot.live.firewall is None


async def test_a_deployment_changes_the_rules_at_once(gateway: TestGateway):
    gateway.deploy(rest(blocking(ADMIN)))
    assert (await ask(gateway, "GET", "/admin")).status == 403
    gateway.deploy(rest_api(rest_mock("GET /a"), rest_mock("GET /admin")))
    assert (await ask(gateway, "GET", "/admin")).status == 200


BAD: list[tuple[WebAcl, str]] = [
    (web_acl_of({"Rules": [rule("it", {"AsnMatchStatement": {}})]}), "no statement that is known here"),
    (blocking({"GeoMatchStatement": {"CountryCodes": ["AT"]}}), "set geo_database"),
    (blocking(statement("RegexMatchStatement", "UriPath", RegexString="(")), "rule it: pattern"),
]


@pytest.mark.parametrize(("acl", "why"), BAD, ids=[row[1] for row in BAD])
async def test_what_cannot_be_enforced_is_not_deployed(gateway: TestGateway, acl: WebAcl, why: str):
    gateway.deploy(rest(blocking(ADMIN)))
    with pytest.raises(DefinitionError, match=why) as caught:
        gateway.deploy(rest(acl))
    assert "apis.pets.stages.dev.webAcl" in str(caught.value)
    # What was served before is served still.
    assert (await ask(gateway, "GET", "/admin")).status == 403
