"""Revocation, and the end of a principal's connections: who is there is closed, who comes is refused, on all nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from tests.authorizers.sigv4_signing import HOST, KEY, sign
from tests.conftest import MakeGateway
from tests.harness.authorizers import authorizer, hello
from tests.harness.authorizers import call as request
from tests.harness.authorizers import guarded as requests_guarded
from tests.harness.gateway import TestGateway
from tests.harness.management import call, signed_call
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import RawWebSocket, Response, exchange
from tests.harness.redis_server import RedisServer
from tests.harness.rest_api import answers, rest_api
from tests.harness.rest_api import mock as rest_mock
from tests.harness.staying import PLACES, ROUTES, allowed, guarded, refused, serve, ticket_for, who
from tests.harness.until import until
from wsgw.authorizers.revoked import Revoked
from wsgw.caller import Caller, CallerKey, Principal
from wsgw.cli.stored_following import Stored
from wsgw.definitions.access import TokenPlaces
from wsgw.definitions.api import Protocol
from wsgw.definitions.route import Route
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan
from wsgw.edge.connection import Connection

REVOKED = (4401, "Revoked")


async def revoke(gateway: TestGateway, **document: Any) -> tuple[int, Any]:
    async with aiohttp.request("POST", f"{gateway.control}/revocations", json=document) as answer:
        return answer.status, await answer.json()


async def lift(gateway: TestGateway, kind: str, name: str) -> int:
    # As it is written: `%2F` is no slash.
    url = URL(f"{gateway.control}/revocations/{kind}/{name}", encoded=True)
    async with aiohttp.request("DELETE", url) as answer:
        return answer.status


async def listed(gateway: TestGateway) -> list[tuple[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.control}/revocations") as answer:
        return [(one["kind"], one["name"]) for one in (await answer.json())["revocations"]]


async def end(gateway: TestGateway, principal: str, stage: str = "/prod") -> Response:
    return await exchange(gateway.url, call(gateway, "DELETE", f"{stage}/@principals/{principal}"))


async def is_open(client: RawWebSocket) -> bool:
    await client.send_json({"action": "ping"})
    return bool(await client.receive_json() == {"pong": True})


# ---- the names


def caller(principal: Principal | None = None, key: str | None = None) -> Caller:
    one = Caller()
    one.principal, one.api_key = principal, None if key is None else CallerKey(key, "value")
    return one


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (caller(Principal("ada", {})), "principal/ada"),
        (caller(Principal("ada", {}, credential="accessKey/AKID")), "accessKey/AKID"),
        (caller(Principal("AIDA", {}, {"userArn": "arn:aws:iam::1:user/ada"})), "principal/arn:aws:iam::1:user/ada"),
        (caller(key="k1"), "apiKey/k1"),
    ],
)
def test_every_name_of_a_caller_can_be_revoked(of: Caller, name: str):
    now = 100.0
    revoked = Revoked(lambda: now)
    assert revoked.of(of) == ""
    revoked.until = {name: 200.0, "principal/else": 200.0}
    assert revoked.of(of) == name
    now = 200.0
    assert revoked.of(of) == ""


def test_a_principal_is_not_found_by_the_name_of_a_key():
    revoked = Revoked(lambda: 0)
    revoked.until = {"apiKey/ada": 1.0, "accessKey/ada": 1.0}
    assert revoked.of(caller(Principal("ada", {}))) == ""


# ---- one node


async def test_a_revoked_principals_connections_close_within_a_second_and_no_others(gateway: TestGateway):
    serve(gateway)
    hers, another = await gateway.connect("/prod?token=good"), await gateway.connect("/prod?token=hers")
    began = time.monotonic()
    status, answer = await revoke(gateway, principalId="ada")
    assert (status, answer["kind"], answer["name"], answer["until"]) == (200, "principal", "ada", None)
    assert await hers.receive_close() == REVOKED
    assert time.monotonic() - began < SLOWER
    assert await who(another) == "eve"


async def test_a_revoked_principal_is_not_let_in_again_until_it_is_lifted(gateway: TestGateway):
    serve(gateway)
    await revoke(gateway, principalId="ada")
    response = await refused(gateway, "/prod?token=good")
    assert response.status == 401
    assert response.body.startswith(b'{"message": "Unauthorized"')
    ticket = await ticket_for(gateway, "ada")
    assert (await refused(gateway, f"/prod?ticket={ticket}")).status == 401
    assert await lift(gateway, "principal", "ada") == 204
    assert await is_open(await gateway.connect("/prod?token=good"))


async def test_until_says_when_it_is_over(gateway: TestGateway):
    serve(gateway)
    ends = gateway.clock.wall_ms() / 1000 + 60
    await revoke(gateway, principalId="ada", until=ends)
    assert (await refused(gateway, "/prod?token=good")).status == 401
    gateway.advance(61)
    assert await listed(gateway) == []
    assert await is_open(await gateway.connect("/prod?token=good"))


async def test_what_is_revoked_can_be_read_and_lifted(gateway: TestGateway):
    serve(gateway)
    await revoke(gateway, principalId="a/b c")
    await revoke(gateway, apiKeyId="k1")
    assert await listed(gateway) == [("apiKey", "k1"), ("principal", "a/b c")]
    assert await lift(gateway, "principal", "a%2Fb%20c") == 204
    assert await lift(gateway, "principal", "a%2Fb%20c") == 404
    assert await lift(gateway, "user", "x") == 400
    assert await listed(gateway) == [("apiKey", "k1")]


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({}, "exactly one of principalId, accessKeyId, apiKeyId"),
        ({"principalId": "a", "apiKeyId": "b"}, "exactly one"),
        ({"principalId": ""}, "principalId: expected a text"),
        ({"principalId": 7}, "principalId: expected a text"),
        ({"principalId": "a", "until": "tomorrow"}, "until: expected seconds"),
        ({"principalId": "a", "until": True}, "until: expected seconds"),
        ({"principalId": "a", "until": 10**400}, "until: expected seconds"),
        ({"principalId": "a", "until": 1e12}, "until: expected seconds"),
        ({"principalId": "a", "until": 1_000_000_000}, "until: it has passed"),
        ({"principalId": "a", "until": 0}, "until: it has passed"),
        ({"principalId": "a", "for": 7}, "for: there is no such member"),
    ],
)
async def test_what_cannot_be_revoked_is_a_400_that_says_why(
    gateway: TestGateway, document: dict[str, Any], names: str
):
    status, answer = await revoke(gateway, **document)
    assert status == 400
    assert names in answer["message"]


async def test_a_page_in_a_browser_cannot_revoke(gateway: TestGateway):
    headers = {"Origin": "https://evil.example"}
    document = {"principalId": "a"}
    async with aiohttp.request("POST", f"{gateway.control}/revocations", json=document, headers=headers) as answer:
        assert answer.status == 403


async def test_a_handshake_under_way_when_its_principal_is_revoked_does_not_stay(gateway: TestGateway):
    authority = serve(gateway)
    held, begun = asyncio.Event(), asyncio.Event()

    async def slow(event: dict[str, Any], context: Any) -> Any:
        begun.set()
        await held.wait()
        return {"statusCode": 200}

    gateway.deploy(guarded(), handlers={**authority.handlers, "route": slow})
    connecting = asyncio.create_task(gateway.connect("/prod?token=good"))
    await begun.wait()
    await revoke(gateway, principalId="ada")
    held.set()
    assert await (await connecting).receive_close() == REVOKED


async def test_looking_at_many_connections_does_not_hold_the_loop(gateway: TestGateway):
    """20,000 of them: nobody waits longer than 10 ms for the loop."""
    serve(gateway)
    client = await gateway.connect("/prod?token=good")
    (real,) = gateway.connections
    node = gateway.app.node
    for number in range(20_000):
        one = Connection(node, real.slot, f"made-up-{number}")
        one.principal = Principal(f"p{number % 10}", {})
        node._connections[one.id] = one
    # Of this thread's own time: what else the machine does is not ours.
    longest, running = 0.0, True

    async def pulse() -> None:
        nonlocal longest
        before = time.thread_time()
        while running:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now

    pulsing = asyncio.create_task(pulse())
    await gateway.app.authority.revoke("principal", "p3")
    await until(lambda: sum(1 for one in node if one.principal and one.principal.id == "p3") == 0)
    running = False
    await pulsing
    assert longest < 0.010 * SLOWER
    assert len(node) == 18_001
    for one in list(node):
        if one.id.startswith("made-up"):
            node._connections.pop(one.id)
    node._closing.clear()
    assert await is_open(client)


async def test_however_many_principals_were_ended_a_connection_is_looked_at_as_quickly(gateway: TestGateway):
    """Backends end a user's connections whenever one signs out."""
    serve(gateway)
    await gateway.connect("/prod?token=good")
    (real,) = gateway.connections
    authority = gateway.app.authority
    for number in range(2_000):
        await authority.end_principal(f"signed-out-{number}")
    made = [Connection(gateway.app.node, real.slot, f"made-up-{number}") for number in range(5_000)]
    for number, one in enumerate(made):
        one.principal = Principal(f"p{number}", {})
    began = time.thread_time()
    assert not any(map(authority.verdict, made))
    assert time.thread_time() - began < 0.25 * SLOWER


