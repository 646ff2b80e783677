"""Limits hold over all nodes together: those of a route and those of the account, for messages, handshakes, pushes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest

from tests.cluster.steps import push_to
from tests.harness.cluster import DEFINITION, ClusterUnderTest
from tests.harness.fleet import Client, Refused
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.until import until

RATE, BURST = 100, 20
THROTTLED = DEFINITION.replace(
    "      ping: {{", f"      ping: {{{{throttle: {{{{rateLimit: {RATE}, burstLimit: {BURST}}}}}, "
)
TOO_MANY = "Too Many Requests"
#: A gateway or Redis that has no processor for a fifth of a second leaves tokens untaken: on a busy machine some are.
LEAST = 1 - 0.02 * SLOWER
SOAK = [pytest.mark.soak, pytest.mark.timeout(180)]
SECONDS = [pytest.param(5, marks=pytest.mark.slow), pytest.param(60, marks=SOAK)]
PING = '{"action": "ping"}'
#: The same limit for a method of a REST API and a route of an HTTP API.
REQUESTS = """
apis:
  rest:
    protocol: REST
    routes:
      GET /ping:
        integration:
          type: MOCK
          requestTemplates: {{application/json: '{{"statusCode": 200}}'}}
    stages:
      prod: {{methodSettings: {{GET /ping: {{throttlingRateLimit: 100, throttlingBurstLimit: 20}}}}}}
  http:
    protocol: HTTP
    routes: {{GET /ping: "{url}/ping"}}
    stages:
      prod: {{routeSettings: {{GET /ping: {{throttlingRateLimit: 100, throttlingBurstLimit: 20}}}}}}
"""
#: And of what a usage plan allows the holder of a key, or of a key for one method.
VALUE = "partner-value-of-20-or-more"
STAGES = {
    "plan": "apiStages: [{{apiId: rest, stage: prod}}], throttle: LIMIT",
    "method": "apiStages: [{{apiId: rest, stage: prod, throttle: {{/ping/GET: LIMIT}}}}]",
}
PLANNED = """
apis:
  rest:
    protocol: REST
    routes:
      GET /ping:
        apiKeyRequired: true
        integration:
          type: MOCK
          requestTemplates: {{application/json: '{{"statusCode": 200}}'}}
    stages: {{prod: {{}}}}
apiKeys: {{partner: {{value: partner-value-of-20-or-more}}}}
usagePlans:
  gold: {{STAGES, quota: {{limit: 1000000, period: MONTH}}, keys: [partner]}}
