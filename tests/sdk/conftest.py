"""What all SDK tests need: a certificate authority of our own, and gateways behind http and https."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from tests.authorizers.sigv4_signing import KEY
from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import RawWebSocket

SDK = Path(__file__).parent


class Authority(NamedTuple):
    """A certificate authority: its own certificate as a file and as a context that trusts it, a server's two files."""

    file: str
    context: ssl.SSLContext
    certificate: str
    key: str


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1", "localhost", "chat.localhost")
    directory = tmp_path_factory.mktemp("tls")
    file, certificate, key = (directory / name for name in ("ca.pem", "certificate.pem", "key.pem"))
    ca.cert_pem.write_to_path(file)
    issued.private_key_pem.write_to_path(key)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(certificate, append=True)
    context = ssl.create_default_context(cafile=str(file))
    return Authority(str(file), context, str(certificate), str(key))


@pytest.fixture
def in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that the gateways know is in the environment, and nothing else that an SDK would find."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.secret)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)


#: For what costs a process each time and differs neither by door nor by TLS.
through_lanes = pytest.mark.parametrize("lanes", [True], indirect=True)
over_tls = pytest.mark.parametrize("scheme", ["https"], indirect=True)

Guarded = Callable[..., Awaitable[TestGateway]]


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    """SDK tests run without and with TLS."""
    return str(request.param)


@pytest.fixture
def make_guarded(make_gateway: MakeGateway, scheme: str, authority: Authority) -> Guarded:
    """Starts gateways behind `scheme` that know one access key."""

    async def make(**settings: Any) -> TestGateway:
        if scheme == "https":
            settings.update(tls_cert=authority.certificate, tls_key=authority.key)
        return await make_gateway(access_keys=(KEY,), **settings)

    return make


async def connected(gateway: TestGateway, authority: Authority, path: str = "/prod") -> tuple[RawWebSocket, str]:
    """A client that has just connected, and its id."""
    known = {connection.id for connection in gateway.connections}
    client = await gateway.connect(path, tls=authority.context)
    (id,) = {connection.id for connection in gateway.connections} - known
    return client, id


async def run(*command: str, **environment: str) -> tuple[int, str, str]:
    """Run a program beside the gateway: its exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
        cwd=SDK,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def program(name: str) -> str | None:
    """Where a program is: beside this Python, else on the path."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which(name)


def node_packages_missing() -> str:
    """Why tests with npm packages cannot run, or ""."""
    if program("node") is None:
        return "node is not installed; tests/install-system-packages installs it"
    if not (SDK / "node_modules" / "ws").is_dir():
        return "npm packages are not installed: npm ci --prefix tests/sdk"
    return ""


needs_node_packages = pytest.mark.skipif(bool(node_packages_missing()), reason=node_packages_missing())
