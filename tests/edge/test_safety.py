"""A gateway does not start where serving would let anybody do what is not theirs to do, and says what to change."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import pytest

from tests.authorizers.sigv4_signing import KEY
from tests.conftest import MakeGateway
from tests.harness.gateway import mock, route
from wsgw.app import App
from wsgw.edge.safety import NotSafe
from wsgw.settings import Settings

PING = route("ping", mock('{"pong":true}'), two_way=True)
TOKEN = "a-management-token"

REFUSED_HOSTS = ["0.0.0.0", "::", "192.0.2.1", "gateway.example", ""]


@pytest.mark.parametrize("host", REFUSED_HOSTS)
async def test_a_gateway_that_anybody_could_push_through_does_not_start(host: str):
    app = App(Settings(host=host, port=0, control_port=0, access_log=""))
    with pytest.raises(NotSafe, match="accessKeys or management_tokens"):
        await app.start()
    await app.stop(drain=0)


@pytest.mark.parametrize("given", [{"tls_key": "key.pem"}, {"tls_certificates": ("cert.pem:key.pem",)}])
async def test_tls_without_its_first_certificate_is_no_plain_gateway(given: dict[str, Any]):
    app = App(Settings(port=0, control_port=0, access_log="", **given))
    with pytest.raises(NotSafe, match="tls_cert"):
        await app.start()
    await app.stop(drain=0)


LETS_IT_LISTEN = [
    pytest.param({"tokens": (TOKEN,)}, id="a-token"),
    pytest.param({"management_tokens": (TOKEN,)}, id="a-token-in-the-settings"),
    pytest.param({"access_keys": (KEY,)}, id="an-access-key"),
    pytest.param({"insecure": True}, id="insecure"),
]


@pytest.mark.parametrize("options", LETS_IT_LISTEN)
async def test_keys_tokens_or_insecure_let_it_listen_everywhere(make_gateway: MakeGateway, options: dict[str, Any]):
    gateway = await make_gateway(host="0.0.0.0", **options)
    gateway.serve(PING)
    assert gateway.url.startswith("http://0.0.0.0:")


@pytest.mark.parametrize("listen", ["http://0.0.0.0:0", "http://[::]:0", "http://192.0.2.1:0", "http://gw.example:0"])
async def test_no_address_lets_anybody_push_who_is_not_known(listen: str):
    app = App(Settings(port=0, control_port=0, access_log="", listen=("http://127.0.0.1:0", listen)))
    with pytest.raises(NotSafe, match="accessKeys or management_tokens"):
        await app.start()
    await app.stop(drain=0)


async def test_an_https_address_needs_a_certificate():
    app = App(Settings(port=0, control_port=0, access_log="", listen=("https://127.0.0.1:8443",)))
    with pytest.raises(NotSafe, match=r"https://127\.0\.0\.1:8443 needs a certificate: give tls_cert"):
        await app.start()
    await app.stop(drain=0)


async def test_a_gateway_does_not_start_with_the_lenient_parser():
    program = (
        "import asyncio; from wsgw.app import App; from wsgw.settings import Settings; "
        "asyncio.run(App(Settings(port=0, control_port=0)).start())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"NotSafe: aiohttp runs without its parser in C" in errors
