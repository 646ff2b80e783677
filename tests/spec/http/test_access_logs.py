"""Access logs of HTTP APIs: every variable, and the formats of the guide.

Source: developer guide, "Customizing HTTP API access logs" and "Configuring logging for an HTTP API".
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.http_client import Answer, Client, function, new_session, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, raises, returns
from wsgw.definitions.api import Api, ApiMapping, DomainName
from wsgw.live.prove import prove


class Logged:
    """Asks a gateway of its own for one path, and reads the line that this left in the log."""

    def __init__(self, make_gateway: MakeGateway, file: Path) -> None:
        self._make_gateway, self._file = make_gateway, file
        self.answer: Answer

    async def line(self, api: Api, target: str = "/pets/1", host: str = "web.localhost", **request: Any) -> str:
        gateway = await self._make_gateway(access_log=str(self._file))
        mapping = ApiMapping(api_id="web", stage="$default", key="shop/v1")
        gateway.app.deploy([api], domain_names=[DomainName(name="api.example.com", mappings=(mapping,))])
        async with new_session() as session:
            self.answer = await Client(session, gateway, host).ask(target, **request)
        await gateway.stop()
        (line,) = self._file.read_text().splitlines()
        return line


@pytest.fixture
def logged(make_gateway: MakeGateway, tmp_path: Path) -> Logged:
    return Logged(make_gateway, tmp_path / "access.log")


def logging(format: str, route: Any) -> Api:
    return web_api({"POST /pets/{id}": route}, stages={"$default": {"accessLog": format}})


NUMBER = r"\d+"
ID = r"[\w-]+="
VARIABLES = {
    "accountId": "000000000000",
    "apiId": "web",
    "stage": r"\$default",
    "domainName": r"web\.localhost",
    "domainPrefix": "web",
    "routeKey": r"POST /pets/\{id\}",
    "httpMethod": "POST",
    "path": "/pets/1",
    "protocol": "HTTP/1.1",
    "requestId": ID,
    "extendedRequestId": ID,
    "requestTime": r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000",
    "requestTimeEpoch": NUMBER,
    "status": "201",
    "responseLength": "4",
    "responseLatency": NUMBER,
    "dataProcessed": "9",
    "error.message": "-",
    "error.messageString": "-",
    "error.responseType": "-",
    "authorizer.claims.sub": "-",
    "authorizer.key": "-",
    "authorizer.principalId": "-",
    "authorizer.error": "-",
    "awsEndpointRequestId": "amzn-1",
    "awsEndpointRequestId2": "id-2",
    "customDomain.basePathMatched": "-",
    **{
        f"identity.{name}": "-"
        for name in (
            "accountId",
            "caller",
            "cognitoAuthenticationProvider",
            "cognitoAuthenticationType",
            "cognitoIdentityId",
            "cognitoIdentityPoolId",
            "principalOrgId",
            "user",
            "userArn",
            "clientCert.clientCertPem",
            "clientCert.subjectDN",
            "clientCert.issuerDN",
            "clientCert.serialNumber",
            "clientCert.validity.notBefore",
            "clientCert.validity.notAfter",
        )
    },
    "identity.sourceIp": "127.0.0.1",
    "identity.userAgent": "agent/1",
    "integration.error": "-",
    "integrationErrorMessage": "-",
    "integration.integrationStatus": "201",
    "integration.latency": NUMBER,
    "integrationLatency": NUMBER,
    "integration.requestId": "-",
    "integration.status": "201",
    "integrationStatus": "201",
    "nothing.known": "-",
}


async def test_each_variable(logged: Logged, backend: Backend):
    """What is unset is a dash."""
    backend.on("/", 201, "said", {"x-amzn-RequestId": "amzn-1", "x-amz-id-2": "id-2"})
    members = ",".join(f'"{name}":"$context.{name}"' for name in VARIABLES)
    api = logging(f"{{{members}}}", proxy(backend.url))
    line = await logged.line(api, method="POST", headers={"User-Agent": "agent/1"}, data=b"12345")
    found = json.loads(line)
    assert {name: text for name, text in found.items() if not re.fullmatch(VARIABLES[name], text)} == {}
    assert found["requestId"] == found["extendedRequestId"] == logged.answer.header("apigw-requestid")
    assert found.keys() == VARIABLES.keys()


async def test_the_other_spelling_of_the_endpoints_request_id(logged: Logged, backend: Backend):
    """awsEndpointRequestId: x-amz-request-id or x-amzn-requestId."""
    backend.on("/", 200, "", {"x-amz-request-id": "amz-1"})
    api = logging("$context.awsEndpointRequestId $context.requestId", proxy(backend.url))
    assert (await logged.line(api, method="POST")).startswith("amz-1 ")


async def test_the_base_path_of_a_custom_domain(logged: Logged, backend: Backend):
    """customDomain.basePathMatched"""
    api = logging("$context.customDomain.basePathMatched $context.path $context.requestId", proxy(backend.url))
    line = await logged.line(api, "/shop/v1/pets/1", "api.example.com", method="POST")
    assert line.split()[:2] == ["shop/v1", "/shop/v1/pets/1"]


async def test_what_the_gateway_refuses(logged: Logged, backend: Backend):
    """error.message, error.messageString, error.responseType"""
    format = '{"m":"$context.error.message","s":$context.error.messageString,"t":"$context.error.responseType",'
    api = logging(format + '"k":"$context.routeKey","i":"$context.requestId","n":"$context.status"}', proxy("http://h"))
    found = json.loads(await logged.line(api, "/nowhere"))
    assert found.pop("i") == logged.answer.header("apigw-requestid")
    assert found.pop("t")
    assert found == {"m": "Not Found", "s": "Not Found", "k": "-", "n": "404"}


STATUS = "$context.requestId $context.status $context.integrationStatus $context.integration.status "
ERROR = "$context.integrationErrorMessage|$context.integration.error"


async def test_a_functions_status(logged: Logged, lambdas: LambdaEndpoint):
    """integration.status is the function's code."""
    lambdas.functions["handle"] = returns({"statusCode": 418, "body": "b"})
    line = await logged.line(logging(STATUS + ERROR, function()), method="POST")
    assert line.split()[1:4] == ["418", "418", "418"]


