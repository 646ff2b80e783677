"""The one control port of many workers: what all of them have counted, seen and revoked, whichever of them answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.backend import Backend
from tests.harness.guarded_cluster import APIS, KEY, KEYS, Door, Told, tell, wsgw
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from tests.harness.redis_server import RedisServer
from tests.harness.serving import Served
from tests.harness.workers import children, serving_with_workers
from wsgw.ids import read_connection_id

pytestmark = pytest.mark.slow

ACL = (
    "stages: {{dev: {{webAcl: {{name: gate, rules: [{{name: bots, action: BLOCK, statement: {{byteMatchStatement: "
    "{{searchString: bot, fieldToMatch: {{singleHeader: {{name: user-agent}}}}, positionalConstraint: CONTAINS, "
    "textTransformations: [{{priority: 0, type: NONE}}]}}}}}}]}}}}}}"
)
PLAN = (
    "usagePlans: {{gold: {{apiStages: [{{apiId: pets, stage: dev}}], quota: {{limit: 500, period: MONTH}}, "
    "keys: [partner]}}}}\n"
)
WHERE = (
    "      where:\n"
    '        integration: {{type: MOCK, responseTemplates: {{$default: \'{{"id":"$context.connectionId"}}\'}}}}\n'
    "        twoWay: true\n"
)


@pytest.fixture
def door(backend: Backend) -> Door:
    return Door(backend)


@pytest.fixture
async def gateway(redis: RedisServer, tmp_path: Path, door: Door) -> AsyncIterator[Served]:
    """Two workers."""
    apis = APIS.replace("stages: {{dev: {{}}}}", ACL).replace("      who:\n", WHERE + "      who:\n")
    assert apis.count("webAcl") == apis.count("where:") == 1
    file = tmp_path / "wsgw.yaml"
    file.write_text((apis + KEYS + PLAN).format().replace("DOOR", door.url))
    async with serving_with_workers(file, redis.url) as one:
        yield one


async def asked(gateway: Served, path: str, count: int, **headers: str) -> Counter[int]:
    """So many requests to the REST API, each over a connection of its own, that is to either worker."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=20)) as session:

        async def one() -> int:
            async with session.get(f"{gateway.ready['data']}/pets/dev{path}", headers=named) as answer:
                return answer.status

        return Counter(await asyncio.gather(*(one() for _ in range(count))))


async def control(gateway: Served, method: str, path: str, document: Any = None) -> Told:
    return await tell(gateway.ready["control"], method, path, document)


async def on_both(gateway: Served, token: str) -> list[RawWebSocket]:
    """Clients with this token, at least one at each worker."""
    clients: list[RawWebSocket] = []
    nodes = set()
    while len(nodes) < 2:
        url = gateway.ready["data"].replace("http", "ws", 1) + "/prod"
        clients.append(await RawWebSocket.connect(url, [("Authorization", token)]))
        await clients[-1].send_json({"action": "where"})
        id = read_connection_id((await clients[-1].receive_json())["id"])
        assert id is not None
        nodes.add(id.node)
    return clients


async def used(gateway: Served, expected: list[int]) -> None:
    """Wait until every worker that is asked says so: what one has counted, the other knows a second later."""
    async with asyncio.timeout(10 * SLOWER):
        said: list[Any] = []
        while said != [expected] * 4:
            told = [await control(gateway, "GET", "/usageplans/gold/usage") for _ in range(4)]
            said = [one.json()["items"]["partner"][0] for one in told]


async def test_usage_is_that_of_all_workers(gateway: Served):
    assert await asked(gateway, "/keyed", 60, x_api_key=KEY) == {200: 60}
    await used(gateway, [60, 440])
    patch = {"patchOperations": [{"op": "replace", "path": "/remaining", "value": "40"}]}
    assert (await control(gateway, "PATCH", "/usageplans/gold/keys/partner/usage", patch)).status == 200
    assert await asked(gateway, "/keyed", 60, x_api_key=KEY) == {200: 40, 429: 20}
    await used(gateway, [100, 0])
    table = (await control(gateway, "GET", "/usageplans/gold/usage.csv")).body.decode().splitlines()
    assert table[1].split(",")[-2:] == ["100", "0"]
    assert "used 100  remaining 0" in await wsgw("usage", "show", "gold", "--control", gateway.ready["control"])
    # Extended at whichever worker is asked, known to the other within a second: until then that one refuses.
    assert (await control(gateway, "PATCH", "/usageplans/gold/keys/partner/usage", patch)).status == 200
    passed = 0
    async with asyncio.timeout(10 * SLOWER):
        while passed < 40:
            passed += (await asked(gateway, "/keyed", 40 - passed, x_api_key=KEY))[200]
    assert await asked(gateway, "/keyed", 20, x_api_key=KEY) == {429: 20}


