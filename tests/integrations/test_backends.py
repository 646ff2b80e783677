"""Where HTTP integrations lead: private ones through their link, with the TLS that integration and stage ask for."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trustme

from tests.harness.bad_backend import bad_backend, echo
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration, TlsConfig
from wsgw.errors import ApiConfigurationError
from wsgw.integrations.backends import Backends
from wsgw.integrations.http_pool import HttpPool, Target
from wsgw.settings import Settings

LISTENER = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/lb/1/2"
SERVICE = "arn:aws:servicediscovery:us-east-1:000000000000:service/srv-id"
STAGE = Stage(name="prod", variables={"link": "link1"})
REST_LINK = Integration(type="HTTP_PROXY", connection_type="VPC_LINK", connection_id="link1")
HTTP_LINK = Integration(type="HTTP_PROXY", connection_type="VPC_LINK", connection_id="v2link", uri=LISTENER)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def pool(authority: trustme.CA) -> AsyncIterator[HttpPool]:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    pool = HttpPool(ssl=context, circuit_failures=0)
    yield pool
    await pool.close()


async def body(pool: HttpPool, target: Target) -> bytes:
    return (await pool.send_to(target, "POST", b"", b"x", 5)).body


def serves(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_an_integration_of_the_internet_leads_where_its_url_does(pool):
    target = Backends(pool, Settings()).target(Integration(type="HTTP_PROXY"), STAGE, "http://a.test/x?y")
    assert target == pool.target("http://a.test/x?y")


@pytest.mark.parametrize("connection_id", ["link1", "${stageVariables.link}"])
async def test_a_rest_apis_private_integration_goes_to_its_link_under_the_urls_name(pool, connection_id):
    """VPC_LINK, connectionId = VpcLink id or ${stageVariables.x}; the uri's host gives the Host header."""
    async with bad_backend(echo) as backend:
        settings = Settings(vpc_links=(f"link1=http://127.0.0.1:{backend.port}",))
        integration = msgspec.structs.replace(REST_LINK, connection_id=connection_id)
        target = Backends(pool, settings).target(integration, STAGE, "http://inner.test/pets")
        assert await body(pool, target) == b"x"
        assert backend.requests[0].line == b"POST /pets HTTP/1.1"
        assert b"Host: inner.test" in backend.requests[0].headers


async def test_a_rest_apis_private_integration_with_https_verifies_the_urls_name(pool, authority):
    async with bad_backend(echo, tls=serves(authority, "inner.test")) as backend:
        settings = Settings(vpc_links=(f"link1=http://127.0.0.1:{backend.port}",))
        target = Backends(pool, settings).target(REST_LINK, STAGE, "https://inner.test/")
        assert await body(pool, target) == b"x"


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        (LISTENER, LISTENER),
        (SERVICE, SERVICE + "?stage=prod&deployment=green"),
        (SERVICE + "?stage=prod&deployment=green", SERVICE + "?stage=prod&deployment=green"),
        ("v2link", LISTENER),
    ],
    ids=["listener", "service, whatever its query", "service with this query", "the link itself"],
)
async def test_an_http_apis_private_integration_goes_where_its_arn_is_said_to_lead(pool, name, uri):
    async with bad_backend(echo) as backend:
        settings = Settings(vpc_links=(f"{name}=http://127.0.0.1:{backend.port}",))
        target = Backends(pool, settings).target(HTTP_LINK, STAGE, uri)
        assert await body(pool, target.at("/prod/pets?a=b")) == b"x"
        assert backend.requests[0].line == b"POST /prod/pets?a=b HTTP/1.1"


async def test_a_link_for_one_query_goes_before_the_one_for_all(pool):
    settings = Settings(vpc_links=(f"{SERVICE}=http://all.test", f"{SERVICE}?stage=prod=http://one.test"))
    backends = Backends(pool, settings)
    assert backends.target(HTTP_LINK, STAGE, SERVICE + "?stage=prod").authority == "one.test"
    assert backends.target(HTTP_LINK, STAGE, SERVICE + "?stage=dev").authority == "all.test"


async def test_a_server_name_makes_an_http_apis_private_integration_https(pool, authority):
    """tlsConfig.serverNameToVerify makes the connection HTTPS and checks that name; plain HTTP otherwise."""
    async with bad_backend(echo, tls=serves(authority, "inner.test")) as backend:
        settings = Settings(vpc_links=(f"{LISTENER}=http://127.0.0.1:{backend.port}",))
        integration = msgspec.structs.replace(HTTP_LINK, tls=TlsConfig(server_name_to_verify="inner.test"))
        assert await body(pool, Backends(pool, settings).target(integration, STAGE, LISTENER)) == b"x"


async def test_a_stages_client_certificate_is_shown(pool, authority, tmp_path: Path):
    chain, key = tmp_path / "c.pem", tmp_path / "k.pem"
    leaf = authority.issue_cert("gateway.test")
    chain.write_bytes(leaf.cert_chain_pems[0].bytes())
    leaf.private_key_pem.write_to_path(str(key))
    context = serves(authority, "localhost")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    stage = Stage(name="prod", client_certificate="abc123")
    integration = Integration(type="HTTP_PROXY", tls=TlsConfig(insecure_skip_verification=True))
    async with bad_backend(echo, tls=context) as backend:
        backends = Backends(pool, Settings(backend_certificates=(f"abc123={chain}:{key}",)))
        assert await body(pool, backends.target(integration, stage, backend.url)) == b"x"


REMEDIES = [
    (REST_LINK, STAGE, "http://a.test/", r"'link1': add link1=http://HOST:PORT to the setting vpc_links"),
    (HTTP_LINK, STAGE, LISTENER, rf"add {LISTENER}=http://HOST:PORT to the setting vpc_links"),
    (
        Integration(type="HTTP_PROXY"),
        Stage(name="prod", client_certificate="abc"),
        "https://a.test/",
        r"'abc': add abc=CERT\.pem:KEY\.pem to the setting backend_certificates",
    ),
]


@pytest.mark.parametrize(("integration", "stage", "url", "remedy"), REMEDIES)
async def test_what_the_settings_lack_is_found_at_deployment_with_its_remedy(pool, integration, stage, url, remedy):
    with pytest.raises(ApiConfigurationError, match=remedy):
        Backends(pool, Settings()).target(integration, stage, url)
