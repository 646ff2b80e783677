"""`wsgw demo`: what it prints, what it serves, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.harness.demo import Demo, command, running_demo
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import RawWebSocket
from wsgw.cli.demo import example_directory


async def join(demo: Demo, name: str, room: str = "lobby") -> RawWebSocket:
    """A client that has joined a room; its welcome is read."""
    client = await RawWebSocket.connect(demo.ws_url)
    await client.send_json({"action": "join", "name": name, "room": room})
    assert (await client.receive_json())["you"] == name
    return client


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
async def test_it_serves_a_chat_until_it_is_told_to_end(number: int):
    async with running_demo() as demo, await join(demo, "Ada") as ada, await join(demo, "Grace") as grace:
        assert (await ada.receive_json())["type"] == "joined"
        await grace.send_json({"action": "say", "text": "hello"})
        assert (await ada.receive_json())["text"] == "hello"
        ending = asyncio.create_task(demo.stop(number))
        # Both at once: no drain spreads the closes over seconds, and whoever answers is not waited for.
        async with asyncio.timeout(4 * SLOWER):
            async with asyncio.timeout(4):
                closes = [await client.receive_close() for client in (ada, grace)]
            assert closes == [(1001, "Going away")] * 2
            for client in (ada, grace):
                await client.send_close(1001)
            code, err = await ending
        assert code == 0
        assert "Traceback" not in err


async def test_the_page_knows_the_gateway_and_may_talk_to_nothing_else():
    async with running_demo() as demo, aiohttp.ClientSession() as session:
        async with session.get(demo.page) as answer:
            text = await answer.text()
            policy = answer.headers["Content-Security-Policy"].split("; ")
        assert f'<meta name="gateway" content="{demo.ws_url}">' in text
        assert "default-src 'none'" in policy
        assert f"connect-src {demo.ws_url}" in policy
        assert not any("unsafe" in part for part in policy)
        for file, kind in {"chat.css": "text/css", "chat.js": "text/javascript"}.items():
            async with session.get(demo.page + file) as answer:
                assert (answer.status, answer.content_type) == (200, kind)
        for file in ("backend.py", "wsgw.yaml", "..%2fhello%2fhello.py", "favicon.ico"):
            async with session.get(demo.page + file) as answer:
                assert answer.status == 404, file


async def test_the_page_connects_to_the_public_url_if_there_is_one():
    async with running_demo(public_url="https://chat.example/") as demo, aiohttp.ClientSession() as session:
        text = await (await session.get(demo.page)).text()
        assert 'content="wss://chat.example/chat/prod"' in text


async def test_a_management_token_reaches_the_backend():
    async with running_demo(management_tokens="a-token") as demo, await join(demo, "Ada"):
        pass  # The welcome was a push, which nobody is let in for without the token.


TAKEN = [
    ("port", "port {port} of 127.0.0.1 is taken: choose another with --port, 0 for a free one"),
    ("control_port", "port {port} of 127.0.0.1 is taken: choose another with --control-port, 0 for a free one"),
    ("page_port", "port {port} is taken: choose another with --page-port, 0 for a free one"),
]


@pytest.mark.parametrize(("option", "complaint"), TAKEN, ids=[option for option, _ in TAKEN])
async def test_a_port_that_is_taken_is_named_with_the_option_that_changes_it(taken: int, option: str, complaint: str):
    pipe = asyncio.subprocess.PIPE
    words = command(**{option: str(taken)})
    process = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out) == (1, b"")
    assert err.decode() == f"wsgw: {complaint.format(port=taken)}\n"


async def test_the_page_goes_to_a_free_port_if_nobody_chose_one_and_its_own_is_taken():
    with contextlib.ExitStack() as stack:
        # If somebody else has taken it, as good.
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 8090)))
        async with running_demo(page_port="") as demo:
            assert demo.page != "http://127.0.0.1:8090/"
            async with aiohttp.ClientSession() as session, session.get(demo.page) as answer:
                assert answer.status == 200
            _, err = await demo.stop()
            assert "wsgw: port 8090 is taken: the chat page is on a free one\n" in err


async def test_more_than_one_worker_is_wrong_use():
    words = command(workers="2", redis="redis://127.0.0.1:1/0")
    process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert err.decode() == "wsgw: --workers: the demo is one process; use `wsgw serve` for more\n"


def test_the_wheel_takes_the_example_from_where_the_checkout_has_it():
    directory = example_directory()
    assert {file.name for file in directory.iterdir()} >= {
        "wsgw.yaml",
        "backend.py",
        "index.html",
        "chat.css",
        "chat.js",
    }
    root = Path(__file__).parents[2]
    assert directory == root / "examples" / "chat"
    assert '"examples/chat" = "wsgw/_examples/chat"' in (root / "pyproject.toml").read_text()