"""


class Unwanted:
    """`tokens` that nobody wanted: they came back to a full bucket while nothing was answered at all, as when this
    process, the gateways or Redis stood still. Told often how many were `answered` by `now`."""

    def __init__(self) -> None:
        self.tokens = 0.0
        self._answered, self._at = 0, 0.0

    def look(self, answered: int, now: float) -> None:
        if answered != self._answered:
            self.tokens += max(0.0, (now - self._at) * RATE - BURST / 2)
            self._answered, self._at = answered, now


async def offered(cluster: ClusterUnderTest, rate: float, seconds: float) -> tuple[int, float, float]:
    """So many messages a second, over all clients in turn. Gives how many passed, how long it took, and how many
    tokens nobody wanted."""
    clients = cluster.open
    began, sent, unwanted = cluster.now(), 0, Unwanted()
    while (passed := cluster.now() - began) < seconds:
        unwanted.look(sum(len(client.replies) for client in clients), passed)
        for number in range(sent, int(passed * rate) + 1):
            clients[number % len(clients)].send(PING)
            sent = number + 1
        await asyncio.sleep(0.002)
    await until(lambda: sum(len(client.replies) for client in clients) == sent)
    took = cluster.now() - began
    replies = [reply for client in clients for reply in client.replies]
    good = sum(reply == b'{"pong":true}' for reply in replies)
    assert good + sum(json.loads(reply).get("message") == TOO_MANY for reply in replies) == sent
    assert sent >= 0.9 * rate * seconds, "this machine cannot offer so much"
    return good, took, unwanted.tokens


class Asker(asyncio.Protocol):
    """Sends one GET after the other over a kept connection; `statuses` are those of the answers."""

    def __init__(self, path: str) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: gateway\r\nx-api-key: {VALUE}\r\n\r\n".encode()
        self._received = b""
        self._waiting = 0
        self.statuses: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self) -> None:
        """Send one more, now or when those before it are answered."""
        self._waiting += 1
        if self._waiting == 1:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or b"0")
        if len(rest) < size:
            return
        assert len(rest) == size, "more than was asked for"
        self._received = b""
        self.statuses.append(int(head.split(b" ", 2)[1]))
        self._waiting -= 1
        if self._waiting:
            self._transport.write(self._request)

    def close(self) -> None:
        self._transport.close()


async def requested(cluster: ClusterUnderTest, path: str, rate: float, seconds: float) -> tuple[int, float, float]:
    """As `offered`, with requests in place of messages."""
    loop = asyncio.get_running_loop()
    askers = []
    for number in range(30):
        at = urlsplit(cluster.nodes[number % len(cluster.nodes)].url)
        askers.append((await loop.create_connection(lambda: Asker(path), at.hostname, at.port))[1])
    began, sent, unwanted = cluster.now(), 0, Unwanted()
    while (passed := cluster.now() - began) < seconds:
        unwanted.look(sum(len(asker.statuses) for asker in askers), passed)
        for number in range(sent, int(passed * rate) + 1):
            askers[number % len(askers)].ask()
            sent = number + 1
        await asyncio.sleep(0.002)
    await until(lambda: sum(len(asker.statuses) for asker in askers) == sent)
    took = cluster.now() - began
    statuses = Counter(status for asker in askers for status in asker.statuses)
    for asker in askers:
        asker.close()
    assert set(statuses) <= {200, 429}
    assert sent >= 0.9 * rate * seconds, "this machine cannot offer so much"
    return statuses[200], took, unwanted.tokens


async def asked(client: Client) -> str:
    """What a ping is answered: "" if it passes, else the message of the error frame."""
    before = len(client.replies)
    client.send(PING)
    await until(lambda: len(client.replies) > before)
    return str(json.loads(client.replies[-1]).get("message", ""))


@pytest.mark.parametrize("seconds", SECONDS)
async def test_a_routes_limit_is_exact_over_three_nodes(own_redis: RedisServer, tmp_path: Path, seconds: float):
    """P-08: 100/s, burst 20, ten times as much offered; within 2 %."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, definition=THROTTLED) as cluster:
        await cluster.connect(30)
        passed, took, unwanted = await offered(cluster, 10 * RATE, seconds)
        assert BURST + LEAST * RATE * seconds - unwanted <= passed <= BURST + 1.02 * RATE * took + 1


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        pytest.param("/rest/prod/ping", 5, marks=pytest.mark.slow, id="rest-5"),
        pytest.param("/rest/prod/ping", 60, marks=SOAK, id="rest-60"),
        pytest.param("/http/prod/ping", 60, marks=SOAK, id="http-60"),
    ],
)
async def test_the_limit_of_requests_is_exact_over_three_nodes(
    own_redis: RedisServer, tmp_path: Path, path: str, seconds: float
):
    """P-08: 100/s, burst 20, ten times as much offered to three gateways; within 2 %."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, definition=REQUESTS) as cluster:
        passed, took, unwanted = await requested(cluster, path, 10 * RATE, seconds)
        assert BURST + LEAST * RATE * seconds - unwanted <= passed <= BURST + 1.02 * RATE * took + 1


@pytest.mark.parametrize(
    ("of", "seconds"),
    [
        pytest.param("plan", 5, marks=pytest.mark.slow),
        pytest.param("plan", 60, marks=SOAK),
        pytest.param("method", 60, marks=SOAK),
    ],
)
async def test_the_limit_of_a_usage_plan_is_exact_over_three_nodes(
    own_redis: RedisServer, tmp_path: Path, of: str, seconds: float
):
    """P-08, for the holder of an API key; and just what passed is counted."""
    limit = f"{{{{rateLimit: {RATE}, burstLimit: {BURST}}}}}"
    definition = PLANNED.replace("STAGES", STAGES[of]).replace("LIMIT", limit)
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, definition=definition) as cluster:
        passed, took, unwanted = await requested(cluster, "/rest/prod/ping", 10 * RATE, seconds)
        assert BURST + LEAST * RATE * seconds - unwanted <= passed <= BURST + 1.02 * RATE * took + 1
        async with asyncio.timeout(10 * SLOWER):
            for node in cluster.nodes:
                used: list[int] = []
                while used != [passed, 1_000_000 - passed]:
                    answer = json.loads((await node.get("/usageplans/gold/usage"))[1])
                    used = answer["items"]["partner"][0]


@pytest.mark.parametrize("seconds", SECONDS)
async def test_in_slices_it_is_exceeded_by_one_slice_for_each_node_at_most(
    own_redis: RedisServer, tmp_path: Path, seconds: float
):
    """P-08: the overrun that the setting's documentation names."""
    options = ("--throttle-mode", "sliced", "--throttle-slice-seconds", "0.1")
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 3, *options, definition=THROTTLED) as cluster:
        await cluster.connect(30)
        passed, took, unwanted = await offered(cluster, 10 * RATE, seconds)
        assert 0.95 * RATE * seconds - unwanted <= passed <= BURST + RATE * took + 3 * 0.1 * RATE


