"""VPC_LINK integrations, backend TLS options and client certificates, from the definition to the backend's socket."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from tests.conftest import MakeGateway
from tests.harness.bad_backend import bad_backend, echo
from tests.harness.raw_http import split_responses, talk
from tests.harness.raw_websocket import Response
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route, TlsConfig
from wsgw.errors import DefinitionError

LISTENER = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/lb/1/2"


@pytest.fixture
def lanes() -> bool:
    """On: where a backend is has nothing to do with the door."""
    return True


def an_api(protocol: str, stage: Stage | None = None, **integration: object) -> Api:
    one = Integration(type="HTTP_PROXY", method="ANY", **integration)  # type: ignore[arg-type]
    key = "ANY /pets"
    return Api(
        id="shop",
        name="shop",
        protocol=protocol,  # type: ignore[arg-type]
        routes={key: Route(key=key, integration=one, resource_id="res1")},
        stages={"dev": stage or Stage(name="dev")},
    )


async def post(url: str) -> Response:
    head = b"POST /shop/dev/pets?a=b HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
    (response,) = split_responses(await talk(url, head))
    return response


async def test_a_rest_apis_private_integration(make_gateway: MakeGateway):
    async with bad_backend(echo) as backend:
        gateway = await make_gateway(vpc_links=(f"link1=http://127.0.0.1:{backend.port}",))
        stage = Stage(name="dev", variables={"link": "link1"})
        private = {"connection_type": "VPC_LINK", "connection_id": "${stageVariables.link}"}
        gateway.deploy(an_api("REST", stage, uri="http://pets.internal/v1/pets", **private))
        assert (await post(gateway.url)).body == b"x"
        assert backend.requests[0].line == b"POST /v1/pets?a=b HTTP/1.1"
        assert b"Host: pets.internal" in backend.requests[0].headers


async def test_an_http_apis_private_integration(make_gateway: MakeGateway):
    """The stage's name is part of the path that the backend gets."""
    async with bad_backend(echo) as backend:
        gateway = await make_gateway(vpc_links=(f"{LISTENER}=http://127.0.0.1:{backend.port}",))
        gateway.deploy(an_api("HTTP", uri=LISTENER, connection_type="VPC_LINK", connection_id="v2link"))
        assert (await post(gateway.url)).body == b"x"
        assert backend.requests[0].line == b"POST /dev/pets?a=b HTTP/1.1"


async def test_a_link_that_the_settings_lack_is_found_at_deployment(make_gateway: MakeGateway):
    gateway = await make_gateway()
    private = an_api("REST", uri="http://pets.internal/", connection_type="VPC_LINK", connection_id="link1")
    with pytest.raises(DefinitionError, match=r"ANY /pets: .*add link1=http://HOST:PORT to the setting vpc_links"):
        gateway.deploy(private)


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
async def test_a_stages_client_certificate_is_shown_to_its_backends(
    make_gateway: MakeGateway, protocol, tmp_path: Path
):
    authority = trustme.CA()
    ca, chain, key = (str(tmp_path / name) for name in ("ca.pem", "c.pem", "k.pem"))
    authority.cert_pem.write_to_path(ca)
    leaf = authority.issue_cert("gateway.test")
    leaf.cert_chain_pems[0].write_to_path(chain)
    leaf.private_key_pem.write_to_path(key)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(served)
    authority.configure_trust(served)
    served.verify_mode = ssl.CERT_REQUIRED
    async with bad_backend(echo, tls=served) as backend:
        gateway = await make_gateway(backend_ca=ca, backend_certificates=(f"abc123={chain}:{key}",))
        gateway.deploy(an_api(protocol, Stage(name="dev", client_certificate="abc123"), uri=backend.url))
        assert (await post(gateway.url)).body == b"x"
        gateway.deploy(an_api(protocol, uri=backend.url))
        assert (await post(gateway.url)).status in (503, 504)


async def test_insecure_skip_verification(make_gateway: MakeGateway):
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("elsewhere.test").configure_cert(served)
    gateway = await make_gateway(circuit_failures=0)
    async with bad_backend(echo, tls=served) as backend:
        gateway.deploy(an_api("REST", uri=backend.url))
        assert (await post(gateway.url)).status == 504
        gateway.deploy(an_api("REST", uri=backend.url, tls=TlsConfig(insecure_skip_verification=True)))
        assert (await post(gateway.url)).body == b"x"
