"""Python handlers in the gateway's process: what `context` gives them, and what becomes of their failures.

Ours; the event and the result are those of a Lambda function.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.gateway import TestGateway, mock, route
from tests.harness.raw_websocket import BINARY, TEXT, HandshakeRefused
from wsgw import ids
from wsgw.definitions.api import Stage, StageLimits
from wsgw.definitions.route import Integration, Route
from wsgw.errors import BadRequest, DefinitionError, GatewayError

Event = dict[str, Any]
Handler = Callable[[Event, Any], Any]
PING = route("ping", mock("pong"), two_way=True)
OK = {"statusCode": 200}


def python(key: str, *, two_way: bool = True, timeout_ms: int = 29_000) -> Route:
    """A route whose handler has the route's own key as its name."""
    return route(key, Integration(type="PYTHON", uri=key, timeout_ms=timeout_ms), two_way=two_way)


def serve(gateway: TestGateway, handlers: dict[str, Handler], **options: Any) -> None:
    """Serve a two-way route per handler, and `ping`."""
    gateway.serve(PING, *(python(key, **options) for key in handlers), handlers=handlers)


def ok(body: Any) -> Event:
    return {"statusCode": 200, "body": body if isinstance(body, str) else json.dumps(body)}


async def error_of(action: Any) -> str:
    """The name of what awaiting `action` raises."""
    try:
        await action
    except GatewayError as error:
        return type(error).__name__
    return "nothing"


async def errors_of_all(connections: Any, id: str) -> list[str]:
    """What post, get and delete raise for `id`, in this order."""
    actions = (connections.post(id, "x"), connections.get(id), connections.delete(id))
    return [await error_of(action) for action in actions]


# ---- context.connections


async def test_a_handler_posts_to_its_own_connection_and_to_others(gateway: TestGateway):
    async def send(event: Event, context: Any) -> Event:
        for to in json.loads(event["body"])["to"]:
            await context.connections.post(to, "hello")
        return ok("sent")

    serve(gateway, {"send": send})
    ada, grace = await gateway.connect(), await gateway.connect()
    ids = [connection.id for connection in gateway.connections]
    await ada.send_json({"action": "send", "to": ids})
    assert await ada.receive_text() == "hello"
    assert await ada.receive_text() == "sent"
    assert await grace.receive_text() == "hello"


DATA = [
    pytest.param("Grüße", TEXT, "Grüße".encode(), id="text"),
    pytest.param(b"bytes", TEXT, b"bytes", id="bytes"),
    pytest.param(b"\xff", TEXT, "\N{REPLACEMENT CHARACTER}".encode(), id="bytes that are no text"),
    pytest.param({"a": [1, "ü"]}, TEXT, '{"a":[1,"ü"]}'.encode(), id="a dict, as JSON"),
    pytest.param([1, None], TEXT, b"[1,null]", id="a list, as JSON"),
    pytest.param("", TEXT, b"", id="an empty text"),
]


@pytest.mark.parametrize(("data", "opcode", "payload"), DATA)
@pytest.mark.parametrize("blocking", [False, True], ids=["async", "plain"])
async def test_what_is_posted_is_what_the_client_gets(
    gateway: TestGateway, data: Any, opcode: int, payload: bytes, blocking: bool
):
    async def send(event: Event, context: Any) -> None:
        await context.connections.post(event["requestContext"]["connectionId"], data)

    def send_blocking(event: Event, context: Any) -> None:
        context.connections.post(event["requestContext"]["connectionId"], data)

    serve(gateway, {"send": send_blocking if blocking else send})
    client = await gateway.connect()
    await client.send_json({"action": "send"})
    frame = await client.receive_frame()
    assert frame is not None
    assert (frame.opcode, frame.payload) == (opcode, payload)


@pytest.mark.parametrize(("passes", "opcode"), [("PASS", BINARY), ("REJECT", TEXT)])
async def test_a_binary_post_is_a_binary_frame_where_the_api_passes_binary(
    gateway: TestGateway, passes: Any, opcode: int
):
    async def send(event: Event, context: Any) -> None:
        await context.connections.post(event["requestContext"]["connectionId"], b"\x00", binary=True)

    gateway.serve(python("send"), handlers={"send": send}, binary_messages=passes)
    client = await gateway.connect()
    await client.send_json({"action": "send"})
    frame = await client.receive_frame()
    assert frame is not None
    assert (frame.opcode, frame.payload) == (opcode, b"\x00")


