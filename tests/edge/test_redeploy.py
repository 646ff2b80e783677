"""Deployments while clients are connected: they reach open connections, and close none (R-16)."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from tests.harness.backend import Backend, Received
from tests.harness.events import RECORDER, Recorder
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.management import manage
from tests.harness.memory import resident
from tests.harness.raw_websocket import BINARY, HandshakeRefused, RawWebSocket
from tests.harness.until import until
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.route import Integration, Route
from wsgw.errors import DefinitionError

PING = route("ping", mock("pong"), two_way=True)
EXTRA = route("extra", mock("extra"), two_way=True)
DISCONNECT = route("$disconnect", RECORDER)
BROKEN = [
    pytest.param(route("bad", Integration(type="AWS", uri="arn:aws:apigateway:x:sqs:path/q")), id="not-served"),
    pytest.param(route("bad", Integration(type="PYTHON", uri="no_such_module_here:handler")), id="no-such-handler"),
    pytest.param(route("bad", http("ftp://localhost/")), id="no-such-scheme"),
    pytest.param(route("bad", mock("#if("), two_way=True), id="broken-template"),
]


async def say(client: RawWebSocket, action: str) -> str:
    await client.send_json({"action": action})
    return await client.receive_text()


async def is_refused(client: RawWebSocket, action: str) -> bool:
    return '"message": "Forbidden"' in await say(client, action)


class Talker:
    """A client that sends without a pause, and keeps what it was answered that was not `pong`."""

    def __init__(self, client: RawWebSocket) -> None:
        self.client = client
        self.answered = 0
        self.unexpected: list[str] = []
        self.refused = 0
        self._task = asyncio.create_task(self._talk())
        self._stopped = False

    async def _talk(self) -> None:
        while not self._stopped:
            answer = await say(self.client, "ping")
            self.answered += 1
            if answer != "pong":
                self.unexpected.append(answer)
            extra = await say(self.client, "extra")
            if extra != "extra":
                assert '"message": "Forbidden"' in extra
                self.refused += 1

    async def end(self) -> None:
        self._stopped = True
        await self._task


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.slow)])
async def test_two_hundred_deployments_close_nobody_and_fail_nothing_but_the_route_that_is_gone(
    gateway: TestGateway, lanes: bool, count: int
):
    if count == 200 and not lanes:
        pytest.skip("once is enough")
    recorder = Recorder()
    recorder.serve(gateway, PING, EXTRA, DISCONNECT)
    talkers = [Talker(await gateway.connect()) for _ in range(count)]
    ids = {connection.id for connection in gateway.connections}
    for number in range(200):
        kind = number % 4
        if kind == 1:
            recorder.serve(gateway, PING, DISCONNECT)
        elif kind == 3:
            with pytest.raises(DefinitionError):
                recorder.serve(gateway, PING, *BROKEN[number // 4 % 3].values)  # type: ignore[arg-type]
        else:
            recorder.serve(gateway, PING, EXTRA, DISCONNECT)
        before = sum(talker.answered for talker in talkers)
        await until(lambda before=before: sum(talker.answered for talker in talkers) >= before + 10)
    for talker in talkers:
        await talker.end()
    assert [talker.unexpected for talker in talkers] == [[]] * len(talkers)
    assert sum(talker.refused for talker in talkers) > 0
    assert {connection.id for connection in gateway.connections} == ids
    assert recorder.events == []
    assert gateway.connections[0].slot.connections == len(talkers)
    for talker in talkers:
        assert await talker.client.close() == (1000, "")
    assert len(await recorder.wait_for_endings(len(talkers))) == len(talkers)
    assert gateway.connections == []


async def test_deployments_that_were_replaced_take_no_memory(gateway: TestGateway):
    client = None
    routes = [route(f"route{number}", mock('{"number": $input.json("$.n")}'), two_way=True) for number in range(20)]

    def deploy(times: int) -> None:
        for _ in range(times):
            gateway.serve(PING, *routes)

    gateway.serve(PING)
    client = await gateway.connect()
    deploy(100)
    gc.collect()
    before, objects = resident(), len(gc.get_objects())
    deploy(200)
    gc.collect()
    assert len(gc.get_objects()) - objects < 1000
    assert resident() - before < 0.05 * before
    assert await say(client, "ping") == "pong"


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_deployment_that_cannot_be_leaves_the_one_before(gateway: TestGateway, broken: Route):
    gateway.serve(PING)
    client = await gateway.connect()
    with pytest.raises(DefinitionError):
        gateway.deploy(api(PING, EXTRA), api(PING, broken, id="other"))
    assert await say(client, "ping") == "pong"
    assert await is_refused(client, "extra")
    assert await say(await gateway.connect(), "ping") == "pong"


async def test_a_renamed_route_reaches_connections_that_are_open(gateway: TestGateway):
    gateway.serve(route("old", mock("answer"), two_way=True))
    client = await gateway.connect()
    assert await say(client, "old") == "answer"
    gateway.serve(route("new", mock("answer"), two_way=True))
    assert await say(client, "new") == "answer"
    assert await is_refused(client, "old")


async def test_a_message_under_way_finishes_on_the_deployment_it_began_with(gateway: TestGateway, backend: Backend):
    opened = asyncio.Event()

    async def answer(request: Received) -> Any:
        await opened.wait()
        return backend.nothing(b"from the old one")

    backend.answer("/old", answer)
    backend.on("/new", body=b"from the new one")
    gateway.serve(route("$default", http(f"{backend.url}/old"), two_way=True))
    client = await gateway.connect()
    await client.send_text("first")
    await backend.wait_for("/old")
    gateway.serve(route("$default", http(f"{backend.url}/new"), two_way=True))
    await client.send_text("second")
    opened.set()
    assert [await client.receive_text() for _ in range(2)] == ["from the old one", "from the new one"]


async def test_everything_else_of_a_stage_reaches_open_connections_too(gateway: TestGateway):
    def versions(text: str, **members: Any) -> Api:
        return api(
            route("$default", mock('{"tier":"$stageVariables.tier"}'), two_way=True),
            stage=Stage(name="prod", variables={"tier": text}),
            **members,
        )

    gateway.deploy(versions("old"))
    client = await gateway.connect()
    assert await say(client, "x") == '{"tier":"old"}'
    gateway.deploy(versions("new", binary_messages="PASS"))
    assert await say(client, "x") == '{"tier":"new"}'
    await client.send_frame(BINARY, b"\0")
    assert await client.receive_text() == '{"tier":"new"}'
    gateway.deploy(versions("new"))
    await client.send_frame(BINARY, b"\0")
    assert await client.receive_close() == (1003, "Binary is not supported")


async def test_a_new_disconnect_route_is_told_of_connections_that_were_open(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect()
    recorder = Recorder()
    recorder.serve(gateway, PING, DISCONNECT)
    await client.close(4001, "bye")
    assert await recorder.wait_for_endings() == [(4001, "bye")]


async def test_a_stage_that_goes_and_comes_back_finds_its_connections_again(gateway: TestGateway):
    gateway.deploy(api(PING), api(PING, id="other", stage=Stage(name="beta")))
    client = await gateway.connect("/prod")
    (connection,) = gateway.connections
    for _ in range(3):
        gateway.deploy(api(PING, id="other", stage=Stage(name="beta")))
        assert await is_refused(client, "ping")
        assert (await manage(gateway, "POST", connection.id, b"x")).status == 403
        with pytest.raises(HandshakeRefused) as refused:
            await gateway.connect("/prod")
        assert refused.value.response.status == 403
    assert gateway.connections == [connection]
    gateway.deploy(api(PING), api(PING, id="other", stage=Stage(name="beta")))
    assert await say(client, "ping") == "pong"
    assert await say(await gateway.connect("/prod"), "ping") == "pong"
    slots = {connection.slot for connection in gateway.connections}
    assert [slot.connections for slot in slots] == [2]
    push = asyncio.create_task(manage(gateway, "POST", connection.id, b"push"))
    assert await client.receive() == b"push"
    assert (await push).status == 200


async def test_a_handshake_under_way_while_its_stage_goes_and_comes_back_is_one_of_its_connections(
    gateway: TestGateway, backend: Backend
):
    let_in = asyncio.Event()

    async def connect(request: Received) -> Any:
        await let_in.wait()
        return backend.nothing()

    backend.answer("/connect", connect)
    asks = route("$connect", http(f"{backend.url}/connect"))
    gateway.serve(PING, asks)
    connecting = asyncio.create_task(gateway.connect())
    await backend.wait_for("/connect")
    gateway.deploy()
    gateway.serve(PING, asks)
    let_in.set()
    client = await connecting
    assert await say(client, "ping") == "pong"


async def test_connections_of_a_stage_that_is_gone_end_by_api_gateways_limits(gateway: TestGateway):
    gateway.serve(PING, stage=Stage(name="prod", limits=StageLimits(idle_seconds=0, duration_seconds=0)))
    gateway.clock.stand_still()
    client = await gateway.connect()
    gateway.deploy()
    gateway.advance(599)
    assert gateway.connections
    gateway.advance(2)
    assert await client.receive_close() == (1001, "Going away")


async def test_connections_of_a_stage_that_is_gone_still_close_as_they_like(gateway: TestGateway):
    gateway.serve(PING)
    client = await gateway.connect()
    gateway.deploy()
    assert await client.close(4001, "bye") == (4001, "bye")
    await until(lambda: not gateway.connections)


async def test_a_client_that_answers_no_close_is_dropped_in_time_right_after_a_deployment(make_gateway: Any):
    """A deployment has every connection looked at soon: that look is not to begin the wait for the close anew."""
    gateway = await make_gateway(close_seconds=5)
    gateway.clock.stand_still()
    gateway.deploy(api(PING))
    clients = [await gateway.connect() for _ in range(2)]
    gateway.deploy(api(PING))
    # The last one is looked at late enough to tell the two waits apart.
    gateway.connections[-1].close(1001, "Going away")
    await clients[-1].receive_close()
    for _ in range(6):
        gateway.advance(1)
    await clients[-1].receive_eof()