async def test_the_cause_of_a_500_is_in_the_log(logged: Logged, lambdas: LambdaEndpoint):
    """integration.error = integrationErrorMessage"""
    lambdas.functions["handle"] = raises("ValueError", "no such pet")
    line = await logged.line(logging(STATUS + ERROR, function()), method="POST")
    id, status = line.split()[:2]
    assert (id, status) == (logged.answer.header("apigw-requestid"), "500")
    message, error = line.split(" ", 4)[4].split("|")
    assert message == error != "-"


BASE = ["requestTime", "httpMethod", "routeKey", "status", "protocol", "responseLength"]
XML = "".join(f"<{name}>$context.{name}</{name}>" for name in BASE)
FORMATS = {
    "CLF": '$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey '
    '$context.protocol" $context.status $context.responseLength $context.requestId',
    "JSON": '{"requestId":"$context.requestId","ip":"$context.identity.sourceIp",'
    + ",".join(f'"{name}":"$context.{name}"' for name in BASE)
    + "}",
    "XML": f'<request id="$context.requestId"><ip>$context.identity.sourceIp</ip>{XML}</request>',
    "CSV": "$context.identity.sourceIp,$context.requestTime,$context.httpMethod,$context.routeKey,$context.protocol,"
    "$context.status,$context.responseLength,$context.requestId",
}


@pytest.mark.parametrize("name", FORMATS)
async def test_each_format_of_the_guide(logged: Logged, backend: Backend, name: str):
    backend.on("/", 200, "said")
    line = await logged.line(logging(FORMATS[name], proxy(backend.url)), method="POST")
    id = logged.answer.header("apigw-requestid")
    route = "POST /pets/{id}"
    if name == "CLF":
        time = r"\[[^]]+\]"
        assert re.fullmatch(rf'127\.0\.0\.1 - - {time} "POST {re.escape(route)} HTTP/1\.1" 200 4 {id}', line)
    elif name == "CSV":
        ip, _, *rest = line.split(",")
        assert [ip, *rest] == ["127.0.0.1", "POST", route, "HTTP/1.1", "200", "4", id]
    else:
        root = ElementTree.fromstring(line) if name == "XML" else None
        found = json.loads(line) if root is None else {"requestId": root.get("id"), **{e.tag: e.text for e in root}}
        assert found.pop("requestTime")
        values = ("127.0.0.1", "POST", route, "200", "HTTP/1.1", "4", id)
        names = ("ip", "httpMethod", "routeKey", "status", "protocol", "responseLength", "requestId")
        assert found == dict(zip(names, values, strict=True))


@pytest.mark.parametrize(("length", "sound"), [(3072, True), (3073, False)], ids=["3 KB", "a character more"])
def test_a_format_has_3_kb(length: int, sound: bool):
    text = "$context.requestId "
    api = logging(text + "x" * (length - len(text)), "http://h")
    assert [finding.severity for finding in prove(api)] == ([] if sound else ["error"])
