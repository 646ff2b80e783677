"""Tokens that end while their connection is open: ignored as on the service, closed with 4401, or refreshed in band."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, route
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from tests.harness.staying import CALLED, CONNECT, ROUTES, WHO, Authority, allowed, guarded, serve, ticket_for, who
from tests.harness.token_issuer import TokenIssuer
from tests.harness.until import until
from wsgw.definitions.access import TokenPlaces
from wsgw.definitions.authorizer import Authorizer
from wsgw.errors import DefinitionError

TOKENS = TokenPlaces(query="token", ticket="ticket")


class Ending:
    """A connection whose token ends `seconds` from its handshake, on a stage that does `what` then."""

    def __init__(self, gateway: TestGateway, what: str, seconds: float = 300, **stage: Any) -> None:
        gateway.clock.stand_still()
        self.gateway = gateway
        self.authority: Authority = serve(gateway, tokens=TOKENS, token_expiry=what, **stage)
        self.know("good", "ada", seconds)

    def know(self, token: str, principal: str, seconds: float, **context: str) -> float:
        """Have the authorizer know `token`; gives when it ends."""
        expires = int(self.gateway.clock.wall_ms() / 1000 + seconds)
        self.authority.tokens[token] = allowed(principal, expiresAt=expires, context=context)
        return expires

    async def connect(self) -> RawWebSocket:
        return await self.gateway.connect("/prod?token=good")

    async def asked(self, client: RawWebSocket, seconds: float = 245) -> dict[str, Any]:
        self.gateway.advance(seconds)
        frame: dict[str, Any] = await client.receive_json()
        assert frame["event"] == "wsgw.refresh"
        return frame


async def answer(client: RawWebSocket, token: str = "new", **members: Any) -> None:
    await client.send_json({"event": "wsgw.refresh", "token": token, **members})


async def test_a_token_that_has_ended_means_nothing_to_a_stage_that_ignores_it(gateway: TestGateway):
    """As on the service: nothing is looked at again after the handshake."""
    client = await Ending(gateway, "IGNORE").connect()
    gateway.advance(400)
    assert await who(client) == "ada"


async def test_close_ends_the_connection_when_its_token_does(gateway: TestGateway):
    client = await Ending(gateway, "CLOSE").connect()
    gateway.advance(297)
    assert await who(client) == "ada"
    gateway.advance(4)
    assert await client.receive_close() == (4401, "Token expired")


async def test_disconnect_says_why(gateway: TestGateway):
    one = Ending(gateway, "CLOSE")
    client = await one.connect()
    gateway.advance(301)
    await client.receive_close()
    await client.drop()
    await until(lambda: any(event["requestContext"]["eventType"] == "DISCONNECT" for event in one.authority.events))
    context = one.authority.events[-1]["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (4401, "Token expired")


@pytest.mark.parametrize("what", ["CLOSE", "REFRESH"])
async def test_a_principal_without_an_end_stays(gateway: TestGateway, what: str):
    one = Ending(gateway, what)
    one.authority.tokens["good"] = allowed("ada")
    client = await one.connect()
    gateway.advance(500)
    assert await who(client) == "ada"


@pytest.mark.parametrize("what", ["CLOSE", "REFRESH"])
async def test_a_ticket_may_end_its_principal(gateway: TestGateway, what: str):
    Ending(gateway, what)
    ticket = await ticket_for(gateway, "grace", expiresAt=gateway.clock.wall_ms() / 1000 + 100)
    client = await gateway.connect(f"/prod?ticket={ticket}")
    gateway.advance(102)
    assert await client.receive_close() == (4401, "Token expired")


async def test_the_wall_clock_counts_when_it_is_set(gateway: TestGateway):
    """A token ends at an hour, not after a while: it is looked at every minute, however the clock was set."""
    client = await Ending(gateway, "CLOSE", 3_600).connect()
    wall = gateway.app.node.wall_ms
    gateway.app.node.wall_ms = lambda: wall() + 3_600_000
    gateway.advance(61)
    assert await client.receive_close() == (4401, "Token expired")


async def test_refresh_asks_a_minute_before_the_end(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    gateway.advance(235)
    assert await who(client) == "ada"
    frame = await one.asked(client, 10)
    (connection,) = gateway.connections
    expires = one.authority.tokens["good"]["expiresAt"]
    assert frame == {"event": "wsgw.refresh", "expiresAt": expires, "connectionId": connection.id}


async def test_how_long_before_is_a_setting(make_gateway: MakeGateway):
    gateway = await make_gateway(token_refresh_seconds=10)
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    gateway.advance(285)
    assert await who(client) == "ada"
    await one.asked(client, 6)


async def test_another_token_keeps_the_connection_open(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    await one.asked(client)
    expires = one.know("new", "ada", 600, tenant="t2")
    await answer(client)
    assert await client.receive_json() == {"event": "wsgw.refreshed", "expiresAt": expires}
    gateway.advance(100)
    assert await who(client) == "ada"
    # Neither token nor question has reached a route: only `$connect` was called.
    assert [event["requestContext"]["routeKey"] for event in one.authority.events] == ["$connect"]
    # What events say from now on is what the other token says.
    await client.send_text("hello")
    await client.receive()
    assert one.authority.events[-1]["requestContext"]["authorizer"]["tenant"] == "t2"
    # And it is asked again before that one ends.
    await one.asked(client, 445)


async def test_the_authorizer_is_asked_as_on_connect_with_the_token_in_its_place(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    await one.asked(client)
    one.know("new", "ada", 900)
    await answer(client)
    await client.receive_json()
    first, again = one.authority.asked
    assert again["headers"]["Authorization"] == "Bearer new"
    assert again["methodArn"] == first["methodArn"]
    assert again["requestContext"]["connectionId"] == first["requestContext"]["connectionId"]
    assert again["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"


async def test_none_in_time_ends_it(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    await one.asked(client)
    gateway.advance(60)
    assert await client.receive_close() == (4401, "Token expired")


WRONG = [
    pytest.param({"token": "unknown"}, id="unknown"),
    pytest.param({"token": "hers"}, id="of-another-principal"),
    pytest.param({"token": "denied"}, id="that-policies-deny"),
    pytest.param({"token": "over"}, id="that-has-ended"),
    pytest.param({"token": ""}, id="empty"),
    pytest.param({"token": 7}, id="a-number"),
    pytest.param({"token": "a\r\nb"}, id="two-lines"),
    pytest.param({}, id="missing"),
    pytest.param({"ticket": "unknown"}, id="an-unknown-ticket"),
]


@pytest.mark.parametrize("members", WRONG)
async def test_a_wrong_one_ends_it(gateway: TestGateway, caplog: pytest.LogCaptureFixture, members: dict[str, Any]):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    await one.asked(client)
    one.know("hers", "eve", 900)
    one.know("over", "ada", -1)
    one.authority.tokens["denied"] = {**allowed("ada", "arn:aws:execute-api:*:*:other/*"), "expiresAt": 4e9}
    with caplog.at_level(logging.WARNING, "wsgw.reasons"):
        await client.send_json({"event": "wsgw.refresh", **members})
        assert await client.receive_close() == (4401, "Token refused")
    assert "token refresh: " in caplog.text


async def test_a_ticket_of_the_same_principal_will_do(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    await one.asked(client)
    expires = int(gateway.clock.wall_ms() / 1000) + 900
    ticket = await ticket_for(gateway, "ada", expiresAt=expires)
    await client.send_json({"event": "wsgw.refresh", "ticket": ticket})
    assert await client.receive_json() == {"event": "wsgw.refreshed", "expiresAt": expires}


async def test_tickets_alone_can_be_refreshed(gateway: TestGateway):
    """No authorizer at all."""
    serve(gateway, route("$connect", CALLED), *ROUTES[1:], tokens=TokenPlaces(ticket="ticket"), token_expiry="REFRESH")
    ends = int(gateway.clock.wall_ms() / 1000) + 100
    client = await gateway.connect(f"/prod?ticket={await ticket_for(gateway, 'grace', expiresAt=ends)}")
    gateway.advance(50)
    assert (await client.receive_json())["event"] == "wsgw.refresh"
    ticket = await ticket_for(gateway, "grace", expiresAt=ends + 100)
    await client.send_json({"event": "wsgw.refresh", "ticket": ticket})
    assert (await client.receive_json())["expiresAt"] == ends + 100


async def test_an_authorizer_that_fails_may_be_tried_again_until_the_end(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    await one.asked(client)
    one.authority.tokens["new"] = {"raises": "the database is away"}
    await answer(client)
    assert (await client.receive_json())["message"] == "Internal server error"
    one.know("new", "ada", 900)
    await answer(client)
    assert (await client.receive_json())["event"] == "wsgw.refreshed"


async def test_the_same_token_again_keeps_what_stands_and_is_not_asked_for_once_more(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    frame = await one.asked(client)
    await answer(client, "good")
    assert await client.receive_json() == {"event": "wsgw.refreshed", "expiresAt": frame["expiresAt"]}
    gateway.advance(1)
    assert await who(client) == "ada"
    gateway.advance(60)
    assert await client.receive_close() == (4401, "Token expired")


async def test_who_was_not_asked_is_told_how_it_stands_and_nobody_is_called(gateway: TestGateway):
    """Looking at a token may cost a function's call: nobody makes us by sending."""
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    for _ in range(5):
        await answer(client, "anything")
        frame = await client.receive_json()
        assert frame == {"event": "wsgw.refreshed", "expiresAt": one.authority.tokens["good"]["expiresAt"]}
    assert len(one.authority.asked) == 1