async def test_the_accounts_limit_is_one_for_messages_connects_and_pushes_of_two_nodes(
    own_redis: RedisServer, tmp_path: Path
):
    options = ("--account-rate", "0.001", "--account-burst", "8")
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, *options) as cluster:
        here, there = cluster.nodes
        (one,) = await cluster.connect(1, here)
        (other,) = await cluster.connect(1, there)
        assert [await asked(client) for client in (one, other, one, other)] == [""] * 4
        assert [(await push_to(here, other)).status, (await push_to(there, other)).status] == [200, 200]
        assert [await asked(client) for client in (one, other)] == [TOO_MANY] * 2
        assert json.loads(one.replies[-1])["connectionId"] == one.id
        for node, client in ((here, one), (there, one), (here, other)):
            refused = await push_to(node, client)
            assert (refused.status, refused.header("x-amzn-errortype")) == (429, "LimitExceededException")
        for node in cluster.nodes:
            with pytest.raises(Refused, match="429"):
                await cluster.connect(1, node)
        assert one.open
        assert other.open


async def test_the_accounts_limit_of_new_connections_is_one_for_two_nodes(own_redis: RedisServer, tmp_path: Path):
    options = ("--account-connection-rate", "0.001", "--account-connection-burst", "3")
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, *options) as cluster:
        await cluster.connect(3)
        for node in cluster.nodes:
            with pytest.raises(Refused, match="429"):
                await cluster.connect(1, node)
        assert [await asked(client) for client in cluster.clients] == [""] * 3


@pytest.mark.parametrize("mode", ["exact", "sliced"])
async def test_while_redis_is_away_nothing_is_throttled_and_that_is_counted(
    own_redis: RedisServer, tmp_path: Path, mode: str
):
    definition = THROTTLED.replace(f"rateLimit: {RATE}, burstLimit: {BURST}", "rateLimit: 0.001, burstLimit: 2")
    assert definition != THROTTLED
    options = ("--throttle-mode", mode)
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, *options, definition=definition) as cluster:
        clients = await cluster.connect(2)
        await asked(clients[0])
        await own_redis.stop()
        for client in clients:
            assert [await asked(client) for _ in range(5)] == [""] * 5
        for node in cluster.nodes:
            assert 'wsgw_events_total{event="throttle_unavailable"}' in (await node.get("/metrics"))[1].decode()
        assert await cluster.connect(2)
        await own_redis.restart()
        async with asyncio.timeout(10 * SLOWER):
            while not any([await asked(client) == TOO_MANY for client in clients]):
                await asyncio.sleep(0.05)
