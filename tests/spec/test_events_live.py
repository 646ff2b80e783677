"""The events of a connection's life as a Lambda function and a Python handler get them (T-07).

Which member is where, their order and their values; recorded on the service in September 2026, and AWS WebSocket
developer guide, "Lambda proxy integration for WebSocket APIs".
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.harness.gateway import TestGateway, mock, route
from tests.harness.lambda_endpoint import lambda_service, returns
from tests.harness.raw_websocket import BINARY, HandshakeRefused
from tests.harness.until import until
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration

Event = dict[str, Any]
MESSAGE = '{"action": "x",  "text":"Gr\u00fc\u00dfe"}'
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{15}=")
OPAQUE_ID = re.compile(r"[A-Za-z0-9_-]+=={0,1}")
STAGE = Stage(name="prod", variables={"tier": "gold", "url": "https://h.example/?a=b"})
ROUTES = ("$connect", "x", "$default", "$disconnect")


class Recorder:
    """Where the events of the routes go; `sent` gives what came, as functions get it."""

    def __init__(self, type: str, events: Callable[[], list[Event]]) -> None:
        self.type = type
        self.events = events
        self.handlers: dict[str, Any] = {}

    def serve(self, gateway: TestGateway, *keys: str, stage: Stage | None = None, **members: Any) -> None:
        """Serve routes that record, each with the function `f`, and a two-way route `ping`."""
        routes = [route(key, Integration(type=self.type, uri="f")) for key in keys or ROUTES]
        ping = route("ping", mock("pong"), two_way=True)
        gateway.serve(ping, *routes, stage=stage, handlers=self.handlers, **members)

    async def life(self, gateway: TestGateway, path: str = "/prod", **options: Any) -> list[Event]:
        """The three events of: connect, one message, a close with 4001."""
        client = await gateway.connect(path, **options)
        await client.send_text(MESSAGE)
        await client.send_json({"action": "ping"})
        assert await client.receive_text() == "pong"
        await client.close(4001, "enough")
        await gateway.stop()  # Ends when `$disconnect` has been told.
        return self.events()

    async def of_messages(self, gateway: TestGateway, *send: Callable[[Any], Awaitable[None]]) -> list[Event]:
        client = await gateway.connect()
        for one in send:
            await one(client)
        await client.send_json({"action": "ping"})
        await client.receive_text()
        return [event for event in self.events() if event["requestContext"]["eventType"] == "MESSAGE"]


@pytest.fixture(params=["AWS_PROXY", "PYTHON"])
async def recorder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Recorder]:
    """A Lambda function, then a Python handler."""
    if request.param == "PYTHON":
        events: list[Event] = []

        async def handler(event: Event, context: Any) -> Any:
            events.append(event)
            return {"statusCode": 200}

        recorder = Recorder("PYTHON", lambda: events)
        recorder.handlers["f"] = handler
        yield recorder
        return
    async with lambda_service(monkeypatch, "eu-central-1") as endpoint:
        endpoint.functions["f"] = returns({"statusCode": 200})
        yield Recorder("AWS_PROXY", lambda: [call.event for call in endpoint.calls])


HEADERS = ["headers", "multiValueHeaders"]
QUERY = ["queryStringParameters", "multiValueQueryStringParameters"]
_TO_TIME = ["eventType", "extendedRequestId", "requestTime", "messageDirection"]
_FROM_STAGE = [
    "stage",
    "connectedAt",
    "requestTimeEpoch",
    "identity",
    "requestId",
    "domainName",
    "connectionId",
    "apiId",
]
CONTEXT = {
    "CONNECT": ["routeKey", *_TO_TIME, *_FROM_STAGE],
    "MESSAGE": ["routeKey", "messageId", *_TO_TIME, *_FROM_STAGE],
    "DISCONNECT": ["routeKey", "disconnectStatusCode", *_TO_TIME, "disconnectReason", *_FROM_STAGE],
}


async def test_members_are_where_the_service_has_them_and_in_its_order(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway, stage=STAGE)
    connect, message, disconnect = await recorder.life(gateway, "/prod?room=first&room=last")
    assert list(connect) == [*HEADERS, *QUERY, "stageVariables", "requestContext", "isBase64Encoded"]
    assert list(message) == ["stageVariables", "requestContext", "body", "isBase64Encoded"]
    assert list(disconnect) == [*HEADERS, "stageVariables", "requestContext", "isBase64Encoded"]
    for event, type in ((connect, "CONNECT"), (message, "MESSAGE"), (disconnect, "DISCONNECT")):
        assert list(event["requestContext"]) == CONTEXT[type], type
        assert event["requestContext"]["eventType"] == type
        assert event["isBase64Encoded"] is False
        assert event["stageVariables"] == {"tier": "gold", "url": "https://h.example/?a=b"}


async def test_without_a_query_and_stage_variables_there_are_no_such_members(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    connect, message, disconnect = await recorder.life(gateway)
    assert list(connect) == [*HEADERS, "requestContext", "isBase64Encoded"]
    assert list(message) == ["requestContext", "body", "isBase64Encoded"]
    assert list(disconnect) == [*HEADERS, "requestContext", "isBase64Encoded"]


async def test_the_context_says_who_where_and_when(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    before = gateway.clock.wall_ms()
    events = await recorder.life(gateway, headers=[("User-Agent", "test/1")])
    after = gateway.clock.wall_ms()
    contexts = [event["requestContext"] for event in events]
    assert [context["routeKey"] for context in contexts] == ["$connect", "x", "$disconnect"]
    for context in contexts:
        assert (context["apiId"], context["stage"], context["messageDirection"]) == ("chat", "prod", "IN")
        assert context["identity"] == {"userAgent": "test/1", "sourceIp": "127.0.0.1"}
        assert f"http://{context['domainName']}" == gateway.url
        assert context["requestId"] == context["extendedRequestId"]
        assert REQUEST_ID.fullmatch(context["requestId"])
        assert before <= context["connectedAt"] <= context["requestTimeEpoch"] <= after
        time = datetime.fromtimestamp(context["requestTimeEpoch"] // 1000, UTC)
        assert context["requestTime"] == time.strftime("%d/%b/%Y:%H:%M:%S +0000")
    assert len({context["requestId"] for context in contexts}) == 3
    for same in ("connectionId", "connectedAt"):
        assert len({context[same] for context in contexts}) == 1, same
    assert OPAQUE_ID.fullmatch(contexts[0]["connectionId"])
    assert OPAQUE_ID.fullmatch(contexts[1]["messageId"])
    assert (contexts[2]["disconnectStatusCode"], contexts[2]["disconnectReason"]) == (4001, "enough")


async def test_numbers_are_numbers_and_texts_are_texts(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    for event in await recorder.life(gateway):
        for name, value in event["requestContext"].items():
            number = name in ("connectedAt", "requestTimeEpoch", "disconnectStatusCode")
            expected = int if number else dict if name == "identity" else str
            assert type(value) is expected, name


async def test_a_client_without_a_user_agent_has_none_in_its_identity(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    for event in await recorder.life(gateway):
        assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1"}


async def test_the_query_has_the_last_value_and_all_values_decoded(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    connect = (await recorder.life(gateway, "/prod?room=first&room=last+one&sum=1%2B1&empty=&flag&%C3%BC=%C3%9F"))[0]
    assert connect["queryStringParameters"] == {"room": "last one", "sum": "1+1", "empty": "", "flag": "", "ü": "ß"}
    assert connect["multiValueQueryStringParameters"] == {
        "room": ["first", "last one"],
        "sum": ["1+1"],
        "empty": [""],
        "flag": [""],
        "ü": ["ß"],
    }


SENT = [
    ("User-Agent", "test/1"),
    ("Cookie", "a=b; c=d"),
    ("x-MiXeD", "one"),
    ("X-Mixed", "two"),
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
    ("Content-Length", "0"),
    ("Wsgw-Connection-Id", "forged"),
]


async def test_connect_has_the_clients_headers_as_sent_and_those_of_the_service(
    gateway: TestGateway, recorder: Recorder
):
    recorder.serve(gateway)
    connect = (await recorder.life(gateway, headers=SENT))[0]
    headers, every = connect["headers"], connect["multiValueHeaders"]
    assert list(headers) == list(every)
    assert {name: values[-1] for name, values in every.items()} == headers
    assert (headers["User-Agent"], headers["Cookie"]) == ("test/1", "a=b; c=d")
    # One header in two spellings is one header, under its first.
    assert (headers["x-MiXeD"], every["x-MiXeD"]) == ("two", ["one", "two"])
    assert headers["Sec-WebSocket-Version"] == "13"
    assert headers["Sec-WebSocket-Extensions"] == "permessage-deflate; client_max_window_bits"
    assert len(headers["Sec-WebSocket-Key"]) == 24
    assert f"http://{headers['Host']}" == gateway.url
    assert (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"]) == ("127.0.0.1", "http")
    assert headers["X-Forwarded-Port"] == gateway.url.rpartition(":")[2]
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", headers["X-Amzn-Trace-Id"])
    lowered = {name.lower() for name in headers}
    assert not lowered & {"connection", "upgrade", "content-length", "wsgw-connection-id"}


async def test_subprotocols_reach_connect_unchanged(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    connect = (await recorder.life(gateway, headers=[("Sec-WebSocket-Protocol", "v1,  v2")]))[0]
    assert connect["headers"]["Sec-WebSocket-Protocol"] == "v1,  v2"


async def test_disconnect_has_made_up_headers(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    disconnect = (await recorder.life(gateway, headers=SENT))[2]
    domain = gateway.url.removeprefix("http://")
    assert disconnect["headers"] == {"Host": domain, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    assert disconnect["multiValueHeaders"] == {name: [value] for name, value in disconnect["headers"].items()}


async def test_the_body_is_the_message_as_sent(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    texts = [MESSAGE, "plain", "", '"\\ud83d"', "\U0001f600", "a" * 20_000]
    events = await recorder.of_messages(gateway, *(lambda client, text=text: client.send_text(text) for text in texts))
    assert [event["body"] for event in events] == texts
    assert len({event["requestContext"]["messageId"] for event in events}) == len(texts)


async def test_what_is_no_route_of_its_own_comes_as_default(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway)
    (event,) = await recorder.of_messages(gateway, lambda client: client.send_json({"action": "unknown"}))
    assert event["requestContext"]["routeKey"] == "$default"


async def test_a_binary_message_comes_as_base64_where_the_api_takes_it(gateway: TestGateway, recorder: Recorder):
    """Ours: API Gateway closes with 1003."""
    recorder.serve(gateway, binary_messages="PASS")
    (event,) = await recorder.of_messages(gateway, lambda client: client.send_frame(BINARY, b"\x00\xff"))
    assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)
    assert list(event) == ["requestContext", "body", "isBase64Encoded"]


ENDS = [
    pytest.param("close without a code", (1005, "Client-side close frame status not set"), id="no code"),
    pytest.param("close with a code", (1000, ""), id="a code without a reason"),
    pytest.param("reset", (1006, "Connection lost"), id="lost (choice of the reason)"),
    pytest.param("delete", (1000, "Connection Closed Normally"), id="DELETE"),
    pytest.param("idle", (1001, "Going away"), id="idle timeout"),
    pytest.param("duration", (1001, "Going away"), id="maximum duration (choice)"),
    pytest.param("binary", (1003, "Binary is not supported"), id="binary message (choice)"),
    pytest.param("too big", (1009, "Message too big"), id="message too big (choice)"),
]


@pytest.mark.parametrize(("how", "said"), ENDS)
async def test_disconnect_says_how_it_ended(gateway: TestGateway, recorder: Recorder, how: str, said: tuple[int, str]):
    recorder.serve(gateway)
    client = await gateway.connect()
    (connection,) = gateway.connections
    if how == "close without a code":
        await client.close(None)
    elif how == "close with a code":
        await client.close(1000)
    elif how == "reset":
        client.reset()
        await until(lambda: not gateway.connections)
    elif how == "delete":
        await gateway.app.push.delete(connection.id)
    elif how == "idle":
        gateway.advance(601)
    elif how == "duration":
        for _ in range(13):
            await client.send_json({"action": "ping"})
            await client.receive_text()
            gateway.advance(7201 / 13)
    elif how == "binary":
        await client.send_frame(BINARY, b"x")
    else:
        for number in range(5):
            await client.send_frame(0 if number else 1, b"x" * 32_768, fin=number == 4)
    if how not in ("close without a code", "close with a code", "reset"):
        assert await client.receive_close() == said
        await client.drop()
    await gateway.stop()
    disconnect = recorder.events()[-1]["requestContext"]
    assert disconnect["eventType"] == "DISCONNECT"
    assert (disconnect["disconnectStatusCode"], disconnect["disconnectReason"]) == said


async def test_a_refused_handshake_has_no_disconnect(gateway: TestGateway, recorder: Recorder):
    refusing = route("$connect", Integration(type="HTTP_PROXY", uri="http://127.0.0.1:1/"))
    disconnect = route("$disconnect", Integration(type=recorder.type, uri="f"))
    gateway.serve(refusing, disconnect, handlers=recorder.handlers)
    with pytest.raises(HandshakeRefused, match="504"):
        await gateway.connect()
    await gateway.stop()
    assert recorder.events() == []
