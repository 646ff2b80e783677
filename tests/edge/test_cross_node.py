"""A push to any node reaches the connection on any other, and the answer is what happened there."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.machine_lag import MachineLag
from tests.harness.management import manage
from tests.harness.raw_websocket import BINARY, HandshakeRefused
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw.definitions.api import Stage, StageLimits
from wsgw.definitions.route import Integration
from wsgw.ids import api_tag, connection_id
from wsgw.stores.base import Answer
from wsgw.stores.memory_bus import Exchange, MemoryBus


@pytest.fixture
async def nodes(make_gateway: MakeGateway, redis: RedisServer) -> tuple[TestGateway, TestGateway]:
    """Two nodes of one cluster, both serving the same API."""
    here, there = [await make_gateway(redis=redis.url, redis_seconds=1) for _ in range(2)]
    for node in (here, there):
        node.serve(route("hi", mock("hello"), two_way=True), binary_messages="PASS")
    return here, there


async def test_a_post_to_another_node_reaches_the_client(nodes: tuple[TestGateway, TestGateway]):
    here, there = nodes
    client = await there.connect()
    answer = await manage(here, "POST", there.connections[0].id, b"from afar")
    assert (answer.status, answer.body) == (200, b"")
    assert await client.receive() == b"from afar"


async def test_a_binary_push_stays_binary_on_its_way(nodes: tuple[TestGateway, TestGateway]):
    here, there = nodes
    client = await there.connect()
    headers = [("Content-Type", "application/octet-stream")]
    answer = await manage(here, "POST", there.connections[0].id, bytes(range(256)), headers)
    assert answer.status == 200
    frame = await client.receive_frame()
    assert frame is not None
    assert (frame.opcode, frame.payload) == (BINARY, bytes(range(256)))


async def test_get_says_the_same_on_every_node(nodes: tuple[TestGateway, TestGateway]):
    here, there = nodes
    await there.connect()
    known = there.connections[0].id
    near, far = await manage(there, "GET", known), await manage(here, "GET", known)
    assert near.status == far.status == 200
    assert near.body == far.body
    assert list(json.loads(far.body)) == ["identity", "connectedAt", "lastActiveAt"]


async def test_delete_closes_the_client_of_another_node(nodes: tuple[TestGateway, TestGateway]):
    here, there = nodes
    client = await there.connect()
    known = there.connections[0].id
    assert (await manage(here, "DELETE", known)).status == 204
    assert await client.receive_close() == (1000, "Connection Closed Normally")
    assert (await manage(here, "DELETE", known)).status == 410


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_connection_that_is_gone_is_410_on_every_node(nodes: tuple[TestGateway, TestGateway], method: str):
    here, there = nodes
    client = await there.connect()
    known = there.connections[0].id
    await client.send_close(1000)
    await client.receive_close()
    answer = await manage(here, method, known)
    assert (answer.status, answer.body) == (410, b"")


async def test_a_message_beyond_the_limit_of_its_owner_is_413(make_gateway: MakeGateway, redis: RedisServer):
    here, there = [await make_gateway(redis=redis.url, redis_seconds=1) for _ in range(2)]
    here.serve(route("hi", mock("hello")))
    there.serve(route("hi", mock("hello")), stage=Stage(name="prod", limits=StageLimits(message_bytes=1000)))
    await there.connect()
    answer = await manage(here, "POST", there.connections[0].id, b"x" * 2000)
    assert (answer.status, answer.body) == (413, b"")


async def test_a_full_outbox_on_another_node_is_429(make_gateway: MakeGateway, redis: RedisServer):
    # Two hundred at once may take longer than a push may otherwise.
    settings = {"redis": redis.url, "redis_seconds": 1, "outbox_bytes": 65_536, "bus_seconds": 30}
    here, there = [await make_gateway(**settings) for _ in range(2)]
    for node in (here, there):
        node.serve(route("hi", mock("hello")))
    await there.connect(receive_buffer=4096)
    known = there.connections[0].id
    statuses: list[int] = []

    async def push() -> None:
        statuses.append((await manage(here, "POST", known, b"x" * 60_000)).status)

    pushes = [asyncio.create_task(push()) for _ in range(200)]
    await until(lambda: 429 in statuses)
    for task in pushes:
        task.cancel()
    await asyncio.gather(*pushes, return_exceptions=True)
    assert set(statuses) <= {200, 429}


async def test_an_id_of_another_api_is_403_before_any_node_is_asked(nodes: tuple[TestGateway, TestGateway]):
    here, _ = nodes
    stranger = connection_id("beef", api_tag("other"))
    assert (await manage(here, "POST", stranger, b"x")).status == 403


async def test_a_node_that_never_was_is_not_claimed_to_have_lost_a_connection(nodes: tuple[TestGateway, TestGateway]):
    """410 would make a backend forget a client who may be there: until the view is sure, it is 503."""
    here, _ = nodes
    answer = await manage(here, "POST", connection_id("beef", api_tag("chat")), b"x")
    assert answer.status == 503
    assert answer.header("Retry-After") == "1"
    assert answer.header("x-amzn-ErrorType") == "ServiceUnavailable"


async def test_a_python_handler_reaches_clients_of_other_nodes(make_gateway: MakeGateway, redis: RedisServer):
    here, there = [await make_gateway(redis=redis.url, redis_seconds=1) for _ in range(2)]

    async def tell(event: dict[str, object], context: object) -> dict[str, object]:
        target = json.loads(str(event["body"]))["to"]
        await context.connections.post(target, b"psst")  # type: ignore[attr-defined]
        described = await context.connections.get(target)  # type: ignore[attr-defined]
        return {"statusCode": 200, "body": json.dumps(described)}

    for node in (here, there):
        node.serve(route("tell", Integration(type="PYTHON", uri="tell"), two_way=True), handlers={"tell": tell})
    listener = await there.connect()
    speaker = await here.connect()
    await speaker.send_text(json.dumps({"action": "tell", "to": there.connections[0].id}))
    assert await listener.receive() == b"psst"
    assert json.loads(await speaker.receive())["identity"]["sourceIp"] == "127.0.0.1"


async def test_pushes_from_one_caller_who_waits_arrive_in_order(nodes: tuple[TestGateway, TestGateway]):
    here, there = nodes
    client = await there.connect()
    known = there.connections[0].id
    for number in range(50):
        assert (await manage(here, "POST", known, b"%d" % number)).status == 200
    assert [await client.receive() for _ in range(50)] == [b"%d" % number for number in range(50)]


async def test_every_node_lists_the_connections_of_all(nodes: tuple[TestGateway, TestGateway]):
    here, there = nodes
    for node in (here, there, there):
        await node.connect()
    ids = {one.id for node in nodes for one in node.connections}
    async with aiohttp.ClientSession() as session:
        for node in nodes:
            found, after = [], ""
            while after is not None:
                async with session.get(f"{node.control}/connections", params={"after": after, "limit": "1"}) as page:
                    answer = await page.json()
                found += answer["connections"]
                after = answer["next"]
            assert {one["connectionId"] for one in found} == ids
            assert all(one["apiId"] == "chat" and one["lastActiveAt"] for one in found)
            for known in ids:
                async with session.get(f"{node.control}/connections/{known}") as one:
                    assert (await one.json())["stage"] == "prod"


async def test_a_connection_is_in_the_registry_before_its_client_reads_the_101(
    nodes: tuple[TestGateway, TestGateway], redis: RedisServer
):
    _, there = nodes
    await there.connect()
    keys = await redis.cli("KEYS", "*:open")
    assert len(keys) == 1
    assert await redis.cli("HLEN", keys[0]) == 1


async def test_without_redis_local_work_goes_on_and_other_nodes_are_503_at_once(
    make_gateway: MakeGateway, own_redis: RedisServer
):
    here, there = [await make_gateway(redis=own_redis.url) for _ in range(2)]
    for node in (here, there):
        node.serve(route("hi", mock("hello"), two_way=True))
    near, far = await here.connect(), await there.connect()
    own_redis.freeze()
    try:
        loop = asyncio.get_running_loop()
        with MachineLag() as machine:
            began = loop.time()
            answer = await manage(here, "POST", there.connections[0].id, b"x")
            took = loop.time() - began
        assert answer.status == 503
        assert answer.header("Retry-After") == "1"
        assert took < 1 + machine.worst
        assert (await manage(here, "POST", here.connections[0].id, b"local")).status == 200
        assert await near.receive() == b"local"
        await far.send_text('{"action":"hi"}')
        assert await far.receive() == b"hello"
        assert "Redis is away" in here.app._why_not_ready()
        # New clients are let in; they are written down when Redis is back.
        late = await here.connect()
        await late.send_text('{"action":"hi"}')
        assert await late.receive() == b"hello"
    finally:
        own_redis.thaw()
    await until(lambda: not here.app._why_not_ready() and not there.app._why_not_ready())
    assert (await manage(there, "POST", here.connections[1].id, b"found")).status == 200
    assert await late.receive() == b"found"


async def test_a_node_that_hears_no_other_is_not_ready_and_says_so(nodes: tuple[TestGateway, TestGateway]):
    here, _ = nodes
    assert here.app._why_not_ready() == ""
    bus = here.app._stores.bus
    assert bus is not None
    await bus.close()
    assert "the bus is not heard" in here.app._why_not_ready()


@pytest.mark.parametrize("answer", [Answer(200, b"no JSON"), Answer(200, b"[]"), Answer(0), Answer(500)])
async def test_an_answer_of_another_node_that_makes_no_sense_is_none(gateway: TestGateway, answer: Answer):
    gateway.serve(route("hi", mock("hello")))
    bus = MemoryBus(exchange := Exchange(), lambda: gateway.app.node.name)
    other = MemoryBus(exchange, lambda: "abcd")
    other.on_question = lambda question, say: say(answer)
    for one in (bus, other):
        await one.open()
    gateway.app.push.use(bus)
    known = connection_id("abcd", api_tag("chat"))
    assert (await manage(gateway, "GET", known)).status == 503
    await bus.close()


async def test_a_fenced_node_closes_its_clients_and_begins_anew(
    make_gateway: MakeGateway, redis: RedisServer, backend: Backend
):
    gateway = await make_gateway(redis=redis.url, redis_seconds=1)
    gateway.serve(route("$disconnect", http(backend.url + "/bye")))
    client = await gateway.connect()
    known, name = gateway.connections[0].id, gateway.app.node.name
    gateway.app._stores.registry._fenced()
    assert await client.receive_close() == (1012, "Service restart")
    await client.drop()
    (request,) = await backend.wait_for("/bye")
    assert request.header("Wsgw-Event-Id") == f"{known}.disconnect"
    await until(lambda: not gateway.app.node.paused)
    assert gateway.app.node.name != name
    await gateway.connect()
    assert gateway.connections[0].id != known


async def test_a_node_that_rejoins_refuses_handshakes_until_it_has(gateway: TestGateway):
    gateway.serve(route("hi", mock("hello")))
    gateway.app.node.paused = True
    with pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect()
    assert refusal.value.response.status == 503


async def test_two_apis_do_not_reach_each_others_connections_over_the_bus(
    make_gateway: MakeGateway, redis: RedisServer
):
    here, there = [await make_gateway(redis=redis.url, redis_seconds=1) for _ in range(2)]
    for node in (here, there):
        node.deploy(api(route("hi", mock("")), id="one"), api(route("hi", mock("")), id="two"))
    await there.connect("/two/prod")
    known = there.connections[0].id
    assert (await manage(here, "POST", known, b"x", base="/one/prod")).status == 403
    assert (await manage(here, "POST", known, b"x", base="/two/prod")).status == 200


async def test_what_is_written_anew_after_a_loss_includes_those_whose_disconnect_is_on_its_way(
    make_gateway: MakeGateway, redis: RedisServer, backend: Backend
):
    """Else a node that dies next would owe `$disconnect`s that nobody knows of."""
    open_ = asyncio.Event()

    async def slow(request: object) -> web.Response:
        await open_.wait()
        return web.Response()

    backend.answer("/bye", slow)
    backend.answer("/slow", slow)
    gateway = await make_gateway(redis=redis.url, redis_seconds=1)
    gateway.serve(route("$disconnect", http(backend.url + "/bye")), route("slow", http(backend.url + "/slow")))
    stays, leaves, works, closes = [await gateway.connect() for _ in range(4)]
    ids = {one.id for one in gateway.connections}
    assert len(ids) == 4
    await leaves.send_close(1000)
    await backend.wait_for("/bye")
    # One that has gone while its message is answered, and one that is asked to close and does not answer.
    await works.send_text('{"action":"slow"}')
    await backend.wait_for("/slow")
    works.writer.transport.abort()
    await until(lambda: len(gateway.connections) == 2)
    gateway.connections[-1].close(1001, "Going away")
    await until(lambda: len(gateway.connections) == 1)
    assert {record.id for record in gateway.app._stores.registry.held()} == ids
    open_.set()
    await backend.wait_for("/bye", 2)
    assert stays is not None
    assert closes is not None
