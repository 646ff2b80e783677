"""Two gateways on each kind of Redis: with TLS and an ACL user, behind Sentinel, as a cluster of three shards."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cluster.steps import manage, push_elsewhere
from tests.harness.cluster import DEFINITION, ClusterUnderTest
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet, SentinelSet
from tests.harness.until import until

USER = "wsgw"
PASSWORD = "of-the-ACL-user"
VARIABLE = "PASSWORD_OF_THIS_REDIS"
THROTTLED = DEFINITION.replace("      ping: {{", "      ping: {{throttle: {{rateLimit: 0.001, burstLimit: 2}}, ")
IMPORTED = """
apis:
  more:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      ping: {integration: {type: MOCK, responseTemplates: {$default: imported}}, twoWay: true}
"""


class Kind(NamedTuple):
    """A Redis: what is given on the command line to use it, and where its keys are looked at."""

    url: str
    options: tuple[str, ...]
    keys: RedisServer | RedisClusterSet


def documented_rules() -> list[str]:
    """What docs/operations.md lets the gateway's user do in Redis: it must be enough."""
    text = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    (rules,) = re.findall(rf"^user {USER} (.+)$", text, re.MULTILINE)
    return [rule.replace("PASSWORD", PASSWORD) for rule in rules.split()]


@pytest.fixture(params=["TLS, user and password", "Sentinel", "cluster"])
async def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kind]:
    async with AsyncExitStack() as stack:
        if request.param == "Sentinel":
            sentinels = await stack.enter_async_context(SentinelSet())
            yield Kind(sentinels.url, (), await sentinels.master())
        elif request.param == "cluster":
            shards = await stack.enter_async_context(RedisClusterSet())
            yield Kind(shards.url, (), shards)
        else:
            redis = await stack.enter_async_context(RedisServer(tls=True))
            await redis.cli("ACL", "SETUSER", USER, "reset", *documented_rules())
            monkeypatch.setenv(VARIABLE, PASSWORD)
            options = ("--redis-ca", redis.ca, "--redis-password", f"${{{VARIABLE}}}")
            yield Kind(f"rediss://{USER}@{redis.address}", options, redis)


@pytest.mark.slow
async def test_two_nodes_do_on_it_all_that_a_cluster_does(kind: Kind, tmp_path: Path):
    async with ClusterUnderTest(tmp_path, [kind.url] * 2, *kind.options, definition=THROTTLED) as cluster:
        asked, owner = cluster.nodes
        await cluster.connect(6)
        theirs = cluster.clients_of(owner)
        assert (await push_elsewhere(cluster)).status == 200
        await until(lambda: theirs[0].replies == [b"{}"])
        got = await manage(asked, "GET", theirs[1])
        assert (got.status, json.loads(got.body)["identity"]["sourceIp"]) == (200, "127.0.0.1")
        assert await cluster.sample(asked) == {client.id for client in cluster.clients}

        # Two tokens for both nodes together.
        for client in cluster.clients:
            client.send('{"action": "ping"}')
        await until(lambda: sum(len(client.replies) for client in cluster.clients) == 1 + 6)
        answers = [reply for client in cluster.clients for reply in client.replies]
        assert answers.count(b'{"pong":true}') == 2

        await imported(tmp_path, "--redis", kind.url, *kind.options)
        assert [await answered(node.url, "more") for node in cluster.nodes] == ["imported"] * 2

        assert (await manage(asked, "DELETE", theirs[2])).status == 204
        await until(lambda: not theirs[2].open)
        await owner.kill()
        await cluster.all_told(cluster.bounds.lease + 5)
        assert await asked.metric("wsgw_takeovers_total") == 1
        await cluster.rebuilt(kind.keys, 5)
        assert await cluster.verdict(kind.keys) == []
        assert await asked.metric("wsgw_redis_refused_total") == 0
        assert not [line for line in asked.log if "traceback" in line or PASSWORD in line]


async def imported(directory: Path, *where: str) -> None:
    """`wsgw import` of one more API."""
    file = directory / "more.yaml"
    file.write_text(IMPORTED)
    command = (sys.executable, "-m", "wsgw", "import", str(file), *where)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, said


async def answered(url: str, api: str) -> str:
    """What the API `api` answers at `url`, as soon as it is served there."""
    async with asyncio.timeout(2 * SLOWER):
        while True:
            try:
                client = await RawWebSocket.connect(f"{url.replace('http', 'ws', 1)}/{api}/prod")
            except HandshakeRefused:
                await asyncio.sleep(0.05)
                continue
            async with client:
                await client.send_json({"action": "ping"})
                return await client.receive_text()
