"""`make cluster` without a browser: what it starts, keeps alive, and leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.harness.cluster_command import SCRIPT, ClusterCommand, running_cluster
from tests.harness.raw_websocket import RawWebSocket
from tests.harness.redis_server import need_redis
from tests.harness.until import until

pytestmark = pytest.mark.slow


@pytest.fixture
async def cluster() -> AsyncIterator[ClusterCommand]:
    need_redis()
    async with running_cluster() as one:
        yield one


async def gateway(page: str) -> str:
    """The address that a page connects to."""
    async with aiohttp.ClientSession() as session, session.get(page) as answer:
        assert answer.status == 200
        text = await answer.text()
        found = text.partition('name="gateway" content="')[2].partition('"')[0]
        assert f"connect-src {found};" in answer.headers["Content-Security-Policy"]
        return found


async def joined(url: str, name: str) -> RawWebSocket:
    client = await RawWebSocket.connect(url)
    await client.send_json({"action": "join", "name": name, "room": "lobby"})
    assert (await client.receive_json())["you"] == name
    return client


async def test_clients_of_both_nodes_are_in_one_room(cluster: ClusterCommand):
    one, two = [await gateway(node.page) for node in cluster.nodes]
    assert one != two
    async with await joined(one, "Ada") as ada, await joined(two, "Grace") as grace:
        assert (await ada.receive_json())["people"] == ["Ada", "Grace"]
        # Each time the backend picks a node: over enough of them, pushes go every way.
        for number in range(10):
            await grace.send_json({"action": "say", "text": f"{number}"})
            assert (await ada.receive_json())["text"] == f"{number}"
            assert (await grace.receive_json())["text"] == f"{number}"


async def test_a_node_that_is_killed_comes_back_where_it_was(cluster: ClusterCommand):
    url = await gateway(cluster.nodes[0].page)
    os.kill(cluster.nodes[0].pid, signal.SIGKILL)
    await cluster.says("node 1 is back")
    assert await gateway(cluster.nodes[0].page) == url
    async with await joined(url, "Ada"):
        pass


async def test_ctrl_c_ends_everything(cluster: ClusterCommand):
    parent = cluster.process.pid
    children = children_of(parent)
    assert len(children) == 3
    assert await cluster.stop() == 0
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_without_redis_it_says_what_to_install(tmp_path: Path):
    command = [sys.executable, SCRIPT, "--port", "0", "--port", "0", "--page-port", "0"]
    said = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 1
    assert "apt-get install redis-server" in said.stderr
    assert "Traceback" not in said.stderr
