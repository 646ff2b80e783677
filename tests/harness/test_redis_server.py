"""The servers that tests rely on: what they promise, they do."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest
import redis.exceptions

from tests.harness import redis_server as module
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet, SentinelSet


async def test_a_restart_empties_it_and_keeps_the_port(own_redis: RedisServer):
    await own_redis.cli("SET", "key", "value")
    before = own_redis.url
    await own_redis.restart()
    assert own_redis.url == before
    assert await own_redis.cli("GET", "key") is None


async def test_a_restart_that_is_not_to_empty_it_keeps_what_it_held(own_redis: RedisServer):
    await own_redis.cli("SET", "key", "value")
    await own_redis.restart(empty=False)
    assert await own_redis.cli("GET", "key") == "value"


async def test_a_persistent_one_remembers_when_it_was_killed():
    async with RedisServer(persistent=True) as one:
        await one.cli("SET", "key", "value")
        await one.kill()
        await one.restart(empty=False)
        assert await one.cli("GET", "key") == "value"
        await one.restart(empty=True)
        assert await one.cli("GET", "key") is None


async def test_a_stopped_one_refuses_connections(own_redis: RedisServer):
    await own_redis.stop()
    with pytest.raises(redis.exceptions.ConnectionError):
        await own_redis.cli("PING")


async def test_a_frozen_one_answers_when_it_is_thawed(own_redis: RedisServer):
    own_redis.freeze()
    asking = asyncio.create_task(own_redis.cli("PING"))
    done, _ = await asyncio.wait([asking], timeout=0.2)
    assert not done
    own_redis.thaw()
    assert await asking


async def test_subscribers_are_cut_off(own_redis: RedisServer):
    async with own_redis.client() as client, client.pubsub() as subscriber:
        await subscriber.subscribe("channel")
        assert (await subscriber.get_message(timeout=5))["type"] == "subscribe"
        assert await own_redis.kill_pubsub() == 1
        assert await own_redis.kill_pubsub() == 0


@pytest.mark.parametrize("user", ["", "gateway"])
async def test_a_password_is_asked_for(user: str):
    async with RedisServer(user=user, password="secret") as one:
        assert await one.cli("PING")
        refused = redis.asyncio.Redis.from_url(f"redis://{one.address}")
        async with refused:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await refused.ping()


async def test_tls_is_checked_with_its_own_authority():
    async with RedisServer(tls=True) as one:
        assert one.url.startswith("rediss://")
        assert await one.cli("PING")
        unknown = redis.asyncio.Redis.from_url(one.url)
        async with unknown:
            with pytest.raises(redis.exceptions.ConnectionError):
                await unknown.ping()


async def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch, own_redis: RedisServer):
    ports = iter([own_redis.port, module.free_port()])
    monkeypatch.setattr(module, "free_port", lambda: next(ports))
    async with RedisServer() as second:
        assert second.port != own_redis.port
        assert await second.cli("PING")


async def test_without_redis_a_test_is_skipped_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="redis-server is missing"):
        module.need_redis()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="redis-server is missing"):
        module.need_redis()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
async def test_it_ends_with_its_test_process_even_when_that_is_killed():
    code = (
        "import asyncio\nfrom tests.harness.redis_server import RedisServer\n"
        "async def main():\n"
        "    one = RedisServer()\n    await one.start()\n    print(one.port, one.directory, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    port, directory = (await asyncio.to_thread(child.stdout.readline)).decode().split()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", int(port))
            except ConnectionRefusedError:
                break
            except ConnectionResetError:
                continue
            writer.close()
    module.shutil.rmtree(directory)


@pytest.mark.slow
async def test_sentinel_names_another_master_when_the_first_is_killed(sentinels: SentinelSet):
    killed = await sentinels.kill_master()
    successor = await sentinels.failed_over(killed)
    await successor.cli("SET", "key", "value")
    assert successor in sentinels.replicas


@pytest.mark.slow
async def test_sentinel_fails_over_when_told(sentinels: SentinelSet):
    successor = await sentinels.failover()
    assert successor in sentinels.replicas
    assert await successor.cli("SET", "key", "value")


async def test_the_shards_of_a_cluster_know_each_other(redis_cluster: RedisClusterSet):
    for key in ("a", "b", "c"):
        shard = await redis_cluster.owner(key)
        assert await shard.cli("SET", key, "value")
        others = [one for one in redis_cluster.servers if one is not shard]
        for other in others:
            with pytest.raises(redis.exceptions.MovedError):
                await other.cli("GET", key)
