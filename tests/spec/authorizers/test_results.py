"""What an authorizer's result brings: principal and context in events, templates and logs, keys, and what logs say.

Source: developer guide, "Output from an API Gateway Lambda authorizer"; recorded on the service.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.authorizers import authorizer, call, guarded, hello, policy
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint, raises, refuses, returns
from tests.harness.rest_api import answers, method, mock, rest_api
from tests.harness.until import until
from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.route import Integration, Route
from wsgw.errors import DefinitionError

TOKEN = "X-Token: t"
CONTEXT = {"name": "n", "level": 7, "ratio": 1.5, "admin": True}
TEXTS = {"name": "n", "level": "7", "ratio": "1.5", "admin": "true"}
ASKED = {"authorization_type": "CUSTOM", "authorizer": "who"}


def behind(one: Any, *routes: Route) -> Api:
    """A REST API whose `routes` are behind the authorizer `one`."""
    return rest_api(*(msgspec.structs.replace(each, **ASKED) for each in routes), authorizers={one.id: one})


async def test_context_is_text_in_the_event_of_a_rest_api(gateway: TestGateway, functions: LambdaEndpoint):
    """Row: the proxy event gives them as strings too."""
    functions.functions["auth"] = returns(policy(context=CONTEXT))
    functions.functions["f"] = returns({})
    gateway.deploy(behind(authorizer("REST"), method("GET /a", "AWS_PROXY", "f")))
    assert (await call(gateway, "REST", TOKEN)).status == 200
    section = functions.calls[-1].event["requestContext"]["authorizer"]
    assert isinstance(section.pop("integrationLatency"), int)
    assert section == {"principalId": "somebody", **TEXTS}


async def test_context_is_text_in_templates(gateway: TestGateway, functions: LambdaEndpoint):
    """Row: they reach templates as strings."""
    functions.functions["auth"] = returns(policy(context=CONTEXT))
    names = ("principalId", *TEXTS)
    template = "|".join(f"$context.authorizer.{name}" for name in names)
    gateway.deploy(behind(authorizer("REST"), mock("GET /a", answers(template=template))))
    answer = await call(gateway, "REST", TOKEN)
    assert answer.body.decode() == "somebody|n|7|1.5|true"


async def test_context_keeps_its_types_in_payload_format_2_0(gateway: TestGateway, functions: LambdaEndpoint):
    """Row: 2.0 to a Lambda integration keeps JSON types in requestContext.authorizer.lambda."""
    nested = {**CONTEXT, "list": ["a", 1], "map": {"a": None}, "nothing": None}
    functions.functions["auth"] = returns({"isAuthorized": True, "context": nested})
    one = authorizer("HTTP", payload_format_version="2.0", simple_responses=True)
    gateway.deploy(guarded(one, "HTTP"), handlers={"hello": hello})
    assert (await call(gateway, "HTTP", TOKEN)).json() == {"lambda": nested}


async def test_the_context_key_claims_is_reserved_in_http_apis(gateway: TestGateway, functions: LambdaEndpoint):
    """Row: key `claims` reserved."""
    functions.functions["auth"] = returns(policy(context={"claims": "mine"}))
    gateway.deploy(guarded(authorizer("HTTP"), "HTTP"), handlers={"hello": hello})
    assert (await call(gateway, "HTTP", TOKEN)).status == 500


async def test_a_policy_of_payload_format_2_0_needs_no_principal(gateway: TestGateway, functions: LambdaEndpoint):
    """Row: principalId optional in 2.0."""
    result = policy(context={"a": 1})
    del result["principalId"]
    functions.functions["auth"] = returns(result)
    gateway.deploy(guarded(authorizer("HTTP", payload_format_version="2.0"), "HTTP"), handlers={"hello": hello})
    assert (await call(gateway, "HTTP", TOKEN)).json() == {"lambda": {"a": 1}}
    gateway.deploy(guarded(authorizer("HTTP"), "HTTP"), handlers={"hello": hello})
    assert (await call(gateway, "HTTP", TOKEN)).status == 500


async def test_context_stays_with_a_connection(gateway: TestGateway, functions: LambdaEndpoint):
    """Result context is attached to the connection; integrationLatency is in CONNECT events only."""
    functions.functions["auth"] = returns(policy(context=CONTEXT))
    events: list[Any] = []

    async def seen(event: Any, context: Any) -> Any:
        events.append(event["requestContext"]["authorizer"])
        return {"statusCode": 200}

    one = authorizer("WEBSOCKET")
    routes = {
        key: Route(key=key, integration=Integration(type="PYTHON", uri="seen"), **asked)
        for key, asked in (("$connect", ASKED), ("$default", {}), ("$disconnect", {}))
    }
    api = Api(
        id="pets",
        name="pets",
        protocol="WEBSOCKET",
        route_selection_expression="$request.body.action",
        routes=routes,
        authorizers={one.id: one},
        stages={"dev": Stage(name="dev")},
    )
    gateway.deploy(api, handlers={"seen": seen})
    client = await gateway.connect("/pets/dev", headers=[("X-Token", "t")])
    await client.send_text("hi")
    await until(lambda: len(events) == 2)
    await client.close()
    await until(lambda: len(events) == 3)
    assert [isinstance(each.pop("integrationLatency", None), int) for each in events] == [True, False, False]
    assert events == [{"principalId": "somebody", **TEXTS}] * 3
    assert len(functions.calls) == 1


async def test_every_handshake_is_asked_about(gateway: TestGateway, functions: LambdaEndpoint):
    """Row: caching: none, the function runs on every handshake."""
    functions.functions["auth"] = returns(policy())
    gateway.deploy(guarded(authorizer("WEBSOCKET", result_ttl=300), "WEBSOCKET"))
    for _ in range(3):
        assert (await call(gateway, "WEBSOCKET", TOKEN)).status == 101
    assert len(functions.calls) == 3


# ---- logs

FORMAT = (
    "$context.authorizer.status $context.authorizer.error $context.authorizer.integrationStatus "
    "$context.authorizer.principalId $context.authorizer.level $context.requestId"
)
LOGGED = [
    pytest.param(returns(policy(context=CONTEXT)), (TOKEN,), "200 - 200 somebody 7", id="let in"),
    pytest.param(raises("Exception", "Unauthorized"), (TOKEN,), "401 Unauthorized 200 - -", id="unauthorized"),
    pytest.param(raises("Error", "a secret"), (TOKEN,), "500 AUTHORIZER_FAILURE 200 - -", id="failed"),
    pytest.param(returns({}), (TOKEN,), "500 AUTHORIZER_CONFIGURATION_ERROR 200 - -", id="unusable"),
    pytest.param(refuses(403, "AccessDeniedException"), (TOKEN,), "500 AUTHORIZER_CONFIGURATION_ERROR - - -", id="no"),
    pytest.param(returns(policy()), (), "- - - - -", id="identity source missing: nothing"),
]


@pytest.mark.parametrize(("function", "lines", "logged"), LOGGED)
@pytest.mark.parametrize("protocol", ["REST", "HTTP", "WEBSOCKET"])
async def test_what_access_logs_say(
    make_gateway: MakeGateway,
    functions: LambdaEndpoint,
    tmp_path: Path,
    protocol: Protocol,
    function: Any,
    lines: tuple[str, ...],
    logged: str,
    caplog: pytest.LogCaptureFixture,
):
    """Rows: authorizer.{error, integrationStatus, status}; nothing where the function was not called."""
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    functions.functions["auth"] = function
    stage = Stage(name="dev", access_log_format=FORMAT)
    gateway.deploy(guarded(authorizer(protocol), protocol, stage=stage), handlers={"hello": hello})
    await call(gateway, protocol, *lines)
    await gateway.stop()
    said, _, _request_id = (tmp_path / "access.log").read_text().splitlines()[0].rpartition(" ")
    assert said == logged
    assert "a secret" not in caplog.text


async def test_the_latency_and_request_id_of_the_call_are_logged(
    make_gateway: MakeGateway, functions: LambdaEndpoint, tmp_path: Path
):
    """Rows: authorizer.{integrationLatency, latency, requestId}."""
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))

    async def slow(event: Any) -> Any:
        await asyncio.sleep(0.02)
        answer = await returns(policy())(event)
        return answer._replace(headers={"x-amzn-RequestId": "id-of-lambda"})

    functions.functions["auth"] = slow
    text = "$context.authorizer.requestId $context.authorizer.latency $context.authorizer.integrationLatency"
    text += " $context.requestId"
    gateway.deploy(guarded(authorizer("REST"), "REST", stage=Stage(name="dev", access_log_format=text)))
    await call(gateway, "REST", TOKEN)
    await gateway.stop()
    request_id, latency, integration_latency, _ = (tmp_path / "access.log").read_text().split()
    assert request_id == "id-of-lambda"
    assert int(latency) >= 20
    assert int(integration_latency) >= 20


async def test_no_token_is_in_any_log_or_metric(
    make_gateway: MakeGateway, functions: LambdaEndpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Secrets are in no log, whatever becomes of the call."""
    caplog.set_level("DEBUG", "wsgw")
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    gateway.deploy(guarded(authorizer("REST", type="TOKEN", result_ttl=300), "REST"))
    said = b""
    for function in (returns(policy("Deny")), returns({"principalId": "hush-hush"}), raises("E", "hush-hush")):
        functions.functions["auth"] = function
        said += (await call(gateway, "REST", f"X-Token: hush-hush{len(said)}")).body
    said += gateway.app.metrics.exposition()
    await gateway.stop()
    assert b"hush-hush" not in said + (tmp_path / "access.log").read_bytes() + caplog.text.encode()


