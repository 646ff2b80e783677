"""A gateway that runs out of file descriptors (R-19): it refuses, serves on, and recovers."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.harness.backend import Backend
from tests.harness.raw_websocket import HandshakeRefused, RawSocket, RawWebSocket, open_socket
from tests.harness.serving import Served

LIMIT = 512
CHAT = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      ping: {integration: {type: MOCK, responseTemplates: {$default: pong}}, twoWay: true}
      ask: {integration: %s/ask, twoWay: true}
"""


@asynccontextmanager
async def limited(file: Path, *options: str) -> AsyncIterator[Served]:
    """A gateway that may have so many descriptors and no more."""
    pipe = asyncio.subprocess.PIPE
    words = [sys.executable, "-m", "wsgw", "serve", str(file), "--port", "0", "--control-port", "0", *options]
    command = ("sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh", *words)
    one = Served(await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe))
    try:
        await one.started()
        yield one
    finally:
        await one.close()


async def answers(client: RawWebSocket, action: str) -> str:
    await client.send_json({"action": action})
    return await client.receive_text()


@pytest.mark.slow
async def test_at_its_limit_it_refuses_with_503_serves_the_others_and_recovers(tmp_path: Path, backend: Backend):
    file = tmp_path / "wsgw.yaml"
    file.write_text(CHAT % backend.url)
    backend.answer("/ask", lambda request: backend.nothing(b"from the backend"))
    async with limited(file, "--access-log", "") as gateway:
        clients: list[RawWebSocket] = []
        refused: list[int] = []
        while len(refused) < 40:
            try:
                clients.append(await gateway.connect())
            except HandshakeRefused as refusal:
                refused.append(refusal.response.status)
        assert set(refused) == {503}
        assert LIMIT * 3 // 4 < len(clients) < LIMIT
        # What the reserve is for: their backend, and whoever asks how it is.
        for action, answer in (("ping", "pong"), ("ask", "from the backend")):
            assert {await answers(client, action) for client in clients} == {answer}
        with await asyncio.to_thread(urlopen, f"{gateway.ready['control']}/metrics") as scrape:
            assert 'wsgw_events_total{event="descriptors_few"} 40.0' in scrape.read().decode()
        assert sum("too_few_file_descriptors" in line for line in gateway.log) <= 40
        for client in clients[:50]:
            await client.drop()
        let_in = 0
        async with asyncio.timeout(20):
            while let_in < 31:
                # It learns of one after the other that they have gone.
                with contextlib.suppress(HandshakeRefused):
                    await gateway.connect()
                    let_in += 1


@pytest.mark.slow
async def test_when_not_one_is_left_connects_are_closed_and_it_recovers(tmp_path: Path, backend: Backend):
    """Sockets that say nothing take the reserve, too."""
    file = tmp_path / "wsgw.yaml"
    file.write_text(CHAT % backend.url)
    async with limited(file, "--access-log", "", "--head-seconds", "60") as gateway:
        client = await gateway.connect()
        silent: list[RawSocket] = [await open_socket(gateway.ready["data"]) for _ in range(LIMIT + 50)]
        # Those beyond the limit are closed, rather than left in a queue.
        assert await asyncio.wait_for(silent[-1].reader.read(), 20) == b""
        assert await answers(client, "ping") == "pong"
        for one in silent:
            await one.drop()
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(HandshakeRefused, EOFError, OSError):
                    assert await answers(await gateway.connect(), "ping") == "pong"
                    break
        assert await answers(client, "ping") == "pong"
    assert len(gateway.log) < 20, gateway.log
