"""Access logs: one record per handshake, message, disconnect and management call, in the stage's format, in a file.

Source: AWS WebSocket developer guide, "Set up logging for WebSocket APIs"; records of management calls as seen on the
service.
"""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.management import manage
from tests.harness.raw_websocket import HandshakeRefused
from tests.harness.until import until
from wsgw import ids
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Stage
from wsgw.definitions.model import Model
from wsgw.definitions.route import Integration
from wsgw.observe.logs import AccessLog

PING = route("ping", mock("pong"), two_way=True)
CALL = "{} /@connections/{{connectionId}}"
DEFAULT_MEMBERS = [
    "requestId",
    "ip",
    "requestTime",
    "routeKey",
    "eventType",
    "status",
    "connectionId",
    "messageId",
    "apiId",
    "stage",
    "error",
    "integrationLatency",
]


def logging(format: str | None = "", **members: Any) -> Stage:
    return Stage(name="prod", access_log_format=format, **members)


class Logged:
    """A gateway whose access log goes to a file, which is read after the gateway has stopped."""

    def __init__(self, gateway: TestGateway, file: Path) -> None:
        self.gateway = gateway
        self.file = file

    async def lines(self) -> list[str]:
        await self.gateway.stop()
        text = self.file.read_text()
        assert text.endswith("\n") or not text
        return text.splitlines()

    async def records(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in await self.lines()]

    async def ping(self, *messages: Any) -> None:
        """Connect, send `messages` and have each answered, close."""
        client = await self.gateway.connect()
        for message in messages:
            await client.send_json(message)
            await client.receive()
        await client.close()


@pytest.fixture
async def logged(make_gateway: MakeGateway, tmp_path: Path) -> Logged:
    file = tmp_path / "access.log"
    return Logged(await make_gateway(access_log=str(file)), file)


# ---- which records


async def test_there_is_one_record_of_each_thing_that_happens(logged: Logged, backend: Backend):
    gateway = logged.gateway
    gateway.serve(PING, route("$connect", http(f"{backend.url}/c")), route("$disconnect", http(f"{backend.url}/d")))
    client = await gateway.connect()
    (connection,) = gateway.connections
    await client.send_json({"action": "ping"})
    await client.receive()
    for method in ("POST", "GET", "DELETE"):
        await manage(gateway, method, connection.id, b"x" if method == "POST" else None)
    await client.receive_close()
    await client.drop()
    await backend.wait_for("/d")
    records = await logged.records()
    # When the client's socket is gone is no matter of order with the answer to DELETE.
    found = sorted((record["eventType"], record["routeKey"], record["status"]) for record in records)
    calls = [("CONNECTION_API", CALL.format(method), status) for method, status in CALLS]
    lifecycle = [("CONNECT", "$connect", "200"), ("DISCONNECT", "$disconnect", "200"), ("MESSAGE", "ping", "200")]
    assert found == sorted([*lifecycle, *calls])
    assert {record["connectionId"] for record in records} == {connection.id}
    assert len({record["requestId"] for record in records}) == 6


CALLS = [("DELETE", "204"), ("GET", "200"), ("POST", "200")]


@pytest.mark.parametrize("with_routes", [True, False], ids=["with lifecycle routes", "without"])
async def test_handshakes_and_disconnects_are_recorded_with_and_without_routes(
    logged: Logged, backend: Backend, with_routes: bool
):
    lifecycle = [route(key, http(backend.url)) for key in ("$connect", "$disconnect")] if with_routes else []
    logged.gateway.serve(PING, *lifecycle)
    await logged.ping()
    assert [record["eventType"] for record in await logged.records()] == ["CONNECT", "DISCONNECT"]


async def test_the_default_format_says_what_is_known_and_a_dash_for_the_rest(logged: Logged, backend: Backend):
    logged.gateway.serve(route("x", http(f"{backend.url}/x"), two_way=True))
    backend.on("/x", 200, "y")
    await logged.ping({"action": "x"})
    connect, message, disconnect = await logged.records()
    for record in (connect, message, disconnect):
        assert list(record) == DEFAULT_MEMBERS
        assert (record["ip"], record["apiId"], record["stage"], record["error"]) == ("127.0.0.1", "chat", "prod", "-")
        assert len(record["requestId"]) == 16
    assert (connect["messageId"], connect["integrationLatency"]) == ("-", "-")
    assert message["messageId"].endswith("=")
    assert message["integrationLatency"].isdecimal()
    assert (disconnect["messageId"], disconnect["integrationLatency"]) == ("-", "-")


