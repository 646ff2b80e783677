"""What `wsgw import` changes of keys and plans reaches all workers and nodes, and nobody is started anew."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.harness.fault_proxy import FaultProxy
from tests.harness.guarded_cluster import wsgw
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.serving import Served, serving
from tests.harness.usage import KEYED_API as API
from tests.harness.usage import OTHER_VALUE as OTHER
from tests.harness.usage import VALUE
from tests.harness.workers import children, serving_with_workers

OWN = "apis: {other: {protocol: HTTP, routes: {GET /: 'http://127.0.0.1:9/'}}}"
PLAN = "usagePlans: {gold: {apiStages: [{apiId: pets, stage: dev}], keys: [%s]%s}}\n"
PARTNER, ANOTHER = f"apiKeys: {{partner: {{value: {VALUE}}}}}\n", f"apiKeys: {{another: {{value: {OTHER}}}}}\n"


async def statuses(gateway: Served, value: str, count: int = 24) -> Counter[int]:
    """So many requests, each over a connection of its own: with all workers, some of them are each one's."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:

        async def one() -> int:
            url = f"{gateway.ready['data']}/pets/dev/pets"
            async with session.get(url, headers={"x-api-key": value}) as answer:
                return answer.status

        return Counter(await asyncio.gather(*(one() for _ in range(count))))


async def become(gateway: Served, value: str, status: int) -> None:
    async with asyncio.timeout(10 * SLOWER):
        while set(await statuses(gateway, value)) != {status}:
            await asyncio.sleep(0.05)


async def imported(directory: Path, redis: RedisServer, text: str, *words: str) -> None:
    file = directory / "imported.yaml"
    file.write_text(text)
    await wsgw("import", str(file), "--redis", redis.url, *words)


@pytest.mark.slow
async def test_keys_and_plans_act_on_all_workers_without_a_restart(own_redis: RedisServer, tmp_path: Path):
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    await imported(tmp_path, own_redis, API + PARTNER + PLAN % ("partner", ""))
    async with serving_with_workers(file, own_redis.url) as gateway:
        workers = children(gateway)
        assert await statuses(gateway, VALUE) == {200: 24}
        assert await statuses(gateway, OTHER) == {403: 24}
        # Another key, in a plan that now has a limit.
        await imported(
            tmp_path, own_redis, ANOTHER + PLAN % ("partner, another", ", quota: {limit: 30, period: MONTH}")
        )
        await become(gateway, OTHER, 200)
        # A key that is disabled, then gone.
        await imported(tmp_path, own_redis, f"apiKeys: {{partner: {{value: {VALUE}, enabled: false}}}}")
        await become(gateway, VALUE, 403)
        await imported(
            tmp_path, own_redis, PLAN % ("another", ", quota: {limit: 1, period: DAY}"), "--delete", "partner"
        )
        await become(gateway, OTHER, 429)
        assert set(await statuses(gateway, VALUE)) == {403}
        assert children(gateway) == workers
        assert not [line for line in gateway.log if "not deployed" in line]


@pytest.mark.slow
async def test_a_node_that_did_not_hear_of_it_looks_itself(own_redis: RedisServer, tmp_path: Path):
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    await imported(tmp_path, own_redis, API + PARTNER + PLAN % ("partner", ""))
    with FaultProxy("127.0.0.1", own_redis.port) as proxy:
        async with serving(file, "--redis", f"redis://{proxy.address}") as gateway:
            await become(gateway, VALUE, 200)
            proxy.refuse()
            await own_redis.kill_pubsub()
            await imported(tmp_path, own_redis, PLAN % ("", ""), "--delete", "partner")
            await become(gateway, VALUE, 403)
