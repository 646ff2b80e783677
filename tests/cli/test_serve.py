"""`wsgw serve` as a process: its ready line, signals, redeploys by SIGHUP and --watch (R-02, R-16)."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.harness.backend import Backend, Received
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from tests.harness.serving import DidNotStart, Served, serving
from tests.harness.until import until

GOING_AWAY = (1001, "Going away")
DEPLOYED = "wsgw: deployed"
KEPT = "what was deployed before is still served"

CHAT = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      ping: {integration: {type: MOCK, responseTemplates: {$default: '%s'}}, twoWay: true}
%s
"""


def definition(answer: str, *routes: str) -> str:
    return CHAT % (answer, "".join(f"      {route}\n" for route in routes))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wsgw.yaml"
    path.write_text(definition("first"))
    return path


async def ask(client: RawWebSocket) -> str:
    await client.send_json({"action": "ping"})
    return await client.receive_text()


async def leave(client: RawWebSocket) -> tuple[int, str]:
    """Wait for the close frame, and answer it."""
    close = await client.receive_close()
    await client.send_close(1001)
    await client.receive_eof()
    await client.drop()
    return close


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
async def test_a_signal_drains_and_the_exit_code_is_0(file: Path, number: int):
    async with serving(file, "--drain-seconds", "0.4") as gateway:
        clients = [await gateway.connect() for _ in range(8)]
        assert [await ask(client) for client in clients] == ["first"] * 8
        gateway.signal(number)
        assert await asyncio.gather(*map(leave, clients)) == [GOING_AWAY] * 8
        assert await gateway.ended() == 0
    assert not any("Traceback" in line for line in gateway.log), gateway.log


async def test_what_runs_at_sigterm_finishes_and_every_disconnect_is_delivered(file: Path, backend: Backend):
    opened = asyncio.Event()

    async def answer(request: Received) -> Any:
        await opened.wait()
        return backend.nothing()

    backend.answer("/slow", answer)
    file.write_text(definition("pong", f"$default: {backend.url}/slow", f"$disconnect: {backend.url}/gone"))
    async with serving(file, "--drain-seconds", "0") as gateway:
        client = await gateway.connect()
        await client.send_text("running")
        await backend.wait_for("/slow")
        gateway.signal(signal.SIGTERM)
        assert await leave(client) == GOING_AWAY
        assert backend.got("/gone") == []
        opened.set()
        assert await gateway.ended() == 0
    (event,) = backend.got("/gone")
    assert event.header("Wsgw-Disconnect-Code") == "1001"


