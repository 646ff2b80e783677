"""AWS services for tests: moto's server in a process of its own, on a free port, empty.

    with aws_services() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)

It checks no signatures; that ours are right is tested against botocore's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

_SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def aws_services() -> Iterator[str]:
    """The server's URL. It ends with the block, or with the process that started it."""
    pipe = subprocess.PIPE
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-c", _SERVE]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.kill()


def aws_environment(monkeypatch: pytest.MonkeyPatch, url: str = "", region: str = "eu-central-1") -> None:
    """An environment in which botocore finds a region, credentials and perhaps an endpoint; none of this machine's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    if url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    share_models(monkeypatch)


def share_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every session of the SDK take its models from one that has read them.

    Each gateway has a session of its own, and to read the models anew keeps the test's process busy for a second.
    """
    from aiobotocore.session import AioSession

    def session() -> AioSession:
        made = AioSession()
        made.register_component("data_loader", _models())
        return made

    monkeypatch.setattr("aiobotocore.session.AioSession", session)


@cache
def _models() -> Any:
    from botocore.loaders import create_loader

    return create_loader()


def client(service: str, url: str, region: str = "eu-central-1") -> Any:
    """A client of boto3's for `service`, to make and look at what the gateway is to use."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
    )
