"""`$context` of REST APIs: in templates, and in access logs in the formats that the guide gives.

Sources: developer guide, "Variables for data transformations" and "Variables for access logging"; members recorded.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import answers, ask, mock, rest_api
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Route
from wsgw.errors import DefinitionError

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
MEMBERS = (
    "resourceId resourcePath httpMethod extendedRequestId requestTime path accountId protocol requestOverride stage "
    "domainPrefix requestTimeEpoch requestId identity domainName deploymentId responseOverride apiId"
)
IDENTITY = (
    "cognitoIdentityPoolId accountId cognitoIdentityId caller sourceIp principalOrgId accessKey "
    "cognitoAuthenticationType cognitoAuthenticationProvider userArn userAgent user"
)


async def rendered(gateway: TestGateway, template: str, *lines: str, **members: Any) -> Response:
    route = mock("GET /pets/{id}", answers("200", template))
    route = Route(**{**{name: getattr(route, name) for name in route.__struct_fields__}, **members})
    gateway.deploy(rest_api(route))
    return await ask(gateway, "GET", "/pets/7?q=1", *lines)


@pytest.mark.parametrize(("name", "members"), [("context", MEMBERS), ("context.identity", IDENTITY)])
async def test_templates_see_the_recorded_members(gateway: TestGateway, name: str, members: str):
    response = await rendered(gateway, f"#foreach($k in ${name}.keySet())$k #end")
    assert set(response.body.decode().split()) == set(members.split())


VARIABLES = [
    ("accountId", r"\d{12}"),
    ("apiId", "pets"),
    ("deploymentId", "[a-z0-9]{6,}"),
    ("stage", "dev"),
    ("domainName", r"127\.0\.0\.1:\d+"),
    ("domainPrefix", "127"),
    ("requestId", UUID),
    ("extendedRequestId", "[A-Za-z0-9_+/-]+="),
    ("requestTime", r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"),
    ("requestTimeEpoch", r"\d{13}"),
    ("httpMethod", "GET"),
    ("path", "/dev/pets/7"),
    ("protocol", "HTTP/1.1"),
    ("resourceId", "res1"),
    ("resourcePath", r"/pets/\{id\}"),
    ("operationName", "getPet"),
    ("isCanaryRequest", ""),
    ("authorizer.principalId", ""),
    ("authorizer.claims", ""),
    ("authorizer.claims.sub", ""),
    ("identity.sourceIp", r"127\.0\.0\.1"),
    ("identity.userAgent", "agent/1"),
    ("identity.user", ""),
    ("identity.apiKey", ""),
    ("identity.clientCert.subjectDN", ""),
    ("wafResponseCode", ""),
    ("error.message", ""),
]


@pytest.mark.parametrize(("name", "pattern"), VARIABLES, ids=[name for name, _ in VARIABLES])
async def test_a_variable(gateway: TestGateway, name: str, pattern: str):
    response = await rendered(gateway, f"[$context.{name}]", "User-Agent: agent/1", operation_name="getPet")
    assert re.fullmatch(rf"\[{pattern}\]", response.body.decode()), response.body


async def test_ids_are_those_of_the_answer(gateway: TestGateway):
    response = await rendered(gateway, "$context.requestId $context.extendedRequestId")
    assert response.body.decode().split() == [response.header("x-amzn-requestid"), response.header("x-amz-apigw-id")]


async def test_there_is_no_authorizer(gateway: TestGateway):
    assert (await rendered(gateway, "[$context.authorizer.keySet()]")).body == b"[]"


CHOSEN = [
    pytest.param("12345678-1234-4234-8234-123456789abc", "12345678-1234-4234-8234-123456789abc", id="a UUID"),
    pytest.param("mine", "UUID_REPLACED_INVALID_REQUEST_ID", id="no UUID"),
]


@pytest.mark.parametrize(("sent", "said"), CHOSEN)
async def test_a_client_may_choose_the_request_id(gateway: TestGateway, sent: str, said: str):
    response = await rendered(gateway, "$context.requestId", f"x-amzn-RequestId: {sent}")
    assert response.body.decode() == said


# ---- access logs


class Logged:
    """The lines that requests leave in the access log."""

    def __init__(self, make_gateway: MakeGateway, file: Path) -> None:
        self._make, self._file = make_gateway, file

    async def lines(self, format: str, *paths: str) -> list[str]:
        gateway = await self._make(access_log=str(self._file))
        gateway.deploy(
            rest_api(mock("GET /pets/{id}", answers("200", "four")), stage=Stage(name="dev", access_log_format=format))
        )
        for path in paths:
            await ask(gateway, "GET", path)
        await gateway.stop()
        return self._file.read_text().splitlines()


@pytest.fixture
def logged(make_gateway: MakeGateway, tmp_path: Path) -> Logged:
    return Logged(make_gateway, tmp_path / "access.log")


ORDER = (
    "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
    '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
    "$context.requestId $context.extendedRequestId"
)
KEYS = {
    "requestId": "requestId", "extendedRequestId": "extendedRequestId", "ip": "identity.sourceIp",
    "caller": "identity.caller", "user": "identity.user", "requestTime": "requestTime", "httpMethod": "httpMethod",
    "resourcePath": "resourcePath", "status": "status", "protocol": "protocol", "responseLength": "responseLength",
}  # fmt: skip
WRITTEN = {
    "ip": "127.0.0.1", "caller": "-", "user": "-", "httpMethod": "GET", "resourcePath": "/pets/{id}", "status": "200",
    "protocol": "HTTP/1.1", "responseLength": "4",
}  # fmt: skip


async def test_clf(logged: Logged):
    (line,) = await logged.lines(ORDER, "/pets/7")
    pattern = rf'127\.0\.0\.1 - - \[[^]]+\] "GET /pets/{{id}} HTTP/1\.1" 200 4 {UUID} \S+='
    assert re.fullmatch(pattern, line)


async def test_json(logged: Logged):
    text = "{" + ",".join(f'"{key}":"$context.{name}"' for key, name in KEYS.items()) + "}"
    (line,) = await logged.lines(text, "/pets/7")
    members = json.loads(line)
    assert {name: members[name] for name in WRITTEN} == WRITTEN
    assert re.fullmatch(UUID, members["requestId"])


async def test_xml(logged: Logged):
    children = "".join(f"<{key}>$context.{name}</{key}>" for key, name in KEYS.items() if key != "requestId")
    (line,) = await logged.lines(f'<request id="$context.requestId">{children}</request>', "/pets/7")
    element = ElementTree.fromstring(line)
    assert {name: element.findtext(name) for name in WRITTEN} == WRITTEN
    assert re.fullmatch(UUID, element.attrib["id"])


async def test_csv(logged: Logged):
    names = ["identity.sourceIp", *(name for name in KEYS.values() if name not in ("identity.sourceIp", "requestId"))]
    (line,) = await logged.lines(",".join(f"$context.{name}" for name in [*names, "requestId"]), "/pets/7")
    assert line.split(",")[0] == "127.0.0.1"
    assert len(line.split(",")) == len(KEYS)


LOG_ONLY = [
    *(f"{phase}.{what}" for phase in ("authorize", "authenticate", "waf") for what in ("error", "latency", "status")),
    *("authorizer.error", "authorizer.integrationLatency", "authorizer.integrationStatus", "authorizer.latency"),
    *("authorizer.requestId", "authorizer.status", "customDomain.basePathMatched", "integration.error"),
    *("integrationErrorMessage", "integration.requestId", "awsEndpointRequestId", "webaclArn"),
    *("identity.vpcId", "identity.vpceId"),
]


@pytest.mark.parametrize("name", LOG_ONLY)
async def test_a_variable_of_access_logs_that_has_no_value_is_a_dash(logged: Logged, name: str):
    (line,) = await logged.lines(f"$context.requestId [$context.{name}]", "/pets/7")
    assert line.endswith(" [-]")


async def test_the_status_length_and_time_of_an_answer(logged: Logged):
    form = "$context.requestId $context.status $context.responseLength $context.responseLatency $context.xrayTraceId"
    served, refused = [line.split() for line in await logged.lines(form, "/pets/7", "/nothing")]
    assert served[1:3] == ["200", "4"]
    assert refused[1:3] == ["403", str(len('{"message":"Missing Authentication Token"}'))]
    assert int(served[3]) >= 0
    assert re.fullmatch("1-[0-9a-f]{8}-[0-9a-f]{24}", served[4])


async def test_a_refusal_says_why(logged: Logged):
    form = "$context.requestId $context.error.responseType $context.error.messageString"
    (line,) = await logged.lines(form, "/nothing")
    assert line.endswith('MISSING_AUTHENTICATION_TOKEN "Missing Authentication Token"')


@pytest.mark.parametrize(
    ("form", "why"),
    [("$context.status", "must contain"), ("$context.requestId\n$context.status", "is one line")],
    ids=["without an id", "two lines"],
)
async def test_a_format_that_cannot_be_is_refused_when_deployed(gateway: TestGateway, form: str, why: str):
    with pytest.raises((DefinitionError, ValueError), match=why):
        gateway.deploy(rest_api(mock("GET /"), stage=Stage(name="dev", access_log_format=form)))