# ---- keys


def signed_handshake(key: Any = KEY) -> list[tuple[str, str]]:
    request = sign("GET", "/prod", {}, b"", key=key, at=time.time())
    return [(name, value) for name, value in request.headers if name.lower() not in ("host", "content-length")]


def iam() -> tuple[Route, ...]:
    return (Route(key="$connect", integration=ROUTES[0].integration, authorization_type="AWS_IAM"), *ROUTES[1:])


async def signed_in(gateway: TestGateway) -> RawWebSocket:
    return await gateway.connect(headers=[("Host", HOST), *signed_handshake()])


async def test_a_revoked_access_key_closes_what_it_has_opened_and_signs_nothing_any_more(make_gateway: MakeGateway):
    gateway = await make_gateway(access_keys=(KEY,))
    serve(gateway, *iam())
    client = await signed_in(gateway)
    await revoke(gateway, accessKeyId=KEY.access_key_id)
    assert await client.receive_close() == REVOKED
    response = await refused(gateway, headers=[("Host", HOST), *signed_handshake()])
    assert response.status == 403
    # Nor does it manage connections.
    request = sign("POST", "/prod/@tickets", {}, b'{"principalId":"a"}', at=time.time())
    answer = await exchange(gateway.url, signed_call(request))
    assert (answer.status, answer.header("x-amzn-ErrorType")) == (403, "UnrecognizedClientException")