# ---- definitions that cannot be enforced are not served

REFUSED: list[Any] = [
    pytest.param("REST", {"type": "TOKEN", "identity_sources": ()}, "one method.request.header", id="TOKEN: no source"),
    pytest.param(
        "REST", {"type": "TOKEN", "identity_sources": ("method.request.querystring.q",)}, "one method.request.header",
        id="TOKEN: a query",
    ),
    pytest.param("REST", {"result_ttl": 3601}, "0 to 3600", id="TTL of more than an hour"),
    pytest.param("REST", {"result_ttl": -1}, "0 to 3600", id="TTL below 0"),
    pytest.param("REST", {"result_ttl": 1, "identity_sources": ()}, "no identitySource", id="REST: TTL, no source"),
    pytest.param("HTTP", {"result_ttl": 1, "identity_sources": ()}, "no identitySource", id="HTTP: TTL, no source"),
    pytest.param("REST", {"uri": ""}, "no authorizerUri", id="no uri"),
    pytest.param("REST", {"type": "TOKEN", "identity_validation_expression": "("}, "missing \\)", id="expression"),
    pytest.param("REST", {"uri": "http://"}, "URL", id="a URL without a host"),
    pytest.param("REST", {"uri": "no.such:function", "called": "PYTHON"}, "no.such", id="no such Python function"),
    pytest.param("REST", {"timeout_ms": 0}, "timeoutMs", id="no time"),
    pytest.param("HTTP", {"simple_responses": True}, "2.0", id="simple responses of format 1.0"),
    pytest.param("HTTP", {"type": "TOKEN"}, "TOKEN", id="HTTP: TOKEN"),
    pytest.param("WEBSOCKET", {"type": "TOKEN"}, "TOKEN", id="WebSocket: TOKEN does not exist"),
    pytest.param("REST", {"uri": "${stageVariables.none}"}, "none", id="a stage variable that is not there"),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "members", "reason"), REFUSED)
async def test_an_authorizer_that_cannot_be_asked_is_not_deployed(
    gateway: TestGateway, protocol: Protocol, members: dict[str, Any], reason: str
):
    with pytest.raises(DefinitionError, match=reason):
        gateway.deploy(guarded(authorizer(protocol, **members), protocol), handlers={"hello": hello})


@pytest.mark.parametrize(
    "asked",
    [
        {"authorization_type": "CUSTOM", "authorizer": "nobody"},
        {"authorization_type": "CUSTOM"},
        {"authorization_type": "JWT", "authorizer": "who"},
        {"authorization_type": "COGNITO_USER_POOLS", "authorizer": "who"},
        {"authorization_type": "SOMETHING"},
    ],
)
async def test_a_route_whose_authorizer_is_not_there_is_not_deployed(gateway: TestGateway, asked: dict[str, str]):
    """Never open by accident."""
    one = authorizer("REST")
    open_route = msgspec.structs.replace(mock("GET /a"), **asked)
    with pytest.raises(DefinitionError, match=r"authoriz(er|ation)"):
        gateway.deploy(rest_api(open_route, authorizers={one.id: one}))
    assert json.loads((await call(gateway, "REST", TOKEN)).body or b"{}").get("message") != "hello"