REFUSED = [
    pytest.param("unknown", "403", "ACCESS_DENIED", id="no route"),
    pytest.param("throttled", "429", "THROTTLED", id="throttled"),
    pytest.param("invalid", "400", "BAD_REQUEST_BODY", id="not valid"),
    pytest.param("away", "504", "INTEGRATION_FAILURE", id="backend away"),
    pytest.param("unmapped", "500", "API_CONFIGURATION_ERROR", id="no integration response"),
]


@pytest.mark.parametrize(("action", "status", "error"), REFUSED)
async def test_a_message_that_fails_is_recorded_with_its_status_and_response_type(
    logged: Logged, backend: Backend, action: str, status: str, error: str
):
    model = Model(name="Never", schema={"type": "string"})
    nothing = ThrottleSettings(rate_limit=0.001, burst_limit=0)
    logged.gateway.serve(
        route("throttled", mock("x"), throttle=nothing),
        route("invalid", mock("x"), model_selection_expression="$default", request_models={"$default": "Never"}),
        route("away", http("http://127.0.0.1:1/")),
        route("unmapped", Integration(type="MOCK", request_templates={"$default": '{"statusCode":200}'}), two_way=True),
        models={"Never": model},
    )
    await logged.ping({"action": action})
    message = (await logged.records())[1]
    assert (message["eventType"], message["status"], message["error"]) == ("MESSAGE", status, error)
    assert message["routeKey"] == ("$default" if action == "unknown" else action)


async def test_a_refused_handshake_is_recorded_with_the_status_the_client_got(logged: Logged, backend: Backend):
    for status, path in ((401, "/no"), (302, "/elsewhere")):
        backend.on(path, status, "x")
        logged.gateway.serve(route("$connect", http(backend.url + path)))
        with pytest.raises(HandshakeRefused, match=str(status)):
            await logged.gateway.connect()
    logged.gateway.serve(route("$connect", http("http://127.0.0.1:1/")))
    with pytest.raises(HandshakeRefused, match="504"):
        await logged.gateway.connect()
    found = [(record["eventType"], record["status"], record["error"]) for record in await logged.records()]
    assert found == [("CONNECT", "401", "-"), ("CONNECT", "302", "-"), ("CONNECT", "504", "INTEGRATION_FAILURE")]


async def test_management_calls_that_fail_are_recorded(logged: Logged):
    gateway = logged.gateway
    gateway.serve(PING)
    gone = ids.connection_id("beef", ids.api_tag("chat"))
    await manage(gateway, "POST", gone, b"x")
    await manage(gateway, "GET", "no id")
    found = [(record["routeKey"], record["status"], record["connectionId"]) for record in await logged.records()]
    # A body that is too large, 413, is refused before it is read; the service logs no such call either.
    assert found == [(CALL.format("POST"), "410", gone), (CALL.format("GET"), "400", "no id")]


async def test_a_stage_without_a_log_writes_nothing_and_its_neighbour_does(logged: Logged):
    gateway = logged.gateway
    silent, loud = Stage(name="silent", access_log_format=None), Stage(name="loud")
    gateway.deploy(api(PING, stages={"silent": silent, "loud": loud}))
    for path in ("/silent", "/loud"):
        client = await gateway.connect(path)
        await client.close()
    assert [record["stage"] for record in await logged.records()] == ["loud", "loud"]


async def test_the_format_of_a_new_deployment_is_used_at_once(logged: Logged):
    gateway = logged.gateway
    gateway.serve(PING, stage=logging("one $context.requestId"))
    client = await gateway.connect()
    gateway.serve(PING, stage=logging("two $context.requestId"))
    await client.send_json({"action": "ping"})
    await client.receive()
    assert [line.partition(" ")[0] for line in (await logged.lines())[:2]] == ["one", "two"]