async def test_an_access_key_that_a_deployment_takes_away_closes_what_it_has_opened(make_gateway: MakeGateway):
    gateway = await make_gateway(access_keys=(KEY,), tokens=("another",))
    serve(gateway, *iam())
    client = await signed_in(gateway)
    gateway.app.admit((KEY,), ("another",))
    assert await is_open(client)
    gateway.app.admit((), ("another",))
    assert await client.receive_close() == REVOKED


async def keyed(gateway: TestGateway) -> RawWebSocket:
    """A connection that was opened with the API key k1."""
    connect = Route(key="$connect", integration=ROUTES[0].integration, api_key_required=True)
    admit(gateway)
    serve(gateway, connect, *ROUTES[1:], tokens=TokenPlaces())
    return await gateway.connect(headers=[("x-api-key", "v" * 20)])


def admit(gateway: TestGateway, **members: Any) -> None:
    key = ApiKey(id="k1", value="v" * 20, **members)
    plan = UsagePlan(id="p", stages=(PlanStage(api_id="chat", stage="prod"),), keys=("k1",))
    gateway.app.admit_keys((key,), (plan,))


async def test_a_revoked_api_key_closes_what_it_has_opened_and_is_forbidden(gateway: TestGateway):
    client = await keyed(gateway)
    await revoke(gateway, apiKeyId="k1")
    assert await client.receive_close() == REVOKED
    assert (await refused(gateway, headers=[("x-api-key", "v" * 20)])).status == 403
    assert await lift(gateway, "apiKey", "k1") == 204
    await gateway.connect(headers=[("x-api-key", "v" * 20)])


