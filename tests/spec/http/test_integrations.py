"""Which integrations HTTP APIs have, and what belongs to each.

Source: developer guide, "Create integrations for HTTP APIs"; service model `apigatewayv2`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.bad_backend import bad_backend, echo
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, function, new_session, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from wsgw.definitions.check import check
from wsgw.definitions.freeze import freeze

PRIVATE = "arn:aws:elasticloadbalancing:us-east-1:1:listener/app/x/1/2"


def of_document(integration: dict[str, Any], stages: Any = ()) -> Any:
    """The API that a document of the service's own shapes describes: one default route to `integration`."""
    return freeze(
        {
            "apiId": "web",
            "name": "web",
            "protocolType": "HTTP",
            "routes": [{"routeKey": "$default", "target": "integrations/i"}],
            "integrations": [{"integrationId": "i", **integration}],
            "stages": list(stages),
        }
    )


KINDS = [
    pytest.param({"integrationType": "AWS_PROXY", "integrationUri": "f", "payloadFormatVersion": "2.0"}, id="Lambda"),
    pytest.param(
        {
            "integrationType": "AWS_PROXY",
            "integrationSubtype": "SQS-PurgeQueue",
            "credentialsArn": "arn:aws:iam::1:role/r",
            "requestParameters": {"QueueUrl": "q"},
        },
        id="AWS service",
    ),
    pytest.param(
        {"integrationType": "HTTP_PROXY", "integrationUri": "https://h/", "integrationMethod": "ANY"}, id="HTTP proxy"
    ),
    pytest.param(
        {
            "integrationType": "HTTP_PROXY",
            "integrationUri": PRIVATE,
            "integrationMethod": "ANY",
            "connectionType": "VPC_LINK",
            "connectionId": "l",
        },
        id="Private",
    ),
]


@pytest.mark.parametrize("integration", KINDS)
def test_each_kind_is_taken(integration: dict[str, Any]):
    assert check(of_document(integration)) == []


@pytest.mark.parametrize("kind", ["MOCK", "HTTP", "AWS"])
async def test_types_that_are_no_proxies_are_not_available(gateway: TestGateway, kind: str):
    api = of_document({"integrationType": kind, "integrationUri": "http://h"})
    assert [finding.severity for finding in check(api)] == ["error"]
    with pytest.raises(Exception, match=f"HTTP APIs have no {kind} integrations"):
        gateway.deploy(api)


FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:pets"
URIS = [
    pytest.param(FUNCTION, FUNCTION, id="function ARN"),
    pytest.param(FUNCTION + ":live", FUNCTION + ":live", id="alias"),
    pytest.param(FUNCTION + ":7", FUNCTION + ":7", id="version"),
    pytest.param(
        f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations",
        FUNCTION,
        id="invocation ARN",
    ),
]


@pytest.mark.parametrize(("uri", "called"), URIS)
async def test_a_function_is_named_by_its_arn(
    gateway: TestGateway, client: Client, lambdas: LambdaEndpoint, uri: str, called: str
):
    gateway.deploy(of_document({"integrationType": "AWS_PROXY", "integrationUri": uri, "payloadFormatVersion": "2.0"}))
    lambdas.functions[called] = returns("called")
    assert (await client.ask("/", "PUT")).body == b"called"


async def test_without_a_payload_format_it_is_1_0(gateway: TestGateway, client: Client, lambdas: LambdaEndpoint):
    gateway.deploy(of_document({"integrationType": "AWS_PROXY", "integrationUri": "handle"}))
    lambdas.functions["handle"] = returns({"statusCode": 200})
    await client.ask("/")
    assert lambdas.calls[0].event["version"] == "1.0"


TIMES = [(49, False), (50, True), (30_000, True), (30_001, False)]


@pytest.mark.parametrize(("timeout", "sound"), TIMES)
def test_a_timeout_is_50_to_30000_milliseconds(timeout: int, sound: bool):
    """timeoutInMillis 50–30,000"""
    integration = {"integrationType": "HTTP_PROXY", "integrationUri": "http://h", "timeoutInMillis": timeout}
    assert [finding.severity for finding in check(of_document(integration))] == ([] if sound else ["error"])


def test_the_default_timeout_is_30_seconds():
    integration = of_document({"integrationType": "HTTP_PROXY", "integrationUri": "http://h"}).routes["$default"]
    assert integration.integration.timeout_ms == 30_000


