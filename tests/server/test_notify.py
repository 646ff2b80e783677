"""What a service manager hears, over the socket that it listens on."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.redis_server import RedisServer
from tests.harness.serving import serving
from wsgw.server.notify import READY, STOPPING, notify

CHAT = Path(__file__).parents[2] / "examples/chat/wsgw.yaml"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def test_each_state_is_a_line(manager: socket.socket):
    assert notify(READY, "STATUS=2 workers", environment={"NOTIFY_SOCKET": manager.getsockname()})
    assert manager.recv(4096) == b"READY=1\nSTATUS=2 workers"


def test_an_abstract_socket_is_found_by_its_name():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # Linux picks an abstract name.
        listener.settimeout(5)
        name = "@" + listener.getsockname()[1:].decode()
        assert notify(STOPPING, environment={"NOTIFY_SOCKET": name})
        assert listener.recv(4096) == b"STOPPING=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_manager_nothing_happens(environment: dict[str, str], caplog: pytest.LogCaptureFixture):
    assert not notify(READY, environment=environment)
    assert not caplog.records


def test_a_manager_that_does_not_listen_is_logged_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert not notify(READY, environment={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert "could not be told READY=1" in caplog.text


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "workers"])
async def test_the_gateway_says_when_it_is_ready_and_when_it_stops(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    async with (
        RedisServer() as redis,
        serving(CHAT, "--redis", redis.url, "--cluster-secret", "s" * 32, *options) as served,
    ):
        assert manager.recv(4096) == b"READY=1"
        served.signal(signal.SIGTERM)
        assert await served.ended() == 0
        assert manager.recv(4096) == b"STOPPING=1"
