"""`wsgw loadtest` as its users run it, against the baseline and the backend of the benchmarks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from wsgw.cli.loadtest import loadtest

ROOT = Path(__file__).resolve().parents[2]
PING = b"POST / HTTP/1.1\r\ncontent-length: 8\r\n\r\n" + b'{"id":1}'
PONG = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n" + b'{"pong":{"id":1}}'


def started(*command: str) -> tuple[subprocess.Popen[str], str]:
    """A process and the address in its `ready` line."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip().removeprefix("ready data=")


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    process, base = started(str(ROOT / "loadtest/backend.py"))
    with process:
        yield base
        process.kill()


@pytest.fixture(scope="module")
def url(backend: str) -> Iterator[str]:
    process, base = started(str(ROOT / "loadtest/baseline.py"), f"{backend}/")
    with process:
        yield f"{base.replace('http', 'ws')}/prod"
        process.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "wsgw", "loadtest", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


@pytest.mark.parametrize("scenario", ["request-reply", "push", "fan-out", "connect", "reconnect", "idle"])
def test_the_baseline_passes(url: str, scenario: str) -> None:
    ended = run(url, "--scenario", scenario, "--connections", "4", "--duration", "0.3")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "passed:               yes" in ended.stdout


def test_the_result_is_written_as_json_and_as_a_page(url: str, tmp_path: Path) -> None:
    file, page = tmp_path / "result.json", tmp_path / "page.html"
    ended = run(url, "--rate", "100", "--duration", "0.5", "--json", str(file), "--report", str(page))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    outcome = json.loads(file.read_text())
    assert (outcome["done"], outcome["passed"]) == (50, True)
    assert page.read_text().startswith("<!doctype html>")


def test_processes_share_the_load(url: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    options = ("--processes", "2", "--connections", "5", "--rate", "100", "--duration", "0.5")
    ended = run(url, *options, "--json", str(file))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    outcome = json.loads(file.read_text())
    assert (outcome["opened"], outcome["done"]) == (5, 50)


def test_plain_http_can_be_measured_too(backend: str) -> None:
    ended = run(f"{backend}/", "--scenario", "http", "--connections", "2", "--duration", "0.3")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_refused_connection_fails_the_run(url: str) -> None:
    ended = run(f"{url}-not-there", "--connections", "2", "--duration", "0.3")
    assert ended.returncode == 1
    assert "2 × handshake answered 404" in ended.stdout


def test_more_connections_than_files_name_the_remedy(url: str) -> None:
    ended = run(url, "--scenario", "idle", "--connections", "100000000")
    assert ended.returncode == 1
    assert "add --processes" in ended.stderr


WRONG_USE = [
    (["http://127.0.0.1/"], "URL must begin with ws:// or wss://"),
    (["ws://127.0.0.1/", "--scenario", "http"], "URL must begin with http:// or https://"),
    (["ws://127.0.0.1/", "--header", "no colon"], "'Name: value'"),
    (["ws://127.0.0.1/", "--rate", "0"], "--rate"),
    (["ws://127.0.0.1/", "--scenario", "nonsense"], "--scenario"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_USE)
def test_wrong_use_is_explained(arguments: list[str], message: str) -> None:
    ended = CliRunner().invoke(loadtest, arguments)
    assert ended.exit_code == 2
    assert message in ended.output


def test_without_picows_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("wsgw.cli.load.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "picows", None)
    ended = CliRunner().invoke(loadtest, ["ws://127.0.0.1:1/"])
    assert ended.exit_code == 1
    assert 'pip install "wsgw[loadtest]"' in ended.output


def test_signing_without_credentials_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ended = CliRunner().invoke(loadtest, ["ws://127.0.0.1:1/", "--scenario", "push", "--sign"])
    assert ended.exit_code == 2
    assert "AWS_ACCESS_KEY_ID" in ended.output


def exchange(base: str, *pieces: bytes, size: int) -> bytes:
    """What the backend answers when it is sent `pieces` one by one: `size` bytes, or what it sends before its end."""
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        got = b""
        while len(got) < size and (more := connection.recv(65536)):
            got += more
    return got


@pytest.mark.parametrize("at", [1, 20, 36, 40, len(PING) - 1])
def test_the_backend_reads_a_request_that_comes_in_pieces(backend: str, at: int) -> None:
    assert exchange(backend, PING[:at], PING[at:], size=len(PONG)) == PONG


def test_the_backend_answers_pipelined_requests_in_order(backend: str) -> None:
    assert exchange(backend, PING + PING, size=2 * len(PONG)) == PONG + PONG
