"""`wsgw connections` against a running gateway."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.raw_websocket import RawWebSocket
from wsgw import ids
from wsgw.cli.main import main
from wsgw.control import endpoint
from wsgw.definitions.api import Stage

PING = route("ping", mock("pong"), two_way=True)


@pytest.fixture
def lanes() -> bool:
    """The control port has no lanes: once is enough."""
    return True


@pytest.fixture
async def served(gateway: TestGateway) -> TestGateway:
    """Two APIs, one with two stages."""
    stages = {name: Stage(name=name) for name in ("prod", "test")}
    gateway.deploy(api(PING, stages=stages), api(PING, id="other"))
    return gateway


async def wsgw(*words: str, gateway: TestGateway | None = None, input: bytes | None = None) -> Result:
    """Run `wsgw connections WORDS`; in a thread, because the gateway runs in this one."""
    control = () if gateway is None else ("--control", gateway.control)
    return await asyncio.to_thread(CliRunner().invoke, main, ["connections", *words, *control], input)


async def one(gateway: TestGateway, path: str = "/chat/prod") -> tuple[RawWebSocket, str]:
    """A new client and its id."""
    known = {connection.id for connection in gateway.connections}
    client = await gateway.connect(path)
    (id,) = {connection.id for connection in gateway.connections} - known
    return client, id


# ---- list


async def test_list_of_nothing_is_nothing(served: TestGateway):
    result = await wsgw("list", gateway=served)
    assert (result.exit_code, result.output) == (0, "")


async def test_list_prints_a_line_per_connection(served: TestGateway):
    found = {(await one(served, f"/{place}"))[1]: place for place in ("chat/prod", "chat/test", "other/prod")}
    result = await wsgw("list", gateway=served)
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    assert {line[0]: line[1] for line in lines} == found
    time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    for _, _, address, connected, since, active, at in lines:
        assert (address, connected, active) == ("127.0.0.1", "connected", "active")
        assert time.fullmatch(since)
        assert time.fullmatch(at)


CHOICES = [
    pytest.param(["--api", "chat"], 3, id="api"),
    pytest.param(["--stage", "prod"], 3, id="stage"),
    pytest.param(["--api", "chat", "--stage", "prod"], 2, id="api and stage"),
    pytest.param(["--api", "nobody"], 0, id="an api that is not there"),
    pytest.param([], 4, id="all"),
]


@pytest.mark.parametrize(("options", "count"), CHOICES)
async def test_list_can_be_narrowed(served: TestGateway, options: list[str], count: int):
    for path in ("/chat/prod", "/chat/prod", "/chat/test", "/other/prod"):
        await served.connect(path)
    result = await wsgw("list", *options, gateway=served)
    assert len(result.output.splitlines()) == count


async def test_list_as_json_is_an_object_a_line(served: TestGateway):
    _, id = await one(served)
    result = await wsgw("list", "--json", gateway=served)
    (row,) = map(json.loads, result.output.splitlines())
    assert list(row) == ["connectionId", "apiId", "stage", "identity", "connectedAt", "lastActiveAt"]
    assert (row["connectionId"], row["apiId"], row["stage"]) == (id, "chat", "prod")
    assert row["identity"] == {"sourceIp": "127.0.0.1", "userAgent": None}


@pytest.mark.parametrize("connections", [3, 4, 5], ids=["less than two pages", "two pages", "two pages and one"])
async def test_list_goes_on_until_the_last_page(served: TestGateway, monkeypatch: pytest.MonkeyPatch, connections: int):
    monkeypatch.setattr(endpoint, "_PAGE", 2)
    found = {(await one(served))[1] for _ in range(connections)}
    result = await wsgw("list", gateway=served)
    listed = [line.split()[0] for line in result.output.splitlines()]
    assert (set(listed), len(listed)) == (found, connections)


# ---- get, send, close


async def test_get_prints_one_connection(served: TestGateway):
    _, id = await one(served)
    result = await wsgw("get", id, gateway=served)
    assert result.exit_code == 0
    assert json.loads(result.output)["connectionId"] == id


@pytest.mark.parametrize("text", ["hello", "Grüße", "", "two\nlines", '{"a": 1}'])
async def test_send_sends_a_text(served: TestGateway, text: str):
    client, id = await one(served)
    result = await wsgw("send", id, text, gateway=served)
    assert (result.exit_code, result.output) == (0, "")
    assert await client.receive_text() == text


async def test_send_reads_what_is_long_from_standard_input(served: TestGateway):
    client, id = await one(served)
    result = await wsgw("send", id, "-", gateway=served, input=b"x" * 100_000)
    assert result.exit_code == 0
    assert await client.receive_text() == "x" * 100_000


async def test_close_closes_with_1000(served: TestGateway):
    client, id = await one(served)
    result = await wsgw("close", id, gateway=served)
    assert (result.exit_code, result.output) == (0, "")
    assert await client.receive_close() == (1000, "Connection Closed Normally")
    assert (await wsgw("get", id, gateway=served)).exit_code == 1


# ---- what can go wrong


@pytest.mark.parametrize("command", [["get"], ["send", "x"], ["close"]], ids=lambda command: command[0])
async def test_a_connection_that_is_not_there_is_said_so(served: TestGateway, command: list[str]):
    gone = ids.connection_id("beef", ids.api_tag("chat"))
    for id, complaint in ((gone, "wsgw: 410: GoneException\n"), ("no/id", "wsgw: 400: Invalid connectionId: no/id\n")):
        result = await wsgw(command[0], id, *command[1:], gateway=served)
        assert (result.exit_code, result.output) == (1, complaint)


@pytest.mark.parametrize("size", [131_073, 2_000_000], ids=["above the message limit", "above what is read"])
async def test_a_message_that_is_too_large_is_refused_in_words(served: TestGateway, size: int):
    client, id = await one(served)
    result = await wsgw("send", id, "-", gateway=served, input=b"x" * size)
    assert result.exit_code == 1
    assert result.output.startswith("wsgw: 413: ")
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"


async def test_without_a_gateway_the_command_says_so(served: TestGateway):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    result = await wsgw("list", "--control", f"http://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert result.output.startswith(f"wsgw: no gateway answers at http://127.0.0.1:{port}: ")
    assert result.output.endswith("is `wsgw serve` running, and is this its control port (--control)?\n")


async def test_an_address_that_is_no_control_port_is_said_so(served: TestGateway, backend: Backend):
    backend.on("/connections", 200, "<html>hello</html>")
    for address in (backend.url, served.url):
        result = await wsgw("list", "--control", address)
        assert result.exit_code == 1, result.exception
        assert result.output.startswith("wsgw: ")
        assert address in result.output or "403" in result.output


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:port", "127.0.0.1:8081", "https://127.0.0.1:8081", "http://", ""]
)
async def test_an_address_that_is_none_is_wrong_use(address: str):
    result = await wsgw("list", "--control", address)
    assert result.exit_code == 2, result.exception
    assert "--control" in result.output


async def test_the_address_may_stand_in_the_environment(served: TestGateway, monkeypatch: pytest.MonkeyPatch):
    _, id = await one(served)
    monkeypatch.setenv("WSGW_CONTROL", served.control)
    result = await wsgw("list")
    assert result.output.startswith(id)


async def test_the_port_is_the_one_that_the_gateway_takes_from_the_environment(
    served: TestGateway, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WSGW_CONTROL_PORT", served.control.rpartition(":")[2])
    assert (await wsgw("list")).exit_code == 0


async def test_the_whole_command_runs_as_a_program(served: TestGateway):
    _, id = await one(served)
    program = Path(__file__).parents[2] / ".venv" / "bin" / "wsgw"
    words = (program, "connections", "get", id, "--control", served.control)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    assert json.loads(out)["connectionId"] == id
    assert urlsplit(served.control).hostname == "127.0.0.1"