async def test_an_answer_does_not_wait_for_the_messages_before_it(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    held = asyncio.Event()

    async def slow(event: dict[str, Any], context: Any) -> Any:
        await held.wait()
        return {"statusCode": 200}

    handlers = {**one.authority.handlers, "route": slow}
    gateway.deploy(guarded(tokens=TOKENS, token_expiry="REFRESH"), handlers=handlers)
    await client.send_text("one that takes long")
    await one.asked(client)
    one.know("new", "ada", 900)
    await answer(client)
    assert (await client.receive_json())["event"] == "wsgw.refreshed"
    held.set()


async def test_other_messages_that_speak_of_it_are_messages(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    for text in ('{"action":"x","said":"wsgw.refresh"}', 'not json "wsgw.refresh"', '["wsgw.refresh"]'):
        await client.send_text(text)
        assert json.loads(await client.receive_text()) == text


async def test_on_a_stage_that_never_asks_it_is_a_message_like_any_other(gateway: TestGateway):
    client = await Ending(gateway, "CLOSE").connect()
    await answer(client)
    assert "wsgw.refresh" in await client.receive_text()


async def test_asking_is_no_activity(gateway: TestGateway):
    """The idle timeout is for what the API says and hears."""
    one = Ending(gateway, "REFRESH", 650)
    client = await one.connect()
    await one.asked(client, 595)
    gateway.advance(6)
    assert await client.receive_close() == (1001, "Going away")


async def test_a_refresh_that_is_looked_at_when_time_is_up_is_waited_for(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    await one.asked(client)
    expires = one.know("new", "ada", 900)
    held = asyncio.Event()
    asked = one.authority.authorize

    async def slow(event: dict[str, Any], context: Any) -> Any:
        await held.wait()
        return await asked(event, context)

    gateway.deploy(
        guarded(tokens=TOKENS, token_expiry="REFRESH"), handlers={**one.authority.handlers, "authorize": slow}
    )
    await answer(client)
    await until(lambda: gateway.connections[0].refresh == -1)
    gateway.advance(56)
    held.set()
    assert await client.receive_json() == {"event": "wsgw.refreshed", "expiresAt": expires}


async def test_the_last_event_says_what_the_other_token_said_also_where_it_is_read_from_the_book(gateway: TestGateway):
    one = Ending(gateway, "REFRESH")
    client = await one.connect()
    await one.asked(client)
    one.know("new", "ada", 900, tenant="t2")
    await answer(client)
    await client.receive_json()
    (record,) = (await gateway.app._stores.registry.page("", 10)).records
    assert record.principal is not None
    assert record.principal.context == {"tenant": "t2"}


# ---- what a definition may ask for


@pytest.mark.parametrize("what", ["CLOSE", "REFRESH"])
async def test_nothing_says_when_a_token_ends_without_an_authorizer(gateway: TestGateway, what: str):
    with pytest.raises(DefinitionError, match=r"tokenExpiry: \$connect has no authorization and the stage no tickets"):
        serve(gateway, *ROUTES[1:], tokens=TokenPlaces(), token_expiry=what)


async def test_an_iam_handshake_cannot_be_refreshed(gateway: TestGateway):
    signed = msgspec.structs.replace(CONNECT, authorization_type="AWS_IAM", authorizer=None)
    with pytest.raises(DefinitionError, match="use CLOSE"):
        serve(gateway, signed, *ROUTES[1:], token_expiry="REFRESH")
    serve(gateway, signed, *ROUTES[1:], token_expiry="CLOSE")


async def test_several_places_of_a_token_cannot_be_refreshed(gateway: TestGateway):
    sources = ("route.request.header.Authorization", "route.request.querystring.room")
    several = msgspec.structs.replace(WHO, identity_sources=sources)
    api = msgspec.structs.replace(guarded(token_expiry="REFRESH"), authorizers={"who": several})
    with pytest.raises(DefinitionError, match="REFRESH needs one place of the request"):
        gateway.deploy(api, handlers=Authority().handlers)


# ---- tokens of an issuer


@pytest.fixture
async def issuer(gateway: TestGateway) -> AsyncIterator[TokenIssuer]:
    one = await TokenIssuer(lambda: gateway.clock.wall_ms() / 1000).start()
    yield one
    await one.stop()


def deploy_jwt(gateway: TestGateway, issuer: TokenIssuer) -> None:
    """The API behind tokens of `issuer`, which are refreshed."""
    jwt = Authorizer(
        id="who",
        name="who",
        type="JWT",
        issuer=issuer.url,
        audience=("app",),
        identity_sources=("route.request.header.Authorization",),
    )
    connect = msgspec.structs.replace(CONNECT, authorization_type="JWT")
    api = guarded(connect, *ROUTES[1:], tokens=TOKENS, token_expiry="REFRESH")
    gateway.deploy(msgspec.structs.replace(api, authorizers={"who": jwt}), handlers=Authority().handlers)


async def test_a_jwt_is_refreshed_by_the_same_subjects_next_one(gateway: TestGateway, issuer: TokenIssuer):
    deploy_jwt(gateway, issuer)
    now = int(gateway.clock.wall_ms() / 1000)
    first = await gateway.connect(f"/prod?token={issuer.token(exp=now + 100)}")
    second = await gateway.connect(f"/prod?token={issuer.token(exp=now + 100)}")
    gateway.advance(50)
    for client in (first, second):
        assert (await client.receive_json())["expiresAt"] == now + 100
    await answer(first, issuer.token(exp=now + 400))
    assert await first.receive_json() == {"event": "wsgw.refreshed", "expiresAt": now + 400}
    await answer(second, issuer.token(sub="eve", exp=now + 400))
    assert await second.receive_close() == (4401, "Token refused")
    gateway.advance(60)
    await first.send_json({"action": "ping"})
    assert await first.receive_json() == {"pong": True}


async def test_a_token_without_a_subject_is_not_taken_for_that_of_another(gateway: TestGateway, issuer: TokenIssuer):
    """Two tokens of nobody in particular need not be of the same."""
    deploy_jwt(gateway, issuer)
    now = int(gateway.clock.wall_ms() / 1000)
    client = await gateway.connect(f"/prod?token={issuer.token(sub=None, client_id='one', exp=now + 100)}")
    gateway.advance(50)
    await client.receive_json()
    await answer(client, issuer.token(sub=None, client_id="two", exp=now + 400))
    assert await client.receive_close() == (4401, "Token refused")


@pytest.mark.parametrize("end", [1e15, 1e300, -1e300])
async def test_an_end_that_is_no_time_is_no_result_of_an_authorizer(gateway: TestGateway, end: float):
    """Clients are told when their token ends, and such a number has no JSON."""
    one = Ending(gateway, "REFRESH")
    one.authority.tokens["good"] = allowed("ada", expiresAt=end)
    with pytest.raises(HandshakeRefused, match="500"):
        await one.connect()