# ---- formats

CLF = '$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "$context.eventType $context.routeKey $context.connectionId" $context.status $context.requestId'  # noqa: E501
CSV = "$context.requestId,$context.routeKey,$context.status,$context.nothere,$context.error.message"
XML = '<r id="$context.requestId"><agent>$context.identity.userAgent</agent><key>$context.routeKey</key></r>'
JSON = '{"id":"$context.requestId","agent":"$context.identity.userAgent","at":$context.requestTimeEpoch,"error":$context.error.messageString}'  # noqa: E501
HOSTILE_AGENT = '</agent>"},\\ {"x":"y'


async def one_message(logged: Logged, format: str, action: str = "ping", **options: Any) -> str:
    """The line of one message."""
    logged.gateway.serve(PING, stage=logging(format))
    client = await logged.gateway.connect(**options)
    await client.send_json({"action": action})
    await client.receive()
    return (await logged.lines())[1]


async def test_common_log_format(logged: Logged):
    words = (await one_message(logged, CLF)).split(" ")
    assert words[:3] == ["127.0.0.1", "-", "-"]
    assert (words[3][0], words[4]) == ("[", "+0000]")
    assert words[5:7] == ['"MESSAGE', "ping"]
    assert words[8] == "200"


async def test_comma_separated_values(logged: Logged):
    line = await one_message(logged, CSV, "unknown")
    assert line.split(",")[1:] == ["$default", "403", "-", "Forbidden"]


async def test_xml_stays_xml_whatever_the_client_calls_itself(logged: Logged):
    line = await one_message(logged, XML, headers=[("User-Agent", HOSTILE_AGENT)])
    assert ElementTree.fromstring(line).findtext("agent") == HOSTILE_AGENT


async def test_json_stays_json_whatever_the_client_calls_itself(logged: Logged):
    line = await one_message(logged, JSON, "unknown", headers=[("User-Agent", HOSTILE_AGENT)])
    record = json.loads(line)
    assert (record["agent"], record["error"]) == (HOSTILE_AGENT, "Forbidden")
    assert isinstance(record["at"], int)


async def test_why_a_message_was_not_valid_is_in_the_log_alone(logged: Logged):
    model = Model(name="Text", schema={"type": "string"})
    logged.gateway.serve(
        route("$default", mock("x"), model_selection_expression="$default", request_models={"$default": "Text"}),
        models={"Text": model},
        stage=logging("$context.requestId|$context.error.validationErrorString"),
    )
    await logged.ping({})
    why = (await logged.lines())[1].partition("|")[2]
    assert "is not of type" in why


async def test_no_log_repeats_what_was_wrong_in_a_message(logged: Logged, caplog: pytest.LogCaptureFixture):
    """S-11: the access log says which rule, the reasons not even that: members' names are the sender's too."""
    schema = {"properties": {"n": {"type": "number"}}, "additionalProperties": False}
    logged.gateway.serve(
        route("$default", mock("x"), model_selection_expression="$default", request_models={"$default": "Model"}),
        models={"Model": Model(name="Model", schema=schema)},
        stage=logging("$context.requestId|$context.error.validationErrorString"),
    )
    with caplog.at_level("DEBUG"):
        await logged.ping({"n": "canary"})
        await logged.ping({"canary": 1})
    assert "BAD_REQUEST_BODY" in caplog.text
    assert "canary" not in caplog.text
    assert [line.partition("|")[2] for line in await logged.lines()][1] == '[n] the value is not of type "number"'


async def test_status_and_latency_of_the_integration(logged: Logged, backend: Backend):
    backend.on("/x", 503, "y")
    format = "$context.requestId $context.status $context.integration.status $context.integration.latency $context.integrationLatency"  # noqa: E501
    logged.gateway.serve(route("x", http(f"{backend.url}/x"), two_way=True), stage=logging(format))
    await logged.ping({"action": "x"})
    connect, message, _ = [line.split(" ")[1:] for line in await logged.lines()]
    assert connect == ["200", "-", "-", "-"]
    # What the client is sent has no status of its own: 200, whatever the backend said.
    assert message[:2] == ["200", "503"]
    assert message[2] == message[3]
    assert message[2].isdecimal()


