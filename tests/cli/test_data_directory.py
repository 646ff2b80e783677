"""`wsgw serve --data DIR`: who was connected when the process died is told as gone after the next start. Check R-01."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.harness.backend import Backend, Received
from tests.harness.serving import Served, serving
from tests.harness.until import until

pytestmark = pytest.mark.slow

API = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      $connect: {url}/connect
      $disconnect: {url}/disconnect
      ping: {{integration: {{type: MOCK, responseTemplates: {{$default: pong}}}}, twoWay: true}}
"""


@pytest.fixture
def file(tmp_path: Path, backend: Backend) -> Path:
    path = tmp_path / "wsgw.yaml"
    path.write_text(API.format(url=backend.url))
    return path


def ids(received: list[Received]) -> set[str | None]:
    return {request.header("Wsgw-Connection-Id") for request in received}


def written(data: Path, table: str) -> int:
    """How many rows of `table` are on the disk."""
    with contextlib.closing(sqlite3.connect(f"file:{data / 'wsgw.sqlite'}?mode=ro", uri=True)) as database:
        count: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count


async def killed(gateway: Served) -> None:
    gateway.signal(signal.SIGKILL)
    await gateway.ended()


async def test_connections_of_a_killed_process_get_their_disconnect_from_the_next(
    file: Path, tmp_path: Path, backend: Backend
):
    options = ("--data", str(tmp_path / "data"))
    async with serving(file, *options) as gateway:
        await asyncio.gather(*(gateway.connect() for _ in range(50)))
        left = await gateway.connect()
        await left.send_close(1000)
        await backend.wait_for("/disconnect", 1)
        await killed(gateway)
    async with serving(file, *options):
        await until(lambda: ids(backend.got("/disconnect")) == ids(backend.got("/connect")))
    requests = backend.got("/disconnect")
    codes: dict[str | None, str | None] = {}
    for request in requests:
        # The one that left may be told twice: it was killed before or after it knew that the backend had taken it.
        codes.setdefault(request.header("Wsgw-Connection-Id"), request.header("Wsgw-Disconnect-Code"))
    assert sorted(map(str, codes.values())) == ["1000"] + ["1006"] * 50
    assert {request.header("Wsgw-Event-Id") for request in requests} == {f"{id}.disconnect" for id in codes}


async def test_a_third_start_owes_nothing_any_more(file: Path, tmp_path: Path, backend: Backend):
    options = ("--data", str(tmp_path / "data"))
    async with serving(file, *options) as gateway:
        await gateway.connect()
        await killed(gateway)
    async with serving(file, *options) as gateway:
        await backend.wait_for("/disconnect", 1)
        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 0
    async with serving(file, *options) as gateway:
        # What would still be owed is sent before what comes later.
        last = await gateway.connect()
        await last.send_close(4000)
        await backend.wait_for("/disconnect", 2)
        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 0
    codes = [request.header("Wsgw-Disconnect-Code") for request in backend.got("/disconnect")]
    assert codes == ["1006", "4000"]


async def test_a_disconnect_that_the_backend_did_not_take_survives_kill_9(file: Path, tmp_path: Path, backend: Backend):
    options = ("--data", str(tmp_path / "data"))
    backend.on("/disconnect", status=503)
    async with serving(file, *options) as gateway:
        client = await gateway.connect()
        await client.send_close(4001)
        await backend.wait_for("/disconnect", 2)
        await until(lambda: written(tmp_path / "data", "owed") == 1)
        await killed(gateway)
    before = len(backend.got("/disconnect"))
    backend.on("/disconnect")
    async with serving(file, *options):
        requests = await backend.wait_for("/disconnect", before + 1)
    assert {request.header("Wsgw-Disconnect-Code") for request in requests} == {"4001"}
    assert len({request.header("Wsgw-Event-Id") for request in requests}) == 1