@pytest.mark.parametrize("how", ["disabled", "removed"])
async def test_an_api_key_that_is_disabled_or_removed_closes_what_it_has_opened(gateway: TestGateway, how: str):
    client = await keyed(gateway)
    admit(gateway)
    if how == "disabled":
        admit(gateway, enabled=False)
    else:
        gateway.app.admit_keys((), ())
    assert await client.receive_close() == REVOKED


# ---- requests to HTTP and REST APIs


@pytest.mark.parametrize("protocol", ["HTTP", "REST"])
async def test_a_revoked_principal_is_unauthorized_at_once_though_its_result_is_kept(
    gateway: TestGateway, protocol: Protocol
):
    one = authorizer(protocol, "authorize", called="PYTHON", payload_format_version="1.0")

    async def authorize(event: dict[str, Any], context: Any) -> Any:
        return allowed("ada")

    gateway.deploy(requests_guarded(one, protocol), handlers={"authorize": authorize, "hello": hello})
    assert (await request(gateway, protocol, "X-Token: t")).status == 200
    await revoke(gateway, principalId="ada")
    refusal = await request(gateway, protocol, "X-Token: t")
    assert (refusal.status, refusal.message) == (401, "Unauthorized")
    await lift(gateway, "principal", "ada")
    assert (await request(gateway, protocol, "X-Token: t")).status == 200


async def test_a_revoked_access_key_is_an_unrecognized_client_of_a_rest_api(make_gateway: MakeGateway):
    gateway = await make_gateway(access_keys=(KEY,))
    signed = msgspec.structs.replace(rest_mock("GET /a", answers(template="yes")), authorization_type="AWS_IAM")
    gateway.deploy(rest_api(signed))

    async def get() -> Response:
        sent = sign("GET", "/dev/a", {}, b"", at=time.time())
        return await exchange(gateway.url, signed_call(sent))

    first = await get()
    await revoke(gateway, accessKeyId=KEY.access_key_id)
    refusal = await get()
    assert first.status == 200
    assert (refusal.status, refusal.header("x-amzn-ErrorType")) == (403, "UnrecognizedClientException")


# ---- the end of a principal's connections


async def test_delete_of_a_principal_ends_its_connections_as_delete_of_a_connection_does(gateway: TestGateway):
    serve(gateway)
    first, second = [await gateway.connect("/prod?token=good") for _ in range(2)]
    another = await gateway.connect("/prod?token=hers")
    response = await end(gateway, "ada")
    assert (response.status, response.body) == (202, b"{}")
    for client in (first, second):
        assert await client.receive_close() == (1000, "Connection Closed Normally")
    assert await who(another) == "eve"


async def test_it_may_come_back_at_once(gateway: TestGateway):
    """It is no revocation."""
    serve(gateway)
    first = await gateway.connect("/prod?token=good")
    await end(gateway, "ada")
    await first.receive_close()
    second = await gateway.connect("/prod?token=good")
    gateway.app.authority.look()
    assert await is_open(second)
    # And again.
    await end(gateway, "ada")
    assert await second.receive_close() == (1000, "Connection Closed Normally")


