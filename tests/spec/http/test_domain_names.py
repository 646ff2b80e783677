"""Custom domain names of HTTP APIs: which mapping takes a path, and what the API then sees.

Source: developer guide, "Use API mappings to connect API stages to a custom domain name" and "How to turn on mutual
TLS authentication for your HTTP APIs".
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Answer, Client, function, new_session, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from tests.harness.raw_http import request, split_responses
from tests.harness.raw_websocket import RawSocket
from wsgw.definitions.api import Api, ApiMapping, DomainName, Stage
from wsgw.definitions.check_domain import check_domains
from wsgw.definitions.route import Integration, IntegrationResponse, Route, RouteResponse

DOMAIN = "api.example.com"


def named(id: str, uri: str) -> Api:
    """An HTTP API that says its id and the path that its route saw, in headers of its answers."""
    mapping = {"200": {"append:header.api": "$context.apiId"}}
    data = proxy(uri, responseParameters=mapping, requestParameters={"append:header.saw": "$request.path"})
    return msgspec.structs.replace(web_api({"$default": data}), id=id, name=id)


@pytest.fixture
async def at_domain(gateway: TestGateway) -> AsyncIterator[Client]:
    async with new_session() as session:
        yield Client(session, gateway, DOMAIN)


def domain(*mappings: tuple[str, str], name: str = DOMAIN, **members: Any) -> DomainName:
    found = tuple(ApiMapping(api_id=api_id, stage="$default", key=key) for api_id, key in mappings)
    return DomainName(name=name, mappings=found, **members)


FOUR = domain(
    ("api1", ""), ("api2", "orders/v1/items"), ("api3", "orders/v2/items"), ("api4", "orders/v2/items/categories")
)
PATHS = [
    ("/orders/v1/items", "api2", "/"),
    ("/orders/v1/items/123", "api2", "/123"),
    ("/orders/v2/items", "api3", "/"),
    ("/orders/v2/items/categories/5", "api4", "/5"),
    ("/customers", "api1", "/customers"),
    ("/orders/v2/itemsmore", "api1", "/orders/v2/itemsmore"),
    ("/orders/v1", "api1", "/orders/v1"),
    ("/", "api1", "/"),
]


@pytest.mark.parametrize(("path", "id", "saw"), PATHS, ids=[path for path, _, _ in PATHS])
async def test_the_longest_key_of_whole_segments_wins_and_is_stripped(
    gateway: TestGateway, backend: Backend, at_domain: Client, path: str, id: str, saw: str
):
    apis = [named(one.api_id, f"{backend.url}/{one.api_id}") for one in FOUR.mappings]
    gateway.app.deploy(apis, domain_names=[FOUR])
    for one in FOUR.mappings:
        backend.on(f"/{one.api_id}{saw}", 200)
    answer = await at_domain.ask(path)
    assert (answer.status, answer.header("api")) == (200, id)
    assert backend.requests[0].header("saw") == saw


async def test_a_path_that_no_mapping_takes_is_refused(gateway: TestGateway, backend: Backend, at_domain: Client):
    """403 or 404 (unconfirmed)."""
    gateway.app.deploy([named("api1", backend.url)], domain_names=[domain(("api1", "orders"))])
    assert (await at_domain.ask("/customers")).status == 403
    assert backend.requests == []


async def test_rest_and_http_apis_share_a_domain(gateway: TestGateway, backend: Backend, at_domain: Client):
    template = {"application/json": "rest"}
    integration = Integration(
        type="MOCK",
        request_templates={"application/json": '{"statusCode": 200}'},
        responses=(IntegrationResponse(key="200", status_code="200", response_templates=template),),
    )
    method = Route(key="GET /", integration=integration, responses={"200": RouteResponse(status_code="200")})
    stages = {"$default": Stage(name="prod")}
    rest = Api(
        id="rest", name="rest", protocol="REST", routes={method.key: method}, stages={"prod": stages["$default"]}
    )
    mappings = (
        ApiMapping(api_id="rest", stage="prod", key="old"),
        ApiMapping(api_id="api1", stage="$default", key="new"),
    )
    gateway.app.deploy([rest, named("api1", backend.url)], domain_names=[DomainName(name=DOMAIN, mappings=mappings)])
    assert (await at_domain.ask("/old")).body == b"rest"
    assert (await at_domain.ask("/new")).header("api") == "api1"


KEYS = [
    ("orders/v1/items", True),
    ("A-z0.9$_+!*'()", True),
    ("k" * 300, True),
    ("k" * 301, False),
    ("a b", False),
    ("a//b", False),
    ("a%20b", False),
]


@pytest.mark.parametrize(("key", "sound"), KEYS, ids=[f"{key[:15]} of {len(key)}" for key, _ in KEYS])
def test_each_rule_of_mapping_keys(key: str, sound: bool):
    found = check_domains([domain(("api1", key))], [named("api1", "http://h")])
    assert [finding.severity for finding in found] == ([] if sound else ["error"])


@pytest.mark.parametrize("key", ["", "orders"], ids=["(none)", "orders"])
def test_a_second_mapping_with_a_key_is_refused(key: str):
    (finding,) = check_domains([domain(("api1", key), ("api1", key))], [named("api1", "http://h")])
    assert finding.severity == "error"


MISTAKES = [
    pytest.param(ApiMapping(api_id="none", stage="$default"), "no API 'none'", id="unknown api"),
    pytest.param(ApiMapping(api_id="api1", stage="none"), "no stage 'none'", id="unknown stage"),
]


@pytest.mark.parametrize(("mapping", "says"), MISTAKES)
def test_a_mapping_to_nothing_is_refused(mapping: ApiMapping, says: str):
    (finding,) = check_domains([DomainName(name=DOMAIN, mappings=(mapping,))], [named("api1", "http://h")])
    assert says in finding.message


# ---- mutual TLS


class Authorities:
    """A domain of mutual TLS: its certificate, the truststore, and certificates of clients."""

    def __init__(self, folder: Path) -> None:
        self.servers, self.clients = trustme.CA(), trustme.CA()
        self.own = str(folder / "server.pem")
        self.servers.issue_cert(DOMAIN, "localhost").private_key_and_cert_chain_pem.write_to_path(self.own)
        self.truststore = str(folder / "truststore.pem")
        self.clients.cert_pem.write_to_path(self.truststore)

    def context(self, issuer: trustme.CA | None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.servers.configure_trust(context)
        if issuer is not None:
            issuer.issue_cert("client@example.com", common_name="a client").configure_cert(context)
        return context


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    return Authorities(tmp_path)


async def ask_tls(gateway: TestGateway, context: ssl.SSLContext) -> Answer:
    port = int(gateway.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=DOMAIN)
    async with RawSocket(reader, writer) as client:
        await client.send(request("/pets", DOMAIN, [("Connection", "close")]))
        (response,) = split_responses(await client.receive_to_eof())
        return Answer(*response)


async def mutual(make_gateway: MakeGateway, authorities: Authorities, version: str) -> TestGateway:
    gateway = await make_gateway(tls_cert=authorities.own, tls_key=authorities.own)
    names = [domain(("web", ""), truststore=authorities.truststore)]
    gateway.app.deploy([web_api({"GET /pets": function(version)})], domain_names=names)
    return gateway


@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_a_client_of_the_truststore_is_let_in_and_the_function_sees_its_certificate(
    make_gateway: MakeGateway, lambdas: LambdaEndpoint, authorities: Authorities, version: str
):
    """requestContext.authentication.clientCert; in format 1.0 requestContext.identity.clientCert."""
    gateway = await mutual(make_gateway, authorities, version)
    lambdas.functions["handle"] = returns({"statusCode": 200})
    assert (await ask_tls(gateway, authorities.context(authorities.clients))).status == 200
    context = lambdas.calls[0].event["requestContext"]
    certificate = (context["identity"] if version == "1.0" else context["authentication"])["clientCert"]
    assert certificate.keys() == {"clientCertPem", "subjectDN", "issuerDN", "serialNumber", "validity"}
    assert certificate["validity"].keys() == {"notBefore", "notAfter"}
    assert certificate["clientCertPem"].startswith("-----BEGIN CERTIFICATE-----")
    assert "a client" in certificate["subjectDN"]
    assert json.dumps(certificate)


async def test_a_client_without_a_certificate_is_403(
    make_gateway: MakeGateway, lambdas: LambdaEndpoint, authorities: Authorities
):
    gateway = await mutual(make_gateway, authorities, "2.0")
    answer = await ask_tls(gateway, authorities.context(None))
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')


async def test_a_strangers_certificate_fails_the_handshake(
    make_gateway: MakeGateway, lambdas: LambdaEndpoint, authorities: Authorities
):
    gateway = await mutual(make_gateway, authorities, "2.0")
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError, ValueError)):
        await ask_tls(gateway, authorities.context(trustme.CA()))


async def test_tls_1_2_is_the_least(make_gateway: MakeGateway, authorities: Authorities):
    gateway = await make_gateway(tls_cert=authorities.own, tls_key=authorities.own)
    gateway.app.deploy([web_api({"GET /pets": "http://127.0.0.1:9/"})], domain_names=[domain(("web", ""))])
    context = authorities.context(None)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert (await ask_tls(gateway, context)).status == 503
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await ask_tls(gateway, context)
