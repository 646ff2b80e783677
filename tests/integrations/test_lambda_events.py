"""T-07: events equal what was recorded on the service, key by key and in its order."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.caller import Authorization, ConnectionFacts, Principal
from wsgw.integrations.lambda_events import connect_event, event, message_event
from wsgw.invocation import EventType, Invocation

HOST = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
ROUTE_KEYS = {"CONNECT": "$connect", "MESSAGE": "sendMessage", "DISCONNECT": "$disconnect"}
ALL: tuple[EventType, ...] = ("CONNECT", "MESSAGE", "DISCONNECT")

HANDSHAKE = (
    ("Host", HOST),
    ("Connection", "upgrade"),
    ("Upgrade", "websocket"),
    ("content-length", "0"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Protocol", "v1, v2"),
    ("User-Agent", "probe/1.0"),
    ("X-Amzn-Trace-Id", "Root=1-66f00000-0123456789abcdef01234567"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Proto", "https"),
)


class DevStage:
    api_id = "a1b2c3d4e5"
    stage = "dev"

    def __init__(self, stage_variables: Mapping[str, str]) -> None:
        self.stage_variables = stage_variables


def authorized() -> Principal:
    return Principal("user-1", {"tenant": "t1", "level": "7", "admin": "true"})


def invocation(
    event_type: EventType,
    *,
    principal: Principal | None = None,
    user_agent: str | None = "probe/1.0",
    variables: Mapping[str, str] | None = None,
    query: tuple[tuple[str, str], ...] = (),
    body: bytes = b'{"action":"sendMessage"}',
) -> Invocation:
    connection = ConnectionFacts()
    connection.id = "gbAAAAAAAAAAAAAAAA=="
    connection.connected_at = 1790294473120
    connection.source_ip = "203.0.113.9"
    connection.user_agent = user_agent
    connection.domain_name = HOST
    connection.callback_base = f"https://{HOST}"
    connection.principal = principal
    site = DevStage({"tier": "dev"} if variables is None else variables)
    made = Invocation(site, event_type, ROUTE_KEYS[event_type], connection, "EOAAAAAAIAMEAAA=", 1790294473121)
    if event_type == "CONNECT":
        made.headers, made.query = HANDSHAKE, query
    elif event_type == "MESSAGE":
        made.body, made.message_id = body, "gbAAAfAAAAAAAAAAAA=="
    else:
        made.disconnect_code, made.disconnect_reason = 1005, "Client-side close frame status not set"
    return made


def recorded(name: str) -> dict[str, Any]:
    path = Path(__file__).parent / "events" / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text())
    assert "recorded on Amazon API Gateway" in document.pop("_source")
    return document


RECORDINGS = [
    ("connect", invocation("CONNECT", query=(("room", "first"), ("room", "last")))),
    ("message", invocation("MESSAGE", principal=authorized())),
    ("disconnect", invocation("DISCONNECT", principal=authorized())),
]


@pytest.mark.parametrize(("name", "made"), RECORDINGS)
def test_an_event_equals_the_recorded_one_in_keys_values_and_order(name, made):
    # As text: equal dicts may differ in the order of their keys.
    assert json.dumps(event(made), indent=1) == json.dumps(recorded(name), indent=1)


# A row: the member of the event, then the types of event that have it.
TOP_LEVEL = [
    ("type", ()),
    ("methodArn", ()),
    ("headers", ("CONNECT", "DISCONNECT")),
    ("multiValueHeaders", ("CONNECT", "DISCONNECT")),
    ("queryStringParameters", ("CONNECT",)),
    ("multiValueQueryStringParameters", ("CONNECT",)),
    ("stageVariables", ALL),
    ("requestContext", ALL),
    ("body", ("MESSAGE",)),
    ("isBase64Encoded", ALL),
    ("pathParameters", ()),
    ("resource", ()),
    ("path", ()),
    ("httpMethod", ()),
]


@pytest.mark.parametrize(("member", "types"), TOP_LEVEL, ids=[row[0] for row in TOP_LEVEL])
def test_a_member_occurs_in_just_the_events_that_have_it(member, types):
    events = {kind: event(invocation(kind, query=(("room", "last"),))) for kind in ALL}
    assert tuple(kind for kind in ALL if member in events[kind]) == types


def in_all(value: Any) -> dict[str, Any]:
    return {kind: value for kind in ALL}  # noqa: C420  # some values are dicts, none is changed


# A row: the member of requestContext, and its value in the types of event that have it.
CONTEXT = [
    ("routeKey", ROUTE_KEYS),
    ("authorizer", in_all({"principalId": "user-1", "tenant": "t1", "level": "7", "admin": "true"})),
    ("disconnectStatusCode", {"DISCONNECT": 1005}),
    ("messageId", {"MESSAGE": "gbAAAfAAAAAAAAAAAA=="}),
    ("eventType", {kind: kind for kind in ALL}),
    ("extendedRequestId", in_all("EOAAAAAAIAMEAAA=")),
    ("requestTime", in_all("25/Sep/2026:00:01:13 +0000")),
    ("messageDirection", in_all("IN")),
    ("disconnectReason", {"DISCONNECT": "Client-side close frame status not set"}),
    ("stage", in_all("dev")),
    ("connectedAt", in_all(1790294473120)),
    ("requestTimeEpoch", in_all(1790294473121)),
    ("identity", in_all({"userAgent": "probe/1.0", "sourceIp": "203.0.113.9"})),
    ("requestId", in_all("EOAAAAAAIAMEAAA=")),
    ("domainName", in_all(HOST)),
    ("connectionId", in_all("gbAAAAAAAAAAAAAAAA==")),
    ("apiId", in_all("a1b2c3d4e5")),
]


@pytest.mark.parametrize(("member", "values"), CONTEXT, ids=[row[0] for row in CONTEXT])
def test_the_request_context_says_what_belongs_to_the_type_of_event(member, values):
    contexts = {kind: event(invocation(kind, principal=authorized()))["requestContext"] for kind in ALL}
    assert {kind: contexts[kind][member] for kind in ALL if member in contexts[kind]} == values


def test_the_request_context_has_nothing_else():
    known = {row[0] for row in CONTEXT}
    for kind in ALL:
        assert set(event(invocation(kind, principal=authorized()))["requestContext"]) <= known


@pytest.mark.parametrize("kind", ALL)
def test_a_client_without_a_user_agent_has_only_an_address(kind):
    assert event(invocation(kind, user_agent=None))["requestContext"]["identity"] == {"sourceIp": "203.0.113.9"}


@pytest.mark.parametrize("kind", ALL)
def test_a_stage_without_variables_shows_none(kind):
    assert "stageVariables" not in event(invocation(kind, variables={}))


@pytest.mark.parametrize("kind", ALL)
def test_an_open_api_shows_no_authorizer(kind):
    assert "authorizer" not in event(invocation(kind))["requestContext"]


def test_a_handshake_without_a_query_shows_none():
    made = connect_event(invocation("CONNECT"))
    assert "queryStringParameters" not in made
    assert "multiValueQueryStringParameters" not in made


def test_of_a_repeated_header_the_last_value_counts_and_all_are_listed_under_the_first_spelling():
    made = invocation("CONNECT")
    made.headers = (("X-Tag", "a"), ("Other", "o"), ("x-tag", "b"))
    shown = connect_event(made)
    assert shown["headers"] == {"X-Tag": "b", "Other": "o"}
    assert shown["multiValueHeaders"] == {"X-Tag": ["a", "b"], "Other": ["o"]}


@pytest.mark.parametrize("name", ["Connection", "connection", "Upgrade", "UPGRADE", "content-length", "Content-Length"])
def test_what_belongs_to_the_upgrade_is_left_out(name):
    made = invocation("CONNECT")
    made.headers = ((name, "x"), ("Host", HOST))
    assert connect_event(made)["multiValueHeaders"] == {"Host": [HOST]}


def test_names_in_a_query_are_different_when_their_case_is():
    shown = connect_event(invocation("CONNECT", query=(("a", "1"), ("A", "2"), ("a", ""))))
    assert shown["queryStringParameters"] == {"a": "", "A": "2"}
    assert shown["multiValueQueryStringParameters"] == {"a": ["1", ""], "A": ["2"]}


def test_the_authorizers_latency_is_shown_in_the_handshakes_event_alone():
    def shown(kind: EventType) -> Any:
        one = invocation(kind, principal=authorized())
        one.authorization = Authorization()
        one.authorization.function_latency = 12
        return event(one)["requestContext"]

    latency = {kind: shown(kind) for kind in ALL}
    assert [list(latency[kind]["authorizer"])[-1] for kind in ALL] == ["integrationLatency", "admin", "admin"]
    assert latency["CONNECT"]["authorizer"]["integrationLatency"] == 12
    unguarded = invocation("CONNECT")
    unguarded.authorization = Authorization()
    assert "authorizer" not in event(unguarded)["requestContext"]


def test_a_context_key_named_principal_id_does_not_replace_the_principal():
    principal = Principal("user-1", {"principalId": "somebody else", "tenant": "t1"})
    shown = event(invocation("MESSAGE", principal=principal))["requestContext"]["authorizer"]
    assert list(shown.items()) == [("principalId", "user-1"), ("tenant", "t1")]


def test_a_caller_with_a_signature_has_an_identity_and_no_authorizer():
    identity = {"accountId": "000000000000", "userArn": "arn:aws:iam::000000000000:root"}
    principal = Principal("AKIDEXAMPLE", {}, identity, kind="IAM")
    context = event(invocation("MESSAGE", principal=principal))["requestContext"]
    assert "authorizer" not in context
    assert context["identity"] == {
        "accountId": "000000000000",
        "userArn": "arn:aws:iam::000000000000:root",
        "userAgent": "probe/1.0",
        "sourceIp": "203.0.113.9",
    }


def test_a_close_frame_without_a_reason_is_an_empty_string():
    made = invocation("DISCONNECT")
    made.disconnect_code, made.disconnect_reason = 1001, ""
    context = event(made)["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "")


@given(st.binary())
def test_a_binary_message_reads_back_from_base64(data):
    made = invocation("MESSAGE", body=data)
    made.is_binary = True
    shown = message_event(made)
    assert shown["isBase64Encoded"] is True
    assert b64decode(shown["body"], validate=True) == data


@given(st.text())
def test_a_text_message_is_shown_as_it_came(text):
    shown = message_event(invocation("MESSAGE", body=text.encode()))
    assert shown["body"] == text
    assert shown["isBase64Encoded"] is False


@pytest.mark.parametrize("kind", ALL)
def test_what_a_handler_does_to_its_event_is_seen_by_nobody_else(kind):
    principal = Principal("user-1", {"tenant": "t1"}, {"accountId": "000000000000"})
    made = invocation(kind, principal=principal, query=(("room", "last"),))
    before = json.dumps(event(made))
    spoil(event(made))
    assert json.dumps(event(made)) == before


def spoil(value: Any) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
        value.clear()
    elif isinstance(value, list):
        value.clear()
