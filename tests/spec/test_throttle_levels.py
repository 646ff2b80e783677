"""Throttles as clients of each kind meet them: what they are told, which level refuses, and who else is spared.

Source: developer guide, "Throttle requests to your REST APIs", "Throttle requests to your HTTP APIs", "Quotas for
WebSocket APIs". Throttles of single callers are ours.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.management import manage
from tests.harness.raw_http import split_responses, talk
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket, Response
from tests.harness.rest_api import ask, rest_api
from tests.harness.rest_api import mock as rest_mock
from wsgw.definitions.access import CallerThrottles, ThrottleSettings
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan

REFUSED = "Too Many Requests"
PROXIES = ("127.0.0.0/8", "::1/128")


def limit(burst: int, rate: float = 0.001) -> ThrottleSettings:
    return ThrottleSettings(rate_limit=rate, burst_limit=burst)


def staged(name: str, throttle: ThrottleSettings | None = None, **callers: ThrottleSettings) -> Stage:
    return Stage(name=name, throttle=throttle, caller_throttles=CallerThrottles(**callers))


def pets(*keys: str, **members: Any) -> Api:
    """A REST API; `members` of its stage."""
    return rest_api(*(rest_mock(key) for key in keys), stage=staged("dev", **members))


def web(backend: Backend, *keys: str, **members: Any) -> Api:
    """An HTTP API, behind the path /web; `members` of its stage."""
    routes = {key: route(key, http(backend.url, method="ANY")) for key in keys}
    return Api(id="web", name="web", protocol="HTTP", routes=routes, stages={"dev": staged("dev", **members)})


async def get(gateway: TestGateway, path: str, source: str = "192.0.2.1") -> Response:
    lines = (f"GET {path} HTTP/1.1", "Host: gateway.example", f"X-Forwarded-For: {source}", "Connection: close")
    sent = "\r\n".join(lines).encode() + b"\r\n\r\n"
    (response,) = split_responses(await talk(gateway.url, sent))
    return response


async def connect(gateway: TestGateway, source: str = "192.0.2.1", path: str = "/prod") -> RawWebSocket:
    return await gateway.connect(path, headers=[("X-Forwarded-For", source)])


async def said(client: RawWebSocket, action: str = "a") -> str:
    await client.send_json({"action": action})
    text = await client.receive_text()
    return text if text == "sent" else json.loads(text)["message"]


# ---- what each kind of client receives


async def test_a_rest_client_receives_429_with_its_error_type(gateway: TestGateway):
    """Any refusal below the plan: 429 Too Many Requests."""
    gateway.deploy(pets("GET /", throttle=limit(0)))
    answer = await ask(gateway, "GET", "/")
    assert (answer.status, answer.body) == (429, b'{"message":"Too Many Requests"}')
    assert answer.header("x-amzn-errortype") == "TooManyRequestsException"
    assert answer.header("content-type") == "application/json"


async def test_an_http_client_receives_429(gateway: TestGateway, backend: Backend):
    """Refusal: 429 `{"message":"Too Many Requests"}`."""
    gateway.deploy(web(backend, "GET /", throttle=limit(0)))
    answer = await get(gateway, "/web/dev/")
    assert (answer.status, answer.body) == (429, b'{"message":"Too Many Requests"}')
    assert answer.header("x-amzn-errortype") is None
    assert answer.header("apigw-requestid")
    assert backend.requests == []


async def test_a_websocket_client_receives_an_error_frame(gateway: TestGateway):
    """message: error frame; the message is lost, the connection stays"""
    gateway.deploy(api(route("a", mock("sent"), two_way=True), stage=staged("prod", limit(1))))
    client = await gateway.connect()
    assert await said(client) == "sent"
    await client.send_json({"action": "a"})
    frame = json.loads(await client.receive_text())
    assert (frame["message"], frame["connectionId"]) == (REFUSED, gateway.connections[0].id)
    assert frame["requestId"]
    assert len(gateway.connections) == 1


async def test_a_throttled_handshake_receives_429(gateway: TestGateway):
    """handshake: 429"""
    gateway.deploy(api(route("$connect", mock("")), route("a", mock("sent")), stage=staged("prod", limit(0))))
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    assert refused.value.response.status == 429
    assert json.loads(refused.value.response.body)["message"] == REFUSED
    assert gateway.connections == []


async def test_a_throttled_push_receives_429_limit_exceeded(make_gateway: MakeGateway):
    """`@connections` POST: 429 `LimitExceededException`"""
    gateway = await make_gateway(account_rate=0.001, account_burst=1)
    gateway.deploy(api(route("a", mock("sent"), two_way=True)))
    await gateway.connect()
    answers = [await manage(gateway, "POST", gateway.connections[0].id, b"x") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].header("x-amzn-errortype") == "LimitExceededException"


# ---- the order of the levels


async def test_the_plan_refuses_before_the_method_and_the_method_before_the_account(make_gateway: MakeGateway):
    """1 per key and method, per key; 2 stage method setting; 3 account: what was refused at one has spent those before
    it, and nothing behind it.
    """
    gateway = await make_gateway(account_rate=0.001, account_burst=4)
    keyed = pets("GET /a", "GET /b", throttle=limit(3))
    routes = {key: _with(one, api_key_required=True) if key == "GET /a" else one for key, one in keyed.routes.items()}
    gateway.deploy(_with(keyed, routes=routes))
    keys = [ApiKey(id=name, value=f"value-of-the-key-{name}") for name in ("one", "two")]
    plan = UsagePlan(id="p", stages=(PlanStage(api_id="pets", stage="dev"),), throttle=limit(2), keys=("one", "two"))
    gateway.app.admit_keys(keys, [plan])

    async def status(path: str, key: str = "") -> int:
        return (await ask(gateway, "GET", path, *([f"x-api-key: value-of-the-key-{key}"] if key else []))).status

    assert [await status("/a", "one") for _ in range(4)] == [200, 200, 429, 429]
    # Two of the method's three are spent, not four.
    assert [await status("/a", "two") for _ in range(3)] == [200, 429, 429]
    # And three of the account's four: the fourth is for another method.
    assert [await status("/b") for _ in range(2)] == [200, 429]


def _with(struct: Any, **members: Any) -> Any:
    return msgspec.structs.replace(struct, **members)


async def test_what_the_account_refuses_has_spent_its_routes_token(make_gateway: MakeGateway, backend: Backend):
    """Tokens of earlier levels stay spent."""
    gateway = await make_gateway(account_rate=0.01, account_burst=1)
    gateway.deploy(web(backend, "GET /a", "GET /b", throttle=limit(2)))
    assert [(await get(gateway, f"/web/dev/{name}")).status for name in "ba"] == [200, 429]
    gateway.advance(100)
    assert (await get(gateway, "/web/dev/a")).status == 200
    gateway.advance(100)
    assert (await get(gateway, "/web/dev/a")).status == 429
    # That was the route's: it has taken none of the account's.
    assert (await get(gateway, "/web/dev/b")).status == 200


UNLIMITED = [pytest.param(ThrottleSettings(rate_limit=-1, burst_limit=-1), id="-1"), pytest.param(None, id="none")]


@pytest.mark.parametrize("off", UNLIMITED)
async def test_without_a_limit_all_pass(make_gateway: MakeGateway, backend: Backend, off: ThrottleSettings | None):
    """-1 in settings means unlimited."""
    gateway = await make_gateway(trust_forwarded=PROXIES)
    callers = {} if off is None else {"source_ip": off}
    gateway.deploy(
        pets("GET /", throttle=off, **callers),
        web(backend, "GET /", throttle=off, **callers),
        api(route("a", mock("sent"), two_way=True), stage=staged("prod", off, **callers)),
    )
    for path in ("/pets/dev/", "/web/dev/"):
        assert [(await get(gateway, path)).status for _ in range(10)] == [200] * 10
    client = await connect(gateway, path="/chat/prod")
    assert [await said(client) for _ in range(10)] == ["sent"] * 10


# ---- single callers (ours)


SOURCES = [
    pytest.param("192.0.2.1", "192.0.2.2", id="IPv4: each address"),
    pytest.param("2001:db8:0:1::1", "2001:db8:0:2::1", id="IPv6: each /64"),
]


@pytest.mark.parametrize(("one", "other"), SOURCES)
async def test_each_source_address_has_its_own_bucket(
    make_gateway: MakeGateway, backend: Backend, one: str, other: str
):
    gateway = await make_gateway(trust_forwarded=PROXIES)
    gateway.deploy(pets("GET /", "GET /b", source_ip=limit(2)), web(backend, "GET /", source_ip=limit(2)))
    for path in ("/pets/dev/", "/web/dev/"):
        assert [(await get(gateway, path, one)).status for _ in range(3)] == [200, 200, 429]
        assert [(await get(gateway, path, other)).status for _ in range(3)] == [200, 200, 429]
    # It is the stage's, over all its routes.
    assert (await get(gateway, "/pets/dev/b", one)).status == 429


async def test_an_ipv6_network_is_one_source(make_gateway: MakeGateway):
    gateway = await make_gateway(trust_forwarded=PROXIES)
    gateway.deploy(pets("GET /", source_ip=limit(2)))
    sources = ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1:8000::3", "2001:db8:0:2::1")
    assert [(await get(gateway, "/pets/dev/", source)).status for source in sources] == [200, 200, 429, 200]


async def test_a_source_that_no_trusted_proxy_names_is_the_peer(gateway: TestGateway):
    """Nobody gets another bucket by a header of his own."""
    gateway.deploy(pets("GET /", source_ip=limit(2)))
    sources = [f"192.0.2.{number}" for number in range(4)]
    assert [(await get(gateway, "/pets/dev/", source)).status for source in sources] == [200, 200, 429, 429]


@pytest.mark.parametrize("with_connect", [True, False], ids=["with $connect", "without $connect"])
async def test_handshakes_and_messages_of_a_source_share_its_bucket(make_gateway: MakeGateway, with_connect: bool):
    gateway = await make_gateway(trust_forwarded=PROXIES)
    routes = [route("a", mock("sent"), two_way=True), *([route("$connect", mock(""))] if with_connect else [])]
    gateway.deploy(api(*routes, stage=staged("prod", source_ip=limit(3))))
    client = await connect(gateway)
    assert [await said(client) for _ in range(3)] == ["sent", "sent", REFUSED]
    with pytest.raises(HandshakeRefused, match="429"):
        await connect(gateway)
    other = await connect(gateway, "192.0.2.2")
    assert await said(other) == "sent"
    assert await said(client) == REFUSED


async def test_each_connection_has_its_own_bucket_of_messages(gateway: TestGateway):
    gateway.deploy(
        api(
            *(route(key, mock("sent"), two_way=True) for key in "ab"),
            stage=staged("prod", connection=limit(2, rate=0.01)),
        )
    )
    one, other = await gateway.connect(), await gateway.connect()
    assert [await said(one, action) for action in "aba"] == ["sent", "sent", REFUSED]
    assert [await said(other) for _ in range(3)] == ["sent", "sent", REFUSED]
    gateway.advance(100)
    assert [await said(one) for _ in range(2)] == ["sent", REFUSED]


async def test_a_flooding_connection_takes_no_token_from_the_others(gateway: TestGateway):
    gateway.deploy(api(route("a", mock("sent"), two_way=True), stage=staged("prod", limit(5), connection=limit(2))))
    flood, other = await gateway.connect(), await gateway.connect()
    assert [await said(flood) for _ in range(20)] == ["sent"] * 2 + [REFUSED] * 18
    assert [await said(other) for _ in range(3)] == ["sent", "sent", REFUSED]


def who(source: str) -> Authorizer:
    """Lets everybody in, as whom the header X-User names."""
    return Authorizer(
        id="who", name="who", type="REQUEST", called="PYTHON", uri="who", identity_sources=(source,), result_ttl=0
    )


def answer(event: dict[str, Any], context: Any) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in event["headers"].items()}
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    return {"principalId": headers["x-user"], "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


async def test_each_principal_has_one_bucket_for_all_its_connections(gateway: TestGateway):
    connect_ = route("$connect", mock(""), authorization_type="CUSTOM", authorizer="who")
    one = api(
        connect_,
        route("a", mock("sent"), two_way=True),
        stage=staged("prod", principal=limit(4)),
        authorizers={"who": who("route.request.header.X-User")},
    )
    gateway.deploy(one, handlers={"who": answer})
    first, second = [await gateway.connect(headers=[("X-User", "ann")]) for _ in range(2)]
    # Handshakes count.
    assert [await said(first), await said(second), await said(first)] == ["sent", "sent", REFUSED]
    with pytest.raises(HandshakeRefused, match="429"):
        await gateway.connect(headers=[("X-User", "ann")])
    bob = await gateway.connect(headers=[("X-User", "bob")])
    assert [await said(bob) for _ in range(4)] == ["sent"] * 3 + [REFUSED]


async def test_each_principal_of_a_rest_api_has_its_own_bucket(gateway: TestGateway):
    routes = [_with(rest_mock("GET /"), authorization_type="CUSTOM", authorizer="who"), rest_mock("GET /open")]
    authorizers = {"who": who("method.request.header.X-User")}
    gateway.deploy(
        rest_api(*routes, stage=staged("dev", principal=limit(2)), authorizers=authorizers), handlers={"who": answer}
    )

    async def statuses(path: str, *users: str) -> list[int]:
        return [(await ask(gateway, "GET", path, f"X-User: {user}")).status for user in users]

    assert await statuses("/", "ann", "ann", "ann", "bob") == [200, 200, 429, 200]
    # Nobody is asked there who is calling.
    assert await statuses("/open", *["ann"] * 5) == [200] * 5


# ---- noisy neighbours


TENANTS = [
    pytest.param(("/pets/dev/", "192.0.2.1", "one"), ("/web/dev/", "192.0.2.1", "one"), id="by API"),
    pytest.param(("/pets/dev/", "192.0.2.1", "one"), ("/pets/dev/", "192.0.2.2", "one"), id="by source address"),
    pytest.param(("/pets/dev/", "192.0.2.1", "one"), ("/pets/dev/", "192.0.2.2", "two"), id="by API key and source"),
]


@pytest.mark.parametrize(("noisy", "quiet"), TENANTS)
async def test_a_flood_of_one_tenant_is_refused_and_takes_nothing_from_another(
    make_gateway: MakeGateway, backend: Backend, noisy: tuple[str, ...], quiet: tuple[str, ...]
):
    """P-09: ten times what A may, and B is never refused."""
    gateway = await make_gateway(trust_forwarded=PROXIES)
    keyed = _with(rest_mock("GET /"), api_key_required=True)
    gateway.deploy(
        rest_api(keyed, stage=staged("dev", limit(60), source_ip=limit(20))), web(backend, "GET /", throttle=limit(20))
    )
    keys = [ApiKey(id=name, value=f"value-of-the-key-{name}") for name in ("one", "two")]
    plan = UsagePlan(id="p", stages=(PlanStage(api_id="pets", stage="dev"),), throttle=limit(20), keys=("one", "two"))
    gateway.app.admit_keys(keys, [plan])

    async def status(path: str, source: str, key: str) -> int:
        lines = (f"X-Forwarded-For: {source}", f"x-api-key: value-of-the-key-{key}", "Connection: close")
        sent = "\r\n".join((f"GET {path} HTTP/1.1", "Host: gateway.example", *lines)).encode() + b"\r\n\r\n"
        (response,) = split_responses(await talk(gateway.url, sent))
        return response.status

    if noisy[2] == quiet[2] and noisy[0] == quiet[0]:
        # The plan's throttle is the key's: with the key shared, only sources are told apart.
        gateway.app.admit_keys(keys, [msgspec.structs.replace(plan, throttle=None)])
    answers = [[await status(*noisy) for _ in range(10)] + [await status(*quiet)] for _ in range(20)]
    flood = [one for row in answers for one in row[:10]]
    assert (flood.count(200), flood.count(429)) == (20, 180)
    assert [row[10] for row in answers] == [200] * 20
