"""One-time connect tickets, from the order over the management API to the handshake. S-16: nobody uses one twice."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from tests.authorizers.sigv4_signing import KEY, altered, sign
from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, route
from tests.harness.management import call, signed_call
from tests.harness.raw_websocket import HandshakeRefused, exchange
from tests.harness.redis_server import RedisServer
from tests.harness.staying import CALLED, ROUTES, guarded, order, refused, serve, ticket_for, who
from wsgw.definitions.access import AccessKey, TokenPlaces
from wsgw.definitions.api import StageLimits
from wsgw.edge.tickets import Tickets
from wsgw.errors import BadRequest, ServiceUnavailable, StoreUnavailable, Unauthorized
from wsgw.stores.memory_cache import MemoryCache

NOW = 1_800_000_000.0


class At:
    """Tickets at a time that the test sets."""

    def __init__(self) -> None:
        self.now = NOW
        self.cache = MemoryCache(lambda: self.now)
        self.tickets = Tickets(self.cache, lambda: self.now)

    async def issue(self, stage: str = "prod", **members: Any) -> str:
        body = json.dumps({"principalId": "ada", **members}).encode()
        return (await self.tickets.issue("chat", stage, body)).ticket


# ---- the parts


async def test_a_ticket_stands_for_what_was_ordered():
    at = At()
    context = {"tenant": "t1", "level": 7, "admin": True, "share": 0.5}
    ticket = await at.issue(context=context, expiresAt=NOW + 100, usageIdentifierKey="k")
    principal = await at.tickets.redeem("chat", "prod", ticket)
    assert (principal.id, principal.kind) == ("ada", "TICKET")
    assert principal.context == {"tenant": "t1", "level": "7", "admin": "true", "share": "0.5"}
    assert principal.values == context
    assert (principal.expires, principal.usage_key, principal.grants) == (NOW + 100, "k", None)


async def test_it_is_good_for_half_a_minute_or_as_long_as_was_ordered():
    at = At()
    body = b'{"principalId":"ada"}'
    assert (await at.tickets.issue("chat", "prod", body)).expires_at == NOW + 30
    body = b'{"principalId":"ada","ttlSeconds":300}'
    assert (await at.tickets.issue("chat", "prod", body)).expires_at == NOW + 300


@pytest.mark.parametrize(("after", "good"), [(0, True), (29.9, True), (30, False), (31, False)])
async def test_it_ends(after: float, good: bool):
    at = At()
    ticket = await at.issue()
    at.now += after
    if good:
        assert (await at.tickets.redeem("chat", "prod", ticket)).id == "ada"
        return
    with pytest.raises(Unauthorized):
        await at.tickets.redeem("chat", "prod", ticket)


async def test_it_ends_by_our_clock_also_where_the_store_keeps_it_longer():
    at = At()
    ticket = await at.issue()
    at.cache._now = lambda: 0.0
    at.now += 31
    with pytest.raises(Unauthorized) as refusal:
        await at.tickets.redeem("chat", "prod", ticket)
    assert refusal.value.detail == "ticket_expired"


async def test_of_many_who_show_the_same_one_gets_in():
    """S-16."""
    at = At()
    ticket = await at.issue()
    outcomes = await asyncio.gather(
        *(at.tickets.redeem("chat", "prod", ticket) for _ in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(one, Unauthorized) for one in outcomes) == 1


@pytest.mark.parametrize(
    ("api_id", "stage", "altered"),
    [
        pytest.param("other", "prod", lambda ticket: ticket, id="another-api"),
        pytest.param("chat", "dev", lambda ticket: ticket, id="another-stage"),
        pytest.param("chat", "prod", lambda ticket: ticket[:-1], id="cut-off"),
        pytest.param("chat", "prod", lambda ticket: ticket + "A", id="longer"),
        pytest.param("chat", "prod", lambda ticket: ticket.swapcase(), id="another-case"),
        pytest.param("chat", "prod", lambda ticket: "guess", id="made-up"),
    ],
)
async def test_a_ticket_of_somewhere_else_or_tampered_with_is_unknown(api_id: str, stage: str, altered: Any):
    """S-16. The true one is still good afterwards."""
    at = At()
    ticket = await at.issue()
    with pytest.raises(Unauthorized):
        await at.tickets.redeem(api_id, stage, altered(ticket))
    assert (await at.tickets.redeem("chat", "prod", ticket)).id == "ada"


async def test_who_reads_the_store_learns_no_ticket():
    at = At()
    ticket = await at.issue()
    assert ticket not in repr(at.cache._entries)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        pytest.param(b"", "Invalid request body", id="empty"),
        pytest.param(b"{", "Invalid request body", id="no-json"),
        pytest.param(b"[]", "Expected `object`", id="no-object"),
        pytest.param(b"{}", "principalId", id="no-principal"),
        pytest.param(b'{"principalId":""}', "principalId", id="empty-principal"),
        pytest.param(b'{"principalId":7}', "principalId", id="principal-a-number"),
        pytest.param(b'{"principalId":"a","ttlSeconds":0}', "ttlSeconds", id="ttl-0"),
        pytest.param(b'{"principalId":"a","ttlSeconds":301}', "ttlSeconds", id="ttl-301"),
        pytest.param(b'{"principalId":"a","ttlSeconds":"30"}', "ttlSeconds", id="ttl-text"),
        pytest.param(b'{"principalId":"a","context":{"x":{}}}', "context", id="context-object"),
        pytest.param(b'{"principalId":"a","context":{"x":null}}', "context", id="context-null"),
        pytest.param(b'{"principalId":"a","expiresAt":1}', "expiresAt", id="principal-over"),
        pytest.param(b'{"principalId":"a","expiresAt":1e300}', "expiresAt", id="principal-beyond-time"),
        pytest.param(b'{"principalId":"a","expires":1}', "expires", id="unknown-member"),
        pytest.param(
            json.dumps({"principalId": "a", "context": {"x": "y" * 9_000}}).encode(), "8192", id="context-large"
        ),
        pytest.param(b'{"principalId":"\xff"}', "Invalid request body", id="not-utf-8"),
    ],
)
async def test_a_bad_order_says_what_is_wrong(body: bytes, names: str):
    with pytest.raises(BadRequest) as refusal:
        await At().tickets.issue("chat", "prod", body)
    assert names in refusal.value.message


async def test_without_the_store_nobody_gets_a_ticket_or_in_by_one():
    class Away(MemoryCache):
        async def put(self, *_: Any) -> None:
            raise StoreUnavailable("cache")

        async def take(self, *_: Any) -> bytes | None:
            raise StoreUnavailable("cache")

    tickets = Tickets(Away(), lambda: NOW)
    with pytest.raises(ServiceUnavailable):
        await tickets.issue("chat", "prod", b'{"principalId":"a"}')
    with pytest.raises(ServiceUnavailable):
        await tickets.redeem("chat", "prod", "x")


async def test_an_entry_that_cannot_be_read_lets_nobody_in():
    at = At()
    ticket = await at.issue()
    ((name, (_, until)),) = at.cache._entries.items()
    at.cache._entries[name] = (b"garbage", until)
    with pytest.raises(Unauthorized):
        await at.tickets.redeem("chat", "prod", ticket)


# ---- over sockets


async def test_a_handshake_with_a_ticket_is_its_principals_and_no_authorizer_is_asked(gateway: TestGateway):
    authority = serve(gateway)
    ticket = await ticket_for(gateway, "grace", context={"tenant": "t1"})
    client = await gateway.connect(f"/prod?room=1&ticket={ticket}")
    assert await who(client) == "grace"
    assert authority.asked == []
    (event,) = authority.events
    assert event["requestContext"]["authorizer"].items() >= {"principalId": "grace", "tenant": "t1"}.items()
    assert event["queryStringParameters"] == {"room": "1"}
    assert ticket not in json.dumps(event)


async def test_a_ticket_is_good_once(gateway: TestGateway):
    """S-16."""
    serve(gateway)
    ticket = await ticket_for(gateway, "grace")
    await gateway.connect(f"/prod?ticket={ticket}")
    response = await refused(gateway, f"/prod?ticket={ticket}")
    assert response.status == 401
    assert response.body.startswith(b'{"message": "Unauthorized"')


async def test_of_a_hundred_handshakes_with_one_ticket_one_gets_in(gateway: TestGateway):
    """S-16: at once, over sockets."""
    authority = serve(gateway)
    ticket = await ticket_for(gateway, "grace")
    outcomes = await asyncio.gather(
        *(gateway.connect(f"/prod?ticket={ticket}") for _ in range(100)), return_exceptions=True
    )
    refusals = [one for one in outcomes if isinstance(one, HandshakeRefused)]
    assert len(refusals) == 99
    assert {one.response.status for one in refusals} == {401}
    assert len(authority.events) == len(gateway.connections) == 1


async def test_a_ticket_is_of_one_api_and_stage(gateway: TestGateway):
    """S-16."""
    authority = serve(gateway)
    gateway.deploy(guarded(), guarded(id="other"), handlers=authority.handlers)
    ticket = await ticket_for(gateway, "grace", stage="/chat/prod")
    assert (await refused(gateway, f"/other/prod?ticket={ticket}")).status == 401
    await gateway.connect(f"/chat/prod?ticket={ticket}")


async def test_an_expired_ticket_is_401(gateway: TestGateway):
    serve(gateway)
    ticket = await ticket_for(gateway, "grace", ttlSeconds=5)
    gateway.advance(6)
    assert (await refused(gateway, f"/prod?ticket={ticket}")).status == 401


async def test_without_an_authorizer_a_ticket_is_wanted(gateway: TestGateway):
    """Whoever has tickets made does not want others let in."""
    authority = serve(gateway, route("$connect", CALLED), *ROUTES[1:], tokens=TokenPlaces(ticket="t"))
    assert (await refused(gateway)).status == 401
    assert authority.events == []
    ticket = await ticket_for(gateway, "grace")
    await gateway.connect(f"/prod?t={ticket}")


async def test_without_a_connect_route_a_ticket_is_wanted_too(gateway: TestGateway):
    serve(gateway, *ROUTES[1:], tokens=TokenPlaces(ticket="t"))
    assert (await refused(gateway)).status == 401
    client = await gateway.connect(f"/prod?t={await ticket_for(gateway, 'grace')}")
    assert await who(client) == "grace"


async def test_a_throttled_handshake_leaves_its_ticket_good(gateway: TestGateway):
    gateway.clock.stand_still()
    serve(gateway, limits=StageLimits(new_connections_per_second=1, new_connections_burst=1))
    first, second = await ticket_for(gateway, "a"), await ticket_for(gateway, "b")
    await gateway.connect(f"/prod?ticket={first}")
    assert (await refused(gateway, f"/prod?ticket={second}")).status == 429
    gateway.advance(2)
    await gateway.connect(f"/prod?ticket={second}")


async def test_a_stage_that_takes_no_tickets_issues_none(gateway: TestGateway):
    serve(gateway, tokens=TokenPlaces(query="token"))
    response = await order(gateway, {"principalId": "a"})
    assert (response.status, response.header("x-amzn-ErrorType")) == (404, "NotFoundException")
    assert b"x-wsgw.tokens.ticket" in response.body


async def test_a_bad_order_is_a_400_that_repeats_nothing(gateway: TestGateway):
    serve(gateway)
    response = await order(gateway, {"principalId": "a", "ttlSeconds": 301, "context": {"x": "canary"}})
    assert response.status == 400
    assert b"ttlSeconds" in response.body
    assert b"canary" not in response.body


async def test_an_issued_ticket_is_not_to_be_stored(gateway: TestGateway):
    serve(gateway)
    response = await order(gateway, {"principalId": "a"})
    assert set(json.loads(response.body)) == {"ticket", "expiresAt"}
    assert response.header("Cache-Control") == "no-store"


# ---- who may order them


async def signed_order(gateway: TestGateway, tamper: Any = None) -> tuple[int, bytes]:
    request = sign("POST", "/prod/@tickets", body=b'{"principalId":"a"}', at=time.time())
    response = await exchange(gateway.url, signed_call(tamper(request) if tamper else request))
    return response.status, response.body


async def test_a_signed_order_is_taken_and_a_manipulated_one_is_not(make_gateway: MakeGateway):
    gateway = await make_gateway(access_keys=(KEY,))
    serve(gateway)
    assert (await signed_order(gateway))[0] == 200
    assert (await signed_order(gateway, lambda one: altered(one, body=b'{"principalId":"b"}')))[0] == 403
    assert (await order(gateway, {"principalId": "a"})).status == 403


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        pytest.param("arn:aws:execute-api:*:*:chat/prod/POST/@connections/*", 403, id="who-may-only-push"),
        pytest.param("arn:aws:execute-api:*:*:chat/prod/POST/@tickets", 200, id="who-may-have-tickets"),
        pytest.param("arn:aws:execute-api:*:*:chat/*", 200, id="who-may-everything"),
    ],
)
async def test_a_policy_that_allows_pushes_allows_no_tickets(make_gateway: MakeGateway, resource: str, status: int):
    statement = {"Effect": "Allow", "Action": "execute-api:ManageConnections", "Resource": resource}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    key = AccessKey(access_key_id=KEY.access_key_id, secret=KEY.secret, policies=(policy,))
    gateway = await make_gateway(access_keys=(key,))
    serve(gateway)
    assert (await signed_order(gateway))[0] == status


async def test_a_management_token_may(make_gateway: MakeGateway):
    gateway = await make_gateway(tokens=("secret",))
    serve(gateway)
    assert (await order(gateway, {"principalId": "a"})).status == 403
    assert (await order(gateway, {"principalId": "a"}, headers=[("Authorization", "Bearer secret")])).status == 200


async def test_any_other_method_is_forbidden(gateway: TestGateway):
    serve(gateway)
    for method in ("GET", "DELETE", "PUT"):
        response = await exchange(gateway.url, call(gateway, method, "/prod/@tickets"))
        assert response.status == 403


async def test_a_ticket_issued_on_one_node_is_good_once_over_all_of_them(make_gateway: MakeGateway, redis: RedisServer):
    """S-16, over a cluster."""
    first, second = [await make_gateway(redis=redis.url, redis_seconds=1) for _ in range(2)]
    serve(first)
    serve(second)
    ticket = await ticket_for(first, "grace")
    outcomes = await asyncio.gather(
        *(node.connect(f"/prod?ticket={ticket}") for node in (first, second, first, second)), return_exceptions=True
    )
    assert sum(isinstance(one, HandshakeRefused) for one in outcomes) == 3