async def test_a_second_sigterm_ends_it_at_once(file: Path):
    async with serving(file, "--drain-seconds", "60") as gateway:
        clients = [await gateway.connect() for _ in range(3)]
        gateway.signal(signal.SIGTERM)
        # The first client is told at the beginning of the drain, the last after 40 seconds.
        closes = [asyncio.create_task(client.receive_close()) for client in clients]
        await asyncio.wait(closes, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 1
        assert time.monotonic() - began < 5 * SLOWER
        assert sorted(await asyncio.gather(*closes)) == [GOING_AWAY, (1006, ""), (1006, "")]


async def test_a_handshake_while_it_drains_is_503(file: Path):
    async with serving(file, "--drain-seconds", "0") as gateway:
        client = await gateway.connect()
        gateway.signal(signal.SIGTERM)
        assert await client.receive_close() == GOING_AWAY
        with pytest.raises(HandshakeRefused) as refused:
            await gateway.connect()
        assert refused.value.response.status == 503
        await client.send_close(1001)
        await client.drop()
        assert await gateway.ended() == 0


# ---- redeploys


async def test_sigusr2_reads_the_files_again_as_sighup_does(file: Path):
    async with serving(file) as gateway:
        client = await gateway.connect()
        file.write_text(definition("second"))
        gateway.signal(signal.SIGUSR2)
        await gateway.says(DEPLOYED)
        assert await ask(client) == "second"


async def test_sigusr1_opens_the_access_log_anew_and_reads_no_file(file: Path, tmp_path: Path):
    log = tmp_path / "access.log"
    async with serving(file, "--access-log", str(log)) as gateway:
        log.rename(tmp_path / "access.log.1")
        file.unlink()
        gateway.signal(signal.SIGUSR1)
        await until(log.exists)
        assert await ask(await gateway.connect()) == "first"
        assert not any(KEPT in line for line in gateway.log)


def listed(gateway: Served) -> list[str]:
    with urlopen(f"{gateway.ready['control']}/connections") as response:
        return [row["connectionId"] for row in json.load(response)["connections"]]


def pushed(gateway: Served, id: str, token: str) -> int:
    url = f"{gateway.ready['data']}/prod/@connections/{quote(id)}"
    try:
        with urlopen(Request(url, b"hello", {"Authorization": f"Bearer {token}"})) as response:
            return response.status
    except HTTPError as refusal:
        with refusal:
            return refusal.code


BAD = [
    pytest.param("apis: [", id="no-yaml"),
    pytest.param("apis: {chat: {protocol: WEBSOCKET, rutes: {}}}", id="unknown-key"),
    pytest.param(definition("second", "bad: ftp://localhost/"), id="no-such-scheme"),
    pytest.param(definition("second", "bad: python:no_such_module_here:handler"), id="no-such-handler"),
    pytest.param("", id="empty"),
    pytest.param("\x00\xff", id="no-text"),
    pytest.param(None, id="no-file"),
]


def save(file: Path, text: str | None) -> None:
    """As an editor does: another file, put in its place."""
    if text is None:
        file.unlink()
        return
    other = file.with_name("other")
    other.write_bytes(text.encode("latin-1"))
    other.replace(file)


async def redeploys(gateway: Served, file: Path, *, hang_up: bool) -> None:
    """Bad files leave what is served, good ones replace it, and nobody is disconnected."""
    client = await gateway.connect()
    assert await ask(client) == "first"
    for count, bad in enumerate((parameters.values[0] for parameters in BAD), 1):
        save(file, bad)
        if hang_up:
            gateway.signal(signal.SIGHUP)
        await gateway.says(KEPT, count)
        assert await ask(client) == "first"
    assert not any("Traceback" in line for line in gateway.log), gateway.log
    other = await gateway.connect()
    assert await ask(other) == "first"
    save(file, definition("second"))
    if hang_up:
        gateway.signal(signal.SIGHUP)
    await gateway.says(DEPLOYED)
    assert await ask(client) == "second"
    assert await ask(await gateway.connect()) == "second"


async def test_sighup_with_a_bad_file_leaves_the_old_one_serving(file: Path):
    async with serving(file) as gateway:
        await redeploys(gateway, file, hang_up=True)


@pytest.mark.slow
async def test_watch_with_a_bad_file_leaves_the_old_one_serving(file: Path):
    async with serving(file, "--watch") as gateway:
        await redeploys(gateway, file, hang_up=False)


async def test_without_watch_a_saved_file_waits_for_sighup(file: Path):
    async with serving(file) as gateway:
        client = await gateway.connect()
        save(file, definition("second"))
        assert await ask(client) == "first"
        gateway.signal(signal.SIGHUP)
        await gateway.says(DEPLOYED)
        assert await ask(client) == "second"


async def test_tokens_of_a_file_come_and_go_with_a_deployment(file: Path):
    tokens = "managementTokens: [first-token]\n"
    save(file, definition("first") + tokens)
    async with serving(file) as gateway:
        client = await gateway.connect()
        id = (await asyncio.to_thread(listed, gateway))[0]
        assert await asyncio.to_thread(pushed, gateway, id, "first-token") == 200
        save(file, definition("first") + tokens.replace("first", "second"))
        gateway.signal(signal.SIGHUP)
        await gateway.says(DEPLOYED)
        assert await asyncio.to_thread(pushed, gateway, id, "first-token") == 403
        assert await asyncio.to_thread(pushed, gateway, id, "second-token") == 200
        assert [await client.receive_text() for _ in range(2)] == ["hello", "hello"]


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.id in ("no-yaml", "no-such-handler", "no-file")])
async def test_a_bad_file_is_refused_at_the_start(file: Path, bad: str | None):
    save(file, bad)
    with pytest.raises(DidNotStart) as refused:
        async with serving(file):
            pass
    assert refused.value.code == 1
    assert str(file.parent) in refused.value.said
    assert "Traceback" not in refused.value.said