async def test_it_is_of_one_api_and_stage(gateway: TestGateway):
    authority = serve(gateway)
    gateway.deploy(guarded(), guarded(id="other"), handlers=authority.handlers)
    here, there = await gateway.connect("/chat/prod?token=good"), await gateway.connect("/other/prod?token=good")
    await end(gateway, "ada", "/chat/prod")
    assert (await here.receive_close())[0] == 1000
    assert await is_open(there)


async def test_a_principal_with_any_name_can_be_named(gateway: TestGateway):
    authority = serve(gateway)
    authority.tokens["good"] = allowed("auth0|ada/b ä")
    client = await gateway.connect("/prod?token=good")
    await end(gateway, "auth0%7Cada%2Fb%20%C3%A4")
    assert (await client.receive_close())[0] == 1000


async def test_who_may_not_manage_connections_ends_none(make_gateway: MakeGateway):
    gateway = await make_gateway(tokens=("secret",))
    serve(gateway)
    client = await gateway.connect("/prod?token=good")
    assert (await end(gateway, "ada")).status == 403
    assert await is_open(client)


async def test_the_control_port_ends_them_too_of_one_stage_or_of_all(gateway: TestGateway):
    serve(gateway)
    client = await gateway.connect("/prod?token=good")
    async with aiohttp.ClientSession() as session:
        async with session.delete(f"{gateway.control}/principals/ada?api=chat&stage=dev") as answer:
            assert answer.status == 202
        async with session.delete(f"{gateway.control}/principals/ada?api=chat") as answer:
            assert answer.status == 400
        assert await is_open(client)
        async with session.delete(f"{gateway.control}/principals/ada") as answer:
            assert answer.status == 202
    assert (await client.receive_close())[0] == 1000


# ---- all nodes


Pair = tuple[TestGateway, TestGateway]


@pytest.fixture
async def pair(make_gateway: MakeGateway, redis: RedisServer) -> Pair:
    """Two nodes that share a Redis."""
    first, second = [await make_gateway(redis=redis.url, redis_seconds=1) for _ in range(2)]
    serve(first)
    serve(second)
    return first, second


async def within_a_second(of: Awaitable[tuple[int, str]]) -> tuple[int, str]:
    return await asyncio.wait_for(of, SLOWER)


async def test_a_revocation_closes_the_principals_connections_on_every_node(pair: Pair):
    first, second = pair
    client = await second.connect("/prod?token=good")
    await revoke(first, principalId="ada")
    assert await within_a_second(client.receive_close()) == REVOKED
    assert (await refused(second, "/prod?token=good")).status == 401
    assert await listed(second) == [("principal", "ada")]
    assert await lift(second, "principal", "ada") == 204
    await until(lambda: not first.app.access.revoked.until)
    await first.connect("/prod?token=good")


async def test_delete_of_a_principal_ends_its_connections_on_every_node(pair: Pair):
    first, second = pair
    client = await second.connect("/prod?token=good")
    assert (await end(first, "ada")).status == 202
    assert (await within_a_second(client.receive_close()))[0] == 1000
    assert await is_open(await second.connect("/prod?token=good"))


async def test_a_lost_announcement_costs_a_second(pair: Pair):
    first, second = pair
    client = await second.connect("/prod?token=good")
    first.app._stores.bus.announce = lambda topic: None  # type: ignore[union-attr, method-assign]
    first.app.authority._announce = lambda topic: None
    await revoke(first, principalId="ada")
    assert await client.receive_close() == REVOKED


async def test_a_node_that_starts_later_knows_what_is_revoked(pair: Pair, make_gateway: MakeGateway):
    first, _ = pair
    await revoke(first, principalId="ada")
    third = await make_gateway(redis=first.settings.redis, redis_seconds=1)
    serve(third)
    assert (await refused(third, "/prod?token=good")).status == 401