async def test_disconnect_code_and_reason(logged: Logged):
    format = "$context.requestId|$context.disconnectStatusCode|$context.disconnectReason"
    logged.gateway.serve(PING, stage=logging(format))
    client = await logged.gateway.connect()
    await client.close(4001, "a\nb")
    connect, disconnect = await logged.lines()
    assert connect.split("|")[1:] == ["-", "-"]
    assert disconnect.split("|")[1:] == ["4001", "a\\nb"]


async def test_nothing_secret_of_a_client_is_logged(logged: Logged, backend: Backend, caplog: pytest.LogCaptureFixture):
    """Tokens in the query, in headers, in messages and as subprotocols (S-11)."""
    gateway = logged.gateway
    backend.on("/c", 200, headers={"Sec-WebSocket-Protocol": "canary-protocol"})
    gateway.serve(PING, route("$connect", http(f"{backend.url}/c")), route("away", http("http://127.0.0.1:1/")))
    client = await gateway.connect(
        "/prod?token=canary-query",
        headers=[("Authorization", "Bearer canary-header"), ("Cookie", "s=canary-cookie")],
        subprotocols=["canary-protocol"],
    )
    for action in ("ping", "away", "unknown"):
        await client.send_json({"action": action, "token": "canary-message"})
        await client.receive()
    await client.close()
    assert "canary" in str(backend.got("/c")[0])
    assert "canary" not in "\n".join(await logged.lines())
    assert "canary" not in caplog.text
    assert "canary" not in gateway.app.metrics.exposition().decode()


# ---- the file


async def test_no_record_is_lost_when_the_gateway_stops(logged: Logged):
    logged.gateway.serve(PING)
    clients = [await logged.gateway.connect() for _ in range(3)]
    for client in clients:
        for _ in range(100):
            await client.send_json({"action": "ping"})
    for client in clients:
        for _ in range(100):
            await client.receive()
    found = [record["eventType"] for record in await logged.records()]
    # Those that were still open have a record of their end, too.
    assert {kind: found.count(kind) for kind in found} == {"CONNECT": 3, "MESSAGE": 300, "DISCONNECT": 3}


async def test_records_are_appended_to_what_the_file_has(make_gateway: MakeGateway, tmp_path: Path):
    file = tmp_path / "access.log"
    file.write_text("before\n")
    logged = Logged(await make_gateway(access_log=str(file)), file)
    logged.gateway.serve(PING)
    await logged.ping()
    assert [line[:6] for line in await logged.lines()] == ["before", '{"requ', '{"requ']


async def test_records_reach_the_file_while_the_gateway_runs(logged: Logged):
    logged.gateway.serve(PING)
    client = await logged.gateway.connect()
    await client.send_json({"action": "ping"})
    await client.receive()
    await until(lambda: logged.file.read_text().count("\n") == 2)


def dropped(gateway: TestGateway) -> float:
    for line in gateway.app.metrics.exposition().decode().splitlines():
        if line.startswith('wsgw_events_total{event="access_log_dropped"}'):
            return float(line.rpartition(" ")[2])
    return 0


async def test_a_full_disk_costs_records_which_are_counted_and_nothing_else(make_gateway: MakeGateway):
    gateway = await make_gateway(access_log="/dev/full")
    gateway.serve(PING)
    before = dropped(gateway)
    client = await gateway.connect()
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"
    await client.close()
    assert await gateway.stop() == 0
    assert dropped(gateway) - before == 3


async def test_a_slow_disk_loses_nothing_at_the_end():
    release = threading.Event()

    class Slow(io.BytesIO):
        def write(self, data: Any) -> int:
            release.wait(10)
            return super().write(data)

    stream = Slow()
    log = AccessLog(stream, every=60)
    for number in range(5):
        log.add(lambda _, number=number: f"line {number}", None)  # type: ignore[arg-type, misc]
        if number < 4:
            log.flush()
    threading.Timer(0.05, release.set).start()
    log.close()
    assert stream.getvalue().decode().splitlines() == [f"line {number}" for number in range(5)]
