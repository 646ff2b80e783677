"""What a service manager hears, over the socket that it listens on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsgw.server.notify import READY, STOPPING, notify


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