async def test_a_backend_has_its_time_and_no_more(gateway: TestGateway, backend: Backend, client: Client):
    never = asyncio.Event()

    async def hang(_request: Received) -> web.Response:
        await never.wait()
        return web.Response()

    backend.answer("/slow", hang)
    gateway.deploy(web_api({"GET /": proxy(f"{backend.url}/slow", timeoutInMillis=60)}))
    begun = time.monotonic()
    answer = await client.ask("/")
    assert 0.05 < time.monotonic() - begun < 5
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')
    never.set()


async def test_one_integration_serves_several_routes(gateway: TestGateway, backend: Backend, client: Client):
    shared = {"integrationId": "i", "integrationType": "HTTP_PROXY", "integrationUri": backend.url}
    routes = [{"routeKey": key, "target": "integrations/i"} for key in ("GET /a", "POST /b")]
    document = {"apiId": "web", "name": "web", "protocolType": "HTTP", "routes": routes, "integrations": [shared]}
    gateway.deploy(freeze({**document, "integrations": [{**shared, "integrationMethod": "ANY"}]}))
    assert [(await client.ask("/a")).status, (await client.ask("/b", "POST")).status] == [200, 200]
    assert [got.method for got in backend.requests] == ["GET", "POST"]


# ---- private integrations

TARGETS = [
    pytest.param("arn:aws:elasticloadbalancing:us-east-1:1:listener/app/x/1/2", id="ALB listener"),
    pytest.param("arn:aws:elasticloadbalancing:us-east-1:1:listener/net/x/1/2", id="NLB listener"),
    pytest.param("arn:aws:servicediscovery:us-east-1:1:service/srv-id", id="Cloud Map service"),
    pytest.param("arn:aws:servicediscovery:us-east-1:1:service/srv-id?stage=prod&deployment=green", id="attributes"),
]


@pytest.mark.parametrize("arn", TARGETS)
@pytest.mark.parametrize(
    ("stage", "mapping", "sent"),
    [
        ("$default", {}, "/pets/1?q=1"),
        ("prod", {}, "/prod/pets/1?q=1"),
        ("prod", {"overwrite:path": "$request.path"}, "/pets/1?q=1"),
    ],
    ids=["no stage in the path of $default", "stage is part of the path", "stage stripped by overwrite:path"],
)
async def test_a_private_target_gets_the_path(
    make_gateway: MakeGateway, backend: Backend, arn: str, stage: str, mapping: dict[str, str], sent: str
):
    gateway = await make_gateway(vpc_links=(f"{arn}={backend.url}",))
    members = {"connectionType": "VPC_LINK", "connectionId": "link", "requestParameters": mapping, "method": "ANY"}
    gateway.deploy(web_api({"PUT /pets/{id}": proxy(arn, **members)}, stages={stage: None}))
    async with new_session() as session:
        prefix = "" if stage == "$default" else f"/{stage}"
        assert (await Client(session, gateway).ask(f"{prefix}/pets/1?q=1", "PUT")).status == 200
    assert (backend.requests[0].method, backend.requests[0].target) == ("PUT", sent)


@pytest.mark.parametrize(
    ("name", "status"),
    [("inner.test", 200), ("other.test", 503), (None, 503)],
    ids=["its name", "another", "plain HTTP"],
)
async def test_server_name_to_verify_makes_it_https(
    make_gateway: MakeGateway, tmp_path: Path, name: str | None, status: int
):
    """tlsConfig.serverNameToVerify: HTTPS, and that name is checked; plain HTTP without it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("inner.test").configure_cert(served)
    async with bad_backend(echo, tls=served) as backend:
        link = f"{PRIVATE}=http://127.0.0.1:{backend.port}"
        gateway = await make_gateway(vpc_links=(link,), backend_ca=str(tmp_path / "ca.pem"))
        members = {"tlsConfig": {"serverNameToVerify": name}} if name else {}
        gateway.deploy(web_api({"GET /": proxy(PRIVATE, connectionType="VPC_LINK", connectionId="link", **members)}))
        async with new_session() as session:
            assert (await Client(session, gateway).ask("/")).status == status


async def test_functions_have_no_private_connection(lambdas: LambdaEndpoint):
    api = web_api({"$default": function(connectionType="VPC_LINK", connectionId="l")})
    assert "error" in [finding.severity for finding in check(api)]