async def test_a_killed_worker_loses_a_second_of_usage_at_most(gateway: Served):
    await asked(gateway, "/keyed", 60, x_api_key=KEY)
    await used(gateway, [60, 440])
    assert await asked(gateway, "/keyed", 40, x_api_key=KEY) == {200: 40}
    os.kill(children(gateway)[0], signal.SIGKILL)
    async with asyncio.timeout(20):
        while len(children(gateway)) < 2 or (await control(gateway, "GET", "/readyz")).status != 200:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.2)
    ((number, left),) = (await control(gateway, "GET", "/usageplans/gold/usage")).json()["items"]["partner"]
    assert 60 <= number <= 100
    assert left == 400


async def test_usage_survives_a_restart_of_all_workers(gateway: Served):
    """The last second, too: it ends as it should."""
    assert await asked(gateway, "/keyed", 60, x_api_key=KEY) == {200: 60}
    before = children(gateway)
    gateway.signal(signal.SIGHUP)
    async with asyncio.timeout(60):
        while set(children(gateway)) & set(before) or (await control(gateway, "GET", "/readyz")).status != 200:
            await asyncio.sleep(0.05)
    await used(gateway, [60, 440])


async def test_a_revocation_reaches_all_workers_within_a_second(gateway: Served):
    clients = await on_both(gateway, "ada")
    began = time.monotonic()
    assert (await control(gateway, "POST", "/revocations", {"principalId": "ada"})).status == 200
    assert {await client.receive_close() for client in clients} == {(4401, "Revoked")}
    assert time.monotonic() - began < SLOWER
    for _ in range(12):
        with pytest.raises(HandshakeRefused, match="401"):
            await on_both(gateway, "ada")
    assert await asked(gateway, "/guarded", 12, x_token="ada") == {401: 12}
    listed = [(await control(gateway, "GET", "/revocations")).json()["revocations"] for _ in range(4)]
    assert [[one["name"] for one in some] for some in listed] == [["ada"]] * 4
    assert (await control(gateway, "DELETE", "/revocations/principal/ada")).status == 204
    async with asyncio.timeout(SLOWER):
        while await asked(gateway, "/guarded", 12, x_token="ada") != {200: 12}:
            await asyncio.sleep(0.02)
    for client in clients:
        await client.drop()


async def test_a_principals_end_reaches_all_workers(gateway: Served):
    clients = await on_both(gateway, "who/ever: she is")
    assert (await control(gateway, "DELETE", "/principals/who%2Fever:%20she%20is")).status == 202
    assert {(await client.receive_close())[0] for client in clients} == {1000}
    for client in clients:
        await client.drop()


async def test_a_flush_reaches_all_workers(gateway: Served, door: Door):
    assert await asked(gateway, "/guarded", 24, x_token="ada") == {200: 24}
    assert door.asked["ada"] <= 2
    door.denied = {"ada"}
    assert (await control(gateway, "DELETE", "/restapis/pets/stages/dev/cache/authorizers")).status == 202
    async with asyncio.timeout(5 * SLOWER):
        while await asked(gateway, "/guarded", 24, x_token="ada") != {403: 24}:
            await asyncio.sleep(0.02)
    assert (await control(gateway, "DELETE", "/restapis/nope/stages/dev/cache/authorizers")).status == 404


async def test_samples_and_counts_of_a_web_acl_are_those_of_all_workers(gateway: Served):
    assert await asked(gateway, "/keyed", 40, user_agent="a bot") == {403: 40}
    told = await control(gateway, "GET", "/webacls/pets/dev/samples")
    samples = told.json()["samples"]
    # Each worker keeps one in 50 ms of a rule's at most.
    assert 2 <= len(samples) <= 40
    assert samples == sorted(samples, key=lambda sample: sample["timestamp"], reverse=True)
    assert len((await control(gateway, "GET", "/webacls/pets/dev/samples?limit=1")).json()["samples"]) == 1
    for path, status in (("pets/dev/samples?limit=x", 400), ("pets/nope/samples", 404)):
        assert (await control(gateway, "GET", f"/webacls/{path}")).status == status
    exposed = (await control(gateway, "GET", "/metrics")).body.decode().splitlines()
    counts = [line for line in exposed if line.startswith("wsgw_firewall_requests") and 'action="block"' in line]
    assert {line.partition('worker="')[2][0] for line in counts} == {"0", "1"}
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counts) == 40, json.dumps(counts)
