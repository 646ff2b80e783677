"""`$context.identity.clientCert.*`: what a client shows in mutual TLS, in every kind of API.

Source: developer guide, "How to turn on mutual TLS authentication for your REST APIs", variables of its certificate.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from cryptography import x509

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.rest_api import answers, rest_api
from tests.harness.rest_api import mock as rest_mock
from wsgw.definitions.api import Api, ApiMapping, DomainName
from wsgw.definitions.route import Integration
from wsgw.integrations.handler_context import Handler

NAMES = ("clientCertPem", "subjectDN", "issuerDN", "serialNumber", "validity.notBefore", "validity.notAfter")
TEMPLATE = json.dumps({name: f"$util.escapeJavaScript($context.identity.clientCert.{name})" for name in NAMES})


class Authorities:
    """Who vouches for the gateway and for its clients, and one client's certificate."""

    def __init__(self, folder: Path) -> None:
        self.servers, self.clients = trustme.CA(), trustme.CA()
        self.truststore = str(folder / "truststore.pem")
        self.clients.cert_pem.write_to_path(self.truststore)
        self.files = str(folder / "own.pem")
        issued = self.servers.issue_cert("localhost", "mutual.example.com")
        issued.private_key_and_cert_chain_pem.write_to_path(self.files)
        self.issued = self.clients.issue_cert("client@example.com", common_name="client-1")

    def tls(self, *, shown: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.servers.configure_trust(context)
        if shown:
            self.issued.configure_cert(context)
        return context

    def facts(self) -> dict[str, str]:
        """What must be said of the client's certificate."""
        pem = self.issued.cert_chain_pems[0].bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        serial = f"{certificate.serial_number:x}"
        serial = serial.zfill(len(serial) + len(serial) % 2)
        before, after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return {
            "clientCertPem": pem.decode(),
            "subjectDN": certificate.subject.rfc4514_string(),
            "issuerDN": certificate.issuer.rfc4514_string(),
            "serialNumber": ":".join(serial[at : at + 2] for at in range(0, len(serial), 2)),
            "validity.notBefore": f"{before:%b} {before.day:2d} {before:%H:%M:%S %Y} GMT",
            "validity.notAfter": f"{after:%b} {after.day:2d} {after:%H:%M:%S %Y} GMT",
        }


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    return Authorities(tmp_path)


@pytest.fixture
async def gateway(make_gateway: MakeGateway, authorities: Authorities) -> TestGateway:
    return await make_gateway(tls_cert=authorities.files, tls_key=authorities.files)


def deploy(
    gateway: TestGateway, authorities: Authorities, one: Api, handlers: dict[str, Handler] | None = None
) -> None:
    (stage,) = one.stages
    mapped = ApiMapping(api_id=one.id, stage=stage)
    name = DomainName(name="mutual.example.com", mappings=(mapped,), truststore=authorities.truststore)
    gateway.app.deploy((one,), domain_names=(name,), handlers=handlers)


def address(gateway: TestGateway, scheme: str, path: str = "") -> str:
    return f"{scheme}://127.0.0.1:{gateway.url.rpartition(':')[2]}{path}"


ASKED: dict[str, Any] = {"headers": {"Host": "mutual.example.com"}, "server_hostname": "mutual.example.com"}


async def test_templates_of_a_rest_api_see_the_certificate(gateway: TestGateway, authorities: Authorities):
    deploy(gateway, authorities, rest_api(rest_mock("GET /who", answers("200", TEMPLATE))))
    async with (
        aiohttp.ClientSession() as session,
        session.get(address(gateway, "https", "/who"), ssl=authorities.tls(), **ASKED) as response,
    ):
        assert response.status == 200
        assert json.loads(await response.read()) == authorities.facts()


async def test_templates_of_a_websocket_api_see_the_certificate(gateway: TestGateway, authorities: Authorities):
    deploy(gateway, authorities, api(route("who", mock(TEMPLATE), two_way=True)))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address(gateway, "wss"), ssl=authorities.tls(), **ASKED) as socket,
    ):
        await socket.send_str('{"action":"who"}')
        assert json.loads(await socket.receive_str(timeout=10)) == authorities.facts()


async def test_events_of_a_websocket_api_show_the_certificate(gateway: TestGateway, authorities: Authorities):
    shown: asyncio.Queue[Any] = asyncio.Queue()

    async def handler(event: Any, context: Any) -> Any:
        shown.put_nowait(event["requestContext"])
        return {"statusCode": 200}

    python = Integration(type="PYTHON", uri="m:handler")
    one = api(route("$connect", python), route("$default", python), route("$disconnect", python))
    deploy(gateway, authorities, one, {"m:handler": handler})
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address(gateway, "wss"), ssl=authorities.tls(), **ASKED) as socket,
    ):
        await socket.send_str("hello")
        contexts = [await asyncio.wait_for(shown.get(), 10) for _ in range(2)]
    contexts.append(await asyncio.wait_for(shown.get(), 10))
    assert [context["eventType"] for context in contexts] == ["CONNECT", "MESSAGE", "DISCONNECT"]
    facts = authorities.facts()
    for context in contexts:
        certificate = context["identity"]["clientCert"]
        assert certificate["subjectDN"] == facts["subjectDN"]
        assert certificate["validity"]["notAfter"] == facts["validity.notAfter"]


async def test_a_handshake_without_a_certificate_is_403(gateway: TestGateway, authorities: Authorities):
    deploy(gateway, authorities, api(route("$default", mock("x"))))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(address(gateway, "wss"), ssl=authorities.tls(shown=False), **ASKED)
    assert refused.value.status == 403
