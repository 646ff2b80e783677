"""Tokens where browsers can put them: subprotocol, query, cookie. S-10: whose page sends a cookie. S-11: who sees them.

The parts alone first, then over real sockets with the lanes on and off.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, route
from tests.harness.staying import (
    CALLED,
    CONNECT,
    PLACES,
    ROUTES,
    WHO,
    Authority,
    allowed,
    bearer,
    guarded,
    refused,
    serve,
    who,
)
from wsgw.definitions.access import TokenPlaces
from wsgw.edge import tokens
from wsgw.errors import AccessDenied, DefinitionError, Unauthorized

EVERYWHERE = PLACES


# ---- the parts


def shown(
    headers: Any = (), query: Any = (), offers: tuple[str, ...] = (), places: TokenPlaces = EVERYWHERE
) -> tokens.Shown:
    lines = [*headers, *([("Sec-WebSocket-Protocol", ", ".join(offers))] if offers else [])]
    return tokens.shown(places, lines, list(query), offers)


def test_nothing_shown_changes_nothing():
    given_headers = [("Host", "a"), ("Cookie", "other=1; theme=dark"), ("Sec-WebSocket-Protocol", "chat")]
    found = tokens.shown(EVERYWHERE, given_headers, [("room", "1")], ("chat",))
    assert (found.token, found.ticket, found.by_cookie) == ("", "", False)
    assert (found.headers, found.query, found.subprotocols) == (given_headers, [("room", "1")], ("chat",))


@pytest.mark.parametrize(
    "carried",
    [
        pytest.param({"offers": ("chat", "wsgw.auth.T0K")}, id="subprotocol"),
        pytest.param({"query": [("room", "1"), ("token", "T0K")]}, id="query"),
        pytest.param({"headers": [("Cookie", "a=b; session=T0K; c=d")]}, id="cookie"),
        pytest.param({"headers": [("cookie", 'session="T0K"')]}, id="cookie-in-quotes"),
        pytest.param({"offers": ("wsgw.auth.T0K",), "query": [("token", "T0K")]}, id="two-places-that-agree"),
        pytest.param({"headers": [("Cookie", "session=T0K"), ("Cookie", "session=T0K")]}, id="twice-the-same"),
    ],
)
def test_a_token_becomes_the_authorization_and_is_nowhere_else(carried: Any):
    found = shown(**carried)
    assert found.token == "T0K"
    assert found.headers[-1] == ("Authorization", "Bearer T0K")
    left = (found.headers[:-1], found.query, found.subprotocols)
    assert "T0K" not in repr(left)
    assert "session" not in repr(left)


def test_what_stands_beside_a_token_stays():
    found = shown(
        [("Cookie", "a=b; session=T0K; c=d")], [("room", "1"), ("token", "T0K")], ("chat", "wsgw.auth.T0K", "chat.v2")
    )
    assert found.headers[:-1] == [("Cookie", "a=b; c=d"), ("Sec-WebSocket-Protocol", "chat, chat.v2")]
    assert found.query == [("room", "1")]
    assert found.subprotocols == ("chat", "chat.v2")


@pytest.mark.parametrize(
    "carried",
    [
        pytest.param({"offers": ("wsgw.auth.one", "wsgw.auth.two")}, id="two-subprotocols"),
        pytest.param({"query": [("token", "one"), ("token", "two")]}, id="two-parameters"),
        pytest.param({"headers": [("Cookie", "session=one; session=two")]}, id="two-cookies"),
        pytest.param({"headers": [("Cookie", "session=one")], "query": [("token", "two")]}, id="cookie-and-query"),
        pytest.param({"headers": bearer("one"), "query": [("token", "two")]}, id="header-and-query"),
        pytest.param({"query": [("ticket", "one"), ("ticket", "two")]}, id="two-tickets"),
    ],
)
def test_tokens_that_disagree_are_unauthorized(carried: Any):
    with pytest.raises(Unauthorized) as refusal:
        shown(**carried)
    assert refusal.value.detail == "tokens_disagree"


def test_an_authorization_header_stays_as_it_is():
    assert shown(bearer("one"), [("token", "one")]).headers == bearer("one")
    signed = [("Authorization", "AWS4-HMAC-SHA256 Credential=x")]
    assert shown(signed, [("token", "one")]).headers == signed


@pytest.mark.parametrize("token", ["a\r\nX-Injected: 1", "a b", "a\x00", "ä", "a\x7f"])
def test_what_could_end_a_header_line_is_no_token(token: str):
    with pytest.raises(Unauthorized) as refusal:
        shown(query=[("token", token)])
    assert refusal.value.detail == "token_malformed"


def test_a_ticket_is_taken_out_and_tokens_beside_it_are_of_no_meaning():
    found = shown([("Cookie", "session=one")], [("token", "two"), ("ticket", "T")])
    assert (found.token, found.ticket, found.by_cookie) == ("", "T", False)
    assert (found.headers, found.query) == ([], [])


def test_places_that_a_stage_does_not_name_are_left_alone():
    found = shown(
        [("Cookie", "session=x")], [("token", "y"), ("ticket", "z")], ("wsgw.auth.t",), TokenPlaces(query="access")
    )
    assert (found.token, found.ticket) == ("", "")
    assert found.query == [("token", "y"), ("ticket", "z")]
    assert ("Cookie", "session=x") in found.headers
    assert found.subprotocols == ("wsgw.auth.t",)


@pytest.mark.parametrize("empty", [{"query": [("token", "")]}, {"offers": ("wsgw.auth.",)}])
def test_an_empty_token_is_none(empty: Any):
    found = shown(**empty)
    assert (found.token, found.query, found.subprotocols) == ("", [], ())


@given(
    st.lists(st.tuples(st.sampled_from(["token", "room", "x"]), st.text(max_size=5)), max_size=4),
    st.lists(st.text("ab;= \"'session", max_size=12), max_size=3),
)
def test_whatever_comes_is_read_or_refused(query: list[tuple[str, str]], cookies: list[str]):
    try:
        found = shown([("Cookie", value) for value in cookies], query)
    except Unauthorized:
        return
    assert not any(name == "token" for name, _ in found.query)
    assert all(not pair.strip().startswith("session=") for _, value in found.headers for pair in value.split(";"))


OWN = ("https://app.example",)


def test_a_page_of_the_own_address_may_send_its_cookie():
    tokens.check_origin(["https://app.example"], OWN)


@pytest.mark.parametrize(
    ("origins", "why"),
    [
        pytest.param([], "cookie_without_origin", id="absent"),
        pytest.param(["null"], "cookie_of_another_origin", id="null"),
        pytest.param([""], "cookie_of_another_origin", id="empty"),
        pytest.param(["https://evil.example"], "cookie_of_another_origin", id="foreign"),
        pytest.param(["http://app.example"], "cookie_of_another_origin", id="another-scheme"),
        pytest.param(["https://APP.example"], "cookie_of_another_origin", id="another-case"),
        pytest.param(["https://app.example:8443"], "cookie_of_another_origin", id="another-port"),
        pytest.param(["https://sub.app.example"], "cookie_of_another_origin", id="subdomain"),
        pytest.param(["https://app.example.evil.example"], "cookie_of_another_origin", id="own-as-a-subdomain"),
        pytest.param(["https://app.example", "https://app.example"], "cookie_of_another_origin", id="twice"),
    ],
)
def test_no_other_page_may(origins: list[str], why: str):
    """S-10."""
    with pytest.raises(AccessDenied) as refusal:
        tokens.check_origin(origins, OWN)
    assert refusal.value.detail == why


# ---- over sockets


CARRIED = [
    pytest.param("/prod", [("Sec-WebSocket-Protocol", "chat, wsgw.auth.good")], id="subprotocol"),
    pytest.param("/prod?room=1&token=good", [], id="query"),
    pytest.param("/prod", [("Cookie", "session=good; theme=dark")], id="cookie"),
    pytest.param("/prod", bearer("good"), id="header"),
]


@pytest.mark.parametrize(("path", "headers"), CARRIED)
async def test_the_authorizer_reads_it_wherever_it_stood_and_the_backend_never(
    gateway: TestGateway, path: str, headers: list[tuple[str, str]]
):
    authority = serve(gateway, subprotocols=("chat",))
    client = await gateway.connect(path, headers=[*headers, ("Origin", gateway.url)])
    assert authority.asked[0]["headers"]["Authorization"] == "Bearer good"
    assert await who(client) == "ada"
    (event,) = authority.events
    assert event["requestContext"]["authorizer"]["principalId"] == "ada"
    if headers != bearer("good"):
        assert "good" not in json.dumps(event)
        asked = json.dumps({name: value for name, value in authority.asked[0].items() if "eaders" not in name})
        assert "good" not in asked


async def test_the_subprotocol_that_is_a_token_is_never_echoed_and_another_is_chosen(gateway: TestGateway):
    serve(gateway, subprotocols=("chat",))
    async with websockets.connect(
        gateway.ws_url + "/prod", subprotocols=["wsgw.auth.good", "chat"], proxy=None
    ) as client:
        assert client.subprotocol == "chat"


async def test_a_backend_that_chooses_the_token_as_subprotocol_is_not_followed(gateway: TestGateway):
    authority = serve(gateway)

    async def route(event: dict[str, Any], context: Any) -> Any:
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "wsgw.auth.good"}}

    authority.route = route  # type: ignore[method-assign]
    gateway.deploy(guarded(), handlers=authority.handlers)
    response = await refused(gateway, headers=[("Sec-WebSocket-Protocol", "wsgw.auth.good")])
    assert response.status == 500
    assert response.header("Sec-WebSocket-Protocol") is None


async def test_an_http_backend_gets_neither_the_token_nor_what_was_made_of_it(gateway: TestGateway, backend: Backend):
    connect = msgspec.structs.replace(CONNECT, integration=http(f"{backend.url}/connect"))
    # Longer than what an id may have in it by chance.
    serve(gateway, connect, *ROUTES[1:]).tokens["the-good-token"] = allowed("ada")
    offered = "wsgw.auth.the-good-token, chat"
    headers = [("Cookie", "session=the-good-token; theme=dark"), ("Sec-WebSocket-Protocol", offered)]
    await gateway.connect("/prod?room=1&token=the-good-token", headers=[*headers, ("Origin", gateway.url)])
    (request,) = backend.requests
    assert "the-good-token" not in repr(request)
    assert request.header("Authorization") is None
    assert (request.header("Cookie"), request.header("Sec-WebSocket-Protocol")) == ("theme=dark", "chat")


@pytest.mark.parametrize("carried", ["/prod?token=bad", "/prod", "/prod?token=good&token=hers"])
async def test_a_wrong_token_none_or_two_are_401(gateway: TestGateway, carried: str):
    serve(gateway)
    response = await refused(gateway, carried)
    assert response.status == 401
    assert response.body.startswith(b'{"message": "Unauthorized", "connectionId":"')


@pytest.mark.parametrize(
    ("origins", "status"),
    [
        pytest.param([], 403, id="absent"),
        pytest.param(["null"], 403, id="null"),
        pytest.param(["https://evil.example"], 403, id="foreign"),
        pytest.param(["OWN/"], 403, id="slash-behind"),
        pytest.param(["OWN", "https://evil.example"], 403, id="two"),
        pytest.param(["OWN"], 101, id="own"),
    ],
)
async def test_a_cookie_lets_in_pages_of_the_own_address_alone(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture, origins: list[str], status: int
):
    """S-10."""
    authority = serve(gateway)
    headers = [("Cookie", "session=good"), *(("Origin", one.replace("OWN", gateway.url)) for one in origins)]
    if status == 101:
        await gateway.connect(headers=headers)
        return
    with caplog.at_level(logging.WARNING, "wsgw.reasons"):
        response = await refused(gateway, headers=headers)
    assert response.status == 403
    assert response.body.startswith(b'{"message": "Forbidden"')
    assert "cookie_" in caplog.text
    assert "evil.example" not in caplog.text
    assert authority.asked == []


async def test_a_list_of_origins_says_which_pages_may_instead(gateway: TestGateway):
    """S-10: exact match, in place of the own address."""
    serve(gateway, allowed_origins=("https://app.example",))
    cookie = ("Cookie", "session=good")
    await gateway.connect(headers=[cookie, ("Origin", "https://app.example")])
    response = await refused(gateway, headers=[cookie, ("Origin", gateway.url)])
    assert response.status == 403


async def test_another_page_may_with_a_token_that_no_browser_sends_by_itself(gateway: TestGateway):
    serve(gateway)
    client = await gateway.connect("/prod?token=good", headers=[("Origin", "https://elsewhere.example")])
    assert await who(client) == "ada"


async def test_a_stage_that_names_no_place_reads_none(gateway: TestGateway):
    authority = serve(gateway, route("$connect", CALLED), *ROUTES[1:], tokens=TokenPlaces())
    headers = [("Cookie", "session=x"), ("Sec-WebSocket-Protocol", "wsgw.auth.y")]
    await gateway.connect("/prod?token=z", headers=headers)
    (event,) = authority.events
    assert event["queryStringParameters"] == {"token": "z"}
    assert event["headers"]["Cookie"] == "session=x"
    assert event["headers"]["Sec-WebSocket-Protocol"] == "wsgw.auth.y"


async def test_a_parameter_that_is_taken_away_cannot_be_an_identity_source(gateway: TestGateway):
    """Nobody would ever be let in, and nobody would know why."""
    by_query = msgspec.structs.replace(WHO, identity_sources=("route.request.querystring.token",))
    api = msgspec.structs.replace(guarded(), authorizers={"who": by_query})
    with pytest.raises(DefinitionError, match=r"token is taken out of the query .*header.Authorization"):
        gateway.deploy(api, handlers=Authority().handlers)