async def test_without_the_store_nothing_is_revoked_and_the_answer_says_so(
    make_gateway: MakeGateway, own_redis: RedisServer
):
    """An answer never claims more than happened."""
    gateway = await make_gateway(redis=own_redis.url)
    serve(gateway)
    client = await gateway.connect("/prod?token=good")
    await own_redis.kill()
    status, answer = await revoke(gateway, principalId="ada")
    assert status == 503
    assert "Nothing was changed" in answer["message"]
    assert await is_open(client)
    response = await end(gateway, "ada")
    assert response.status == 503


async def test_what_was_revoked_stays_so_when_the_store_is_emptied(pair: Pair, redis: RedisServer):
    first, second = pair
    await revoke(first, principalId="ada")
    await until(lambda: second.app.access.revoked.until)
    await redis.flush()
    for one in pair:
        await one.app.authority._read(one.app.documents)  # type: ignore[arg-type]
        assert one.app.access.revoked.has("principal/ada")


async def test_what_an_emptied_store_has_lost_is_stored_again(pair: Pair, redis: RedisServer):
    first, second = pair
    await revoke(first, principalId="ada")
    await until(lambda: second.app.access.revoked.until)
    await redis.flush()
    # The same revision as before, and nobody says a word: all is read again some seconds later.
    await revoke(first, principalId="eve")
    await second.app.authority._read(second.app.documents)  # type: ignore[arg-type]
    stored = await second.app.documents.all("revocation")  # type: ignore[union-attr]
    assert set(stored) == {"principal/ada", "principal/eve"}


async def test_who_was_cut_off_while_it_was_lifted_does_not_store_it_again(pair: Pair):
    first, second = pair
    await revoke(first, principalId="ada")
    await until(lambda: second.app.access.revoked.until)
    await second.app.authority.close()
    assert await lift(first, "principal", "ada") == 204
    assert await lift(first, "principal", "ada") == 404
    assert second.app.access.revoked.has("principal/ada")
    await second.app.authority._read(second.app.documents)  # type: ignore[arg-type]
    assert [await listed(one) for one in pair] == [[], []]
    await second.connect("/prod?token=good")


async def test_what_has_been_over_for_a_day_is_not_kept(make_gateway: MakeGateway, redis: RedisServer):
    gateway = await make_gateway(redis=redis.url, redis_seconds=1)
    serve(gateway)
    now = gateway.app.access.now()
    await revoke(gateway, principalId="lifted")
    await lift(gateway, "principal", "lifted")
    await revoke(gateway, principalId="over", until=now + 10)
    await revoke(gateway, principalId="in force", until=now + 200_000)
    for seconds, kept in ((80_000, 4), (10_000, 2)):
        gateway.clock.added += seconds
        await revoke(gateway, principalId="another", until=now + 200_000)
        assert len(await gateway.app.documents.all("revocation")) == kept  # type: ignore[union-attr]
    assert [name for _, name in await listed(gateway)] == ["another", "in force"]


async def test_what_was_revoked_survives_a_restart(make_gateway: MakeGateway, tmp_path: Any):
    first = await make_gateway(data=str(tmp_path))
    serve(first)
    await revoke(first, principalId="ada")
    await first.stop()
    second = await make_gateway(data=str(tmp_path))
    serve(second)
    assert (await refused(second, "/prod?token=good")).status == 401
    assert PLACES.query == "token"


async def test_revoking_does_not_deploy_anything_anew(pair: Pair, redis: RedisServer):
    """What is revoked is stored beside definitions, and counts up the same revision."""
    first, _ = pair
    stored = Stored(first.settings)
    await stored.begin()
    deployed: list[int] = []
    following = asyncio.create_task(stored.follow(first.app.documents, lambda: deployed.append(1)))  # type: ignore[arg-type]
    await revoke(first, principalId="ada")
    stored.announced("")
    await asyncio.sleep(0.3)
    following.cancel()
    assert deployed == []