async def test_get_tells_what_the_management_api_tells(gateway: TestGateway):
    async def look(event: Event, context: Any) -> Event:
        return ok(await context.connections.get(event["requestContext"]["connectionId"]))

    serve(gateway, {"look": look})
    client = await gateway.connect(headers=[("User-Agent", "test/1")])
    await client.send_json({"action": "look"})
    told = await client.receive_json()
    assert list(told) == ["identity", "connectedAt", "lastActiveAt"]
    assert told["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "test/1"}
    assert told["connectedAt"] <= told["lastActiveAt"]


async def test_delete_closes_the_connection_after_which_there_is_none(gateway: TestGateway):
    seen: list[str] = []

    async def kick(event: Event, context: Any) -> None:
        id = json.loads(event["body"])["id"]
        await context.connections.delete(id)
        seen.extend(await errors_of_all(context.connections, id))

    serve(gateway, {"kick": kick})
    ada, grace = await gateway.connect(), await gateway.connect()
    await ada.send_json({"action": "kick", "id": gateway.connections[1].id})
    assert await grace.receive_close() == (1000, "Connection Closed Normally")
    await ada.send_json({"action": "ping"})
    assert await ada.receive_text() == "pong"
    assert seen == ["Gone", "Gone", "Gone"]


async def test_a_handler_may_close_its_own_connection(gateway: TestGateway):
    async def leave(event: Event, context: Any) -> Event:
        await context.connections.delete(event["requestContext"]["connectionId"])
        return ok("too late")

    serve(gateway, {"leave": leave})
    client = await gateway.connect()
    await client.send_json({"action": "leave"})
    frame = await client.receive_frame()
    assert frame is not None
    assert frame.payload == b"\x03\xe8Connection Closed Normally"


async def test_what_cannot_be_posted_raises_what_it_is(gateway: TestGateway):
    unknown = ids.connection_id("beef", ids.api_tag("chat"))

    async def send(event: Event, context: Any) -> Event:
        own = event["requestContext"]["connectionId"]
        refused = [(unknown, "x"), ("no id", "x"), (own, "x" * 131_073)]
        return ok([await error_of(context.connections.post(id, data)) for id, data in refused])

    serve(gateway, {"send": send})
    client = await gateway.connect()
    await client.send_json({"action": "send"})
    assert await client.receive_json() == ["Gone", "BadRequest", "RequestTooLarge"]


async def test_on_connect_the_connection_is_not_there_yet_and_others_are(gateway: TestGateway):
    seen: list[str] = []
    others: list[str] = []

    async def connect(event: Event, context: Any) -> Event:
        own = event["requestContext"]["connectionId"]
        seen.extend(await errors_of_all(context.connections, own))
        for other in others:
            await context.connections.post(other, "somebody comes")
        return OK

    serve(gateway, {"$connect": connect})
    ada = await gateway.connect()
    assert seen == ["Gone", "Gone", "Gone"]
    others.append(gateway.connections[0].id)
    await gateway.connect()
    assert await ada.receive_text() == "somebody comes"


async def test_on_disconnect_the_connection_is_gone_and_others_are_there(gateway: TestGateway):
    seen: list[str] = []
    others: list[str] = []

    async def disconnect(event: Event, context: Any) -> None:
        own = event["requestContext"]["connectionId"]
        seen.extend(await errors_of_all(context.connections, own))
        await context.connections.post(others[0], "somebody went")

    serve(gateway, {"$disconnect": disconnect})
    ada = await gateway.connect()
    others.append(gateway.connections[0].id)
    grace = await gateway.connect()
    await grace.close()
    assert await ada.receive_text() == "somebody went"
    assert seen == ["Gone", "Gone", "Gone"]


# ---- context


@pytest.mark.parametrize("key", ["$connect", "x", "$disconnect"])
async def test_the_context_has_the_members_of_lambdas(gateway: TestGateway, key: str):
    seen: list[tuple[Event, Any, int]] = []

    async def handler(event: Event, context: Any) -> Event:
        seen.append((event, context, context.get_remaining_time_in_millis()))
        return OK

    serve(gateway, {key: handler}, timeout_ms=5_000)
    client = await gateway.connect()
    await client.send_json({"action": "x"})
    await client.close()
    await gateway.stop()
    ((event, context, remaining),) = seen
    assert context.aws_request_id == event["requestContext"]["requestId"]
    assert isinstance(context.function_name, str)
    assert 4_000 < remaining <= 5_000


async def test_an_event_is_the_handlers_own_to_change(gateway: TestGateway):
    async def first(event: Event, context: Any) -> None:
        event["requestContext"].clear()
        event.clear()

    async def second(event: Event, context: Any) -> Event:
        return ok(event["stageVariables"])

    stage = Stage(name="prod", variables={"tier": "gold"})
    handlers = {"first": first, "second": second}
    gateway.serve(*map(python, handlers), handlers=handlers, stage=stage)
    client = await gateway.connect()
    await client.send_json({"action": "first"})
    await client.send_json({"action": "second"})
    assert await client.receive_json() == {"tier": "gold"}


# ---- a plain function


async def test_a_plain_function_runs_beside_the_event_loop(gateway: TestGateway):
    release = threading.Event()
    threads: list[str] = []

    def block(event: Event, context: Any) -> Event:
        threads.append(threading.current_thread().name)
        release.wait(10)
        return ok("released")

    serve(gateway, {"block": block})
    waiting, other = await gateway.connect(), await gateway.connect()
    await waiting.send_json({"action": "block"})
    await other.send_json({"action": "ping"})
    # Nobody else waits for it.
    assert await other.receive_text() == "pong"
    release.set()
    assert await waiting.receive_text() == "released"
    assert threads != [threading.main_thread().name]


async def test_a_plain_function_has_blocking_connections(gateway: TestGateway):
    def send(event: Event, context: Any) -> Event:
        id = event["requestContext"]["connectionId"]
        context.connections.post(id, {"from": "thread"})
        told = context.connections.get(id)
        with pytest.raises(BadRequest):
            context.connections.post("no id", "x")
        return ok(list(told))

    serve(gateway, {"send": send})
    client = await gateway.connect()
    await client.send_json({"action": "send"})
    assert await client.receive_json() == {"from": "thread"}
    assert await client.receive_json() == ["identity", "connectedAt", "lastActiveAt"]


# ---- failures


def frame_of(gateway: TestGateway, frame: Any) -> str:
    """The message of an error frame of the only connection."""
    assert list(frame) == ["message", "connectionId", "requestId"]
    assert frame["connectionId"] == gateway.connections[0].id
    return str(frame["message"])


async def failing(event: Event, context: Any) -> None:
    raise ValueError("canary in the exception")


async def cancelling_itself(event: Event, context: Any) -> None:
    raise asyncio.CancelledError


async def recursing(event: Event, context: Any) -> None:
    await recursing(event, context)


def failing_plainly(event: Event, context: Any) -> None:
    raise KeyError("canary in the exception")


def exiting_plainly(event: Event, context: Any) -> None:
    raise SystemExit(3)


FAILURES = [failing, cancelling_itself, recursing, failing_plainly, exiting_plainly]


@pytest.mark.parametrize("handler", FAILURES, ids=[handler.__name__ for handler in FAILURES])
async def test_a_handler_that_fails_costs_its_message_and_nothing_else(
    gateway: TestGateway, handler: Handler, caplog: pytest.LogCaptureFixture
):
    serve(gateway, {"x": handler})
    client = await gateway.connect()
    await client.send_json({"action": "x", "text": "canary in the message"})
    text = await client.receive_text()
    assert frame_of(gateway, json.loads(text)) == "Internal server error"
    assert "canary" not in text
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"
    # The operator finds the traceback, and not what the client had sent.
    logged = [record for record in caplog.records if record.name == "wsgw.python"]
    assert len(logged) == 1
    assert logged[0].exc_info is not None
    assert "canary in the message" not in caplog.text


@pytest.mark.parametrize("handler", FAILURES, ids=[handler.__name__ for handler in FAILURES])
async def test_a_connect_handler_that_fails_refuses_the_handshake_with_502(gateway: TestGateway, handler: Handler):
    serve(gateway, {"$connect": handler})
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    assert refused.value.response.status == 502
    assert json.loads(refused.value.response.body)["message"] == "Internal server error"
    assert gateway.connections == []


async def test_a_disconnect_handler_that_fails_is_logged_and_nothing_else(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture
):
    serve(gateway, {"$disconnect": failing})
    client = await gateway.connect()
    assert await client.close(1000, "bye") == (1000, "bye")
    assert await gateway.stop() == 0
    assert [record.name for record in caplog.records if record.exc_info] == ["wsgw.python"]


RESULTS = [
    pytest.param({"statusCode": 200}, 101, "", id="200"),
    pytest.param({"statusCode": 299}, 101, "", id="299"),
    pytest.param({"statusCode": "200"}, 101, "", id="a status in quotes"),
    pytest.param({"statusCode": 401, "body": "who?"}, 401, "who?", id="401"),
    pytest.param({"statusCode": 302, "headers": {"Location": "/x"}}, 302, "", id="302"),
    pytest.param({"statusCode": 500, "body": "no"}, 500, "no", id="500"),
    pytest.param({"statusCode": 403, "body": "bm8=", "isBase64Encoded": True}, 403, "no", id="a body in base64"),
    pytest.param({}, 502, None, id="no status (choice)"),
    pytest.param({"statusCode": 99}, 502, None, id="a status that is none (choice)"),
    pytest.param({"statusCode": True}, 502, None, id="a status that is no number (choice)"),
    pytest.param(None, 502, None, id="nothing (choice)"),
    pytest.param("ok", 502, None, id="a text (choice)"),
]


@pytest.mark.parametrize(("result", "status", "body"), RESULTS)
async def test_what_connect_returns_decides_the_handshake(
    gateway: TestGateway, result: Any, status: int, body: str | None
):
    async def connect(event: Event, context: Any) -> Any:
        return result

    serve(gateway, {"$connect": connect})
    if status == 101:
        assert (await gateway.connect()).response.status == 101
        return
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    response = refused.value.response
    assert response.status == status
    if body is None:
        assert json.loads(response.body)["message"] == "Internal server error"
    else:
        assert response.body.decode() == body


async def test_an_asynchronous_handler_is_cancelled_at_its_deadline(gateway: TestGateway):
    cancelled = asyncio.Event()

    async def slow(event: Event, context: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    serve(gateway, {"slow": slow}, timeout_ms=50)
    client = await gateway.connect()
    await client.send_json({"action": "slow"})
    assert frame_of(gateway, await client.receive_json()) == "Endpoint request timed out"
    assert cancelled.is_set()
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"


async def test_a_plain_function_that_takes_too_long_is_not_waited_for(gateway: TestGateway):
    release = threading.Event()

    def slow(event: Event, context: Any) -> Event:
        release.wait(10)
        return ok("too late")

    serve(gateway, {"slow": slow}, timeout_ms=50)
    client = await gateway.connect()
    await client.send_json({"action": "slow"})
    assert frame_of(gateway, await client.receive_json()) == "Endpoint request timed out"
    release.set()
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"


async def test_a_connect_handler_that_takes_too_long_is_504(gateway: TestGateway):
    async def slow(event: Event, context: Any) -> None:
        await asyncio.Event().wait()

    serve(gateway, {"$connect": slow}, timeout_ms=50)
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    assert refused.value.response.status == 504
    assert json.loads(refused.value.response.body)["message"] == "Endpoint request timed out"


async def test_the_stages_limit_cuts_an_integrations_timeout_short(gateway: TestGateway):
    async def slow(event: Event, context: Any) -> None:
        await asyncio.Event().wait()

    stage = Stage(name="prod", limits=StageLimits(timeout_ms=50))
    gateway.serve(python("slow", two_way=False), handlers={"slow": slow}, stage=stage)
    client = await gateway.connect()
    await client.send_json({"action": "slow"})
    assert frame_of(gateway, await client.receive_json()) == "Endpoint request timed out"


# ---- files


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where modules are looked for is put back after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))


async def test_a_handler_is_found_beside_the_definition_file(gateway: TestGateway, tmp_path: Path, path: None):
    # Python has one module per name, and this test runs more than once.
    name = f"handlers_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(
        "async def whoami(event, context):\n"
        "    return {'statusCode': 200, 'body': event['requestContext']['connectionId']}\n"
    )
    gateway.serve(route("whoami", Integration(type="PYTHON", uri=f"{name}:whoami"), two_way=True), base=tmp_path)
    client = await gateway.connect()
    await client.send_json({"action": "whoami"})
    assert await client.receive_text() == gateway.connections[0].id


async def test_a_handler_that_is_not_there_is_found_at_deployment(gateway: TestGateway, tmp_path: Path, path: None):
    with pytest.raises(DefinitionError, match="no module nowhere: put it beside the definition file"):
        gateway.serve(route("x", Integration(type="PYTHON", uri="nowhere:x")), base=tmp_path)
