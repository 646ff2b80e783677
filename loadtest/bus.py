"""Pushes from one node to another over Redis, without their sockets: wsgw's bus beside a plain one, in the same run.

    python loadtest/bus.py [--seconds 5] [--in-flight 256] [--trials 3] [--data 111] [--rate 7500]

Three processes on the machine's cores: redis-server, the node that asks, the node that is asked and answers at once.
Closed loop for throughput, with so many questions in flight; then an open loop at half of what was reached, or at
--rate if that is less, whose latencies count from when a question was due. Targets alternate from trial to trial and
the median is given. CPU is microseconds of each process for one push.

The baseline is what everybody would write: redis-py's asyncio client, one PUBLISH with JSON for each push, `listen()`
at the other end. `plain` publishes an answer in the same way; `plain, unanswered` takes PUBLISH's receiver count for
one, and so does not know whether anything arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import multiprocessing
import platform
import resource
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol

import redis.asyncio
import uvloop

from wsgw.ids import api_tag, connection_id
from wsgw.settings import Settings
from wsgw.stores.base import Answer, Question
from wsgw.stores.redis.bus import RedisBus
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link

ASKER, OWNER = "aaaa", "bbbb"
CONNECTION = connection_id(OWNER, api_tag("chat"))


class Node(Protocol):
    async def open(self) -> None: ...
    async def push(self, data: bytes) -> int: ...
    async def close(self) -> None: ...


class Wsgw:
    def __init__(self, url: str, name: str) -> None:
        settings = Settings(redis=url)
        self._link = Link(settings)
        self._bus = RedisBus(self._link, Keys("bench"), settings, lambda: name)
        self._bus.on_question = lambda question, answer: answer(Answer(200))

    async def open(self) -> None:
        await self._link.open()
        await self._bus.open()
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            self._bus.tick()

    async def push(self, data: bytes) -> int:
        return (await self._bus.ask(OWNER, Question("POST", CONNECTION, "chat", data))).status

    async def close(self) -> None:
        self._ticking.cancel()
        await self._bus.close()
        await self._link.close()


class Plain:
    """The baseline."""

    def __init__(self, url: str, name: str, answers: bool = True) -> None:
        self._redis = redis.asyncio.Redis.from_url(url, max_connections=1000)
        self._name = name
        self._answers = answers
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[int]] = {}

    async def open(self) -> None:
        self._pubsub = self._redis.pubsub()
        await self._pubsub.subscribe(f"plain:{self._name}")
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for message in self._pubsub.listen():
            if message["type"] != "message":
                continue
            said = json.loads(message["data"])
            if "status" in said:
                self._waiting.pop(said["id"]).set_result(said["status"])
            else:
                base64.b64decode(said["data"])
                if self._answers:
                    await self._redis.publish(f"plain:{said['from']}", json.dumps({"id": said["id"], "status": 200}))

    async def push(self, data: bytes) -> int:
        number = next(self._ids)
        said = {"id": number, "from": self._name, "connection": CONNECTION, "data": base64.b64encode(data).decode()}
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        heard = await self._redis.publish(f"plain:{OWNER}", json.dumps(said))
        if self._answers:
            return await answer
        del self._waiting[number]
        return 200 if heard else 410

    async def close(self) -> None:
        self._listening.cancel()
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        await self._redis.aclose()


TARGETS: dict[str, Callable[[str, str], Node]] = {
    "wsgw": Wsgw,
    "plain": Plain,
    "plain, unanswered": lambda url, name: Plain(url, name, answers=False),
}


class Result(NamedTuple):
    """Pushes a second and latencies; `asker`, `owner` and `server` are CPU microseconds for one push."""

    rate: float
    half: float
    p50_ms: float
    p99_ms: float
    asker: float
    owner: float
    server: float
    failed: int


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def owner_process(target: str, url: str, pipe: Connection) -> None:
    async def run() -> None:
        node = TARGETS[target](url, OWNER)
        await node.open()
        pipe.send("ready")
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def told() -> None:
            if pipe.recv() == "cpu":
                pipe.send(own_cpu())
            else:
                loop.remove_reader(pipe.fileno())
                ended.set()

        loop.add_reader(pipe.fileno(), told)
        await ended.wait()
        await node.close()

    uvloop.run(run())


async def closed_loop(push: Callable[[], Awaitable[int]], in_flight: int, seconds: float) -> tuple[int, int, float]:
    """How many were pushed, how many of them in vain, and in how many seconds."""
    done = failed = 0
    begun = time.perf_counter()
    end = begun + seconds

    async def one_after_another() -> None:
        nonlocal done, failed
        while time.perf_counter() < end:
            try:
                failed += await push() != 200
            except Exception:
                failed += 1
            done += 1

    await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
    return done, failed, time.perf_counter() - begun


async def open_loop(push: Callable[[], Awaitable[int]], rate: float, seconds: float) -> tuple[list[float], int]:
    """Latencies in milliseconds, sorted, and how many were in vain."""
    latencies: list[float] = []
    failed = 0
    begun = time.perf_counter()
    running: set[asyncio.Task[None]] = set()

    async def once(due: float) -> None:
        nonlocal failed
        try:
            failed += await push() != 200
        except Exception:
            failed += 1
        latencies.append((time.perf_counter() - due) * 1e3)

    for number in range(int(rate * seconds)):
        due = begun + number / rate
        ahead = due - time.perf_counter()
        # A millisecond's worth at a time: a timer is not finer than that.
        if ahead > 0.001:
            await asyncio.sleep(ahead)
        task = asyncio.create_task(once(due))
        running.add(task)
        task.add_done_callback(running.discard)
        if number % 100 == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*running)
    return sorted(latencies), failed


async def trial(target: str, url: str, options: argparse.Namespace) -> Result:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=owner_process, args=(target, url, theirs))
    process.start()
    await asyncio.to_thread(ours.recv)
    node = TARGETS[target](url, ASKER)
    await node.open()
    data = b"x" * options.data
    redis_client = redis.asyncio.Redis.from_url(url)

    async def cpu() -> tuple[float, float, float]:
        ours.send("cpu")
        info: dict[str, Any] = await redis_client.info("cpu")
        return own_cpu(), await asyncio.to_thread(ours.recv), info["used_cpu_sys"] + info["used_cpu_user"]

    async def push() -> int:
        return await node.push(data)

    await closed_loop(push, options.in_flight, 0.5)
    before = await cpu()
    done, failed, elapsed = await closed_loop(push, options.in_flight, options.seconds)
    asker, owner, server = ((b - a) / done * 1e6 for a, b in zip(before, await cpu(), strict=True))
    half = min(done / elapsed / 2, options.rate)
    latencies, failed_at_half = await open_loop(push, half, options.seconds)
    ours.send("end")
    await node.close()
    await redis_client.aclose()
    process.join()
    middle, most = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    return Result(done / elapsed, half, middle, most, asker, owner, server, failed + failed_at_half)


async def run(options: argparse.Namespace, url: str) -> dict[str, Result]:
    results: dict[str, list[Result]] = {target: [] for target in TARGETS}
    for _ in range(options.trials):
        for target, those in results.items():
            those.append(await trial(target, url, options))
    return {
        target: Result(*(statistics.median(values) for values in zip(*those, strict=True)))
        for target, those in results.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each loop")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--data", type=int, default=111, help="bytes of a push")
    parser.add_argument("--rate", type=float, default=7500, help="most pushes a second of the open loop")
    options = parser.parse_args()
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is missing (Debian, Ubuntu: apt-get install redis-server)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        results = uvloop.run(run(options, f"redis://127.0.0.1:{port}"))
    finally:
        server.terminate()
        server.wait()
    print(f"Python {platform.python_version()}, {multiprocessing.cpu_count()} cores, {options.data} bytes a push\n")
    print("| | pushes/s | × plain | asker µs | owner µs | redis µs | at | p50 ms | p99 ms | failed |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    plain = results["plain"].rate
    for target, one in results.items():
        print(
            f"| {target} | {one.rate:,.0f} | {one.rate / plain:.1f} | {one.asker:.1f} | {one.owner:.1f} "
            f"| {one.server:.1f} | {one.half:,.0f}/s | {one.p50_ms:.2f} | {one.p99_ms:.2f} | {one.failed:.0f} |"
        )


if __name__ == "__main__":
    main()
