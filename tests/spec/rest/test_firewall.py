"""The web ACL of a stage: before all access control, what a blocked request is answered, what logs say of it.

Sources: developer guide, "Use AWS WAF to protect your REST APIs"; AWS WAF developer guide. Rules and statements are
tests/firewall's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.firewall.web_acls import blocking, contains, rule, web_acl
from tests.harness.authorizers import authorizer
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import JSON, answers, ask, mock, rest_api
from tests.harness.signed_requests import SAYS, as_resource_policy
from wsgw.definitions.api import Api, GatewayResponse, Stage
from wsgw.definitions.check_unserved import unserved
from wsgw.definitions.firewall import WebAcl
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.errors import DefinitionError

FORBIDDEN = (403, "ForbiddenException", {"message": "Forbidden"})
BAD = contains("bad", "UriPath")
BAD_QUERY = contains("bad", "QueryString")
ARN = r"arn:aws:wafv2:us-east-1:000000000000:regional/webacl/acl/"


def guarded(acl: WebAcl | None, *routes: Any, **members: Any) -> Api:
    stage = Stage(name="dev", web_acl=acl, **members.pop("stage", {}))
    return rest_api(*(routes or (mock("ANY /{proxy+}"),)), stage=stage, **members)


def said(response: Response) -> tuple[int, str | None, Any]:
    return response.status, response.header("x-amzn-ErrorType"), json.loads(response.body)


async def test_a_blocked_request_is_403(gateway: TestGateway):
    """Block: 403 Forbidden, ForbiddenException."""
    gateway.deploy(guarded(blocking(BAD)))
    assert said(await ask(gateway, "GET", "/bad")) == FORBIDDEN
    assert (await ask(gateway, "GET", "/good")).status == 200


async def test_a_web_acl_is_of_one_stage(gateway: TestGateway):
    """Attached to a stage."""
    one = guarded(blocking(BAD))
    gateway.deploy(msgspec.structs.replace(one, stages={**one.stages, "prod": Stage(name="prod")}))
    assert [(await ask(gateway, "GET", "/bad", stage=stage)).status for stage in ("dev", "prod")] == [403, 200]


BEFORE: dict[str, dict[str, Any]] = {
    "resource lookup": {},
    "resource policy": {"policy": as_resource_policy(SAYS["deny"])},
    "IAM": {"authorization_type": "AWS_IAM"},
    "authorizers": {"authorization_type": "CUSTOM", "authorizer": "who"},
    "API keys": {"api_key_required": True},
}


@pytest.mark.parametrize("what", BEFORE)
async def test_it_is_evaluated_before(gateway: TestGateway, what: str):
    """Evaluated before resource policy, IAM, authorizers: what is blocked gets its 403, what passes that of `what`."""
    members = dict(BEFORE[what])
    of_api = {name: members.pop(name) for name in ("policy",) if name in members}
    calls = 0

    async def authorize(event: Any, context: Any) -> Any:
        nonlocal calls
        calls += 1
        raise PermissionError

    one = authorizer("REST", "authorize", called="PYTHON", identity_sources=())
    route = msgspec.structs.replace(mock("GET /a"), **members)
    authorizers = {"who": one} if "authorizer" in members else {}
    gateway.deploy(
        guarded(blocking(BAD_QUERY), route, authorizers=authorizers, **of_api), handlers={"authorize": authorize}
    )
    path = "/nowhere" if what == "resource lookup" else "/a"
    assert said(await ask(gateway, "GET", f"{path}?bad")) == FORBIDDEN
    assert calls == 0
    refused = said(await ask(gateway, "GET", path))
    assert refused[0] in (403, 500)
    # An API key that is missing reads the same.
    assert refused != FORBIDDEN or what == "API keys"


async def test_its_gateway_response_is_waf_filtered(gateway: TestGateway):
    """Type WAF_FILTERED."""
    response = GatewayResponse(
        response_type="WAF_FILTERED",
        status_code="418",
        response_templates={JSON: '{"type": "$context.error.responseType", "code": "$context.wafResponseCode"}'},
    )
    gateway.deploy(guarded(blocking(BAD), gateway_responses={"WAF_FILTERED": response}))
    assert said(await ask(gateway, "GET", "/bad")) == (
        418,
        "ForbiddenException",
        {"type": "WAF_FILTERED", "code": "WAF_BLOCK"},
    )


async def test_a_custom_response_wins_over_gateway_responses(gateway: TestGateway):
    """A custom WAF response wins over gateway responses."""
    custom = {"CustomResponse": {"ResponseCode": 429, "CustomResponseBodyKey": "slow"}}
    custom["CustomResponse"]["ResponseHeaders"] = [{"Name": "x-why", "Value": "rule"}]
    bodies = {"slow": {"ContentType": "TEXT_PLAIN", "Content": "slow down"}}
    acl = web_acl(rule("it", BAD, {"Block": custom}), CustomResponseBodies=bodies)
    response = GatewayResponse(response_type="WAF_FILTERED", status_code="418")
    gateway.deploy(guarded(acl, gateway_responses={"WAF_FILTERED": response}))
    answer = await ask(gateway, "GET", "/bad")
    assert (answer.status, answer.body, answer.header("x-why")) == (429, b"slow down", "rule")


LIMITS = [
    pytest.param({}, 8 * 1024, id="8 KB classic"),
    pytest.param(
        {"AssociationConfig": {"RequestBody": {"API_GATEWAY": {"DefaultSizeInspectionLimit": "KB_64"}}}},
        64 * 1024,
        id="up to 64 KB configurable",
    ),
]


@pytest.mark.parametrize(("members", "limit"), LIMITS)
async def test_the_inspected_body_is_limited(gateway: TestGateway, members: dict[str, Any], limit: int):
    """Inspected body limited."""
    field = {"Body": {"OversizeHandling": "CONTINUE"}}
    gateway.deploy(guarded(blocking(contains("attack", field), **members)))
    inside, outside = b"x" * (limit - 6) + b"attack", b"x" * (limit - 5) + b"attack"
    assert (await ask(gateway, "POST", "/a", body=inside)).status == 403
    assert (await ask(gateway, "POST", "/a", body=outside)).status == 200


async def test_a_rule_that_cannot_be_enforced_is_not_deployed(gateway: TestGateway):
    """Fail mode: there is no service that could be away; what a rule asks for and is not there is not left open."""
    acl = web_acl_of({"Name": "acl", "Rules": [rule("it", {"NoSuchStatement": {}})]})
    with pytest.raises(DefinitionError, match="webAcl"):
        gateway.deploy(guarded(acl))


def test_a_web_acl_of_aws_wafs_own_is_an_error():
    """Web ACL (regional) attached to a stage by its ARN: not reached from here, so the stage is not left open."""
    stage = {"stageName": "dev", "webAclArn": "arn:aws:wafv2:us-east-1:000000000000:regional/webacl/acl/1"}
    (finding,) = unserved({"protocolType": "REST", "id": "pets", "name": "pets", "resources": [], "stages": [stage]})
    assert (finding.severity, finding.path[-1]) == ("error", "webAclArn")


# ---- variables

FORMAT = (
    "$context.wafResponseCode $context.webaclArn $context.waf.status $context.waf.error $context.waf.latency "
    "$context.status $context.requestId"
)
LOGGED = [
    pytest.param(blocking(BAD), "/bad", ["WAF_BLOCK", "ARN", "403", "Forbidden", "0", "403"], id="blocked"),
    pytest.param(blocking(BAD), "/good", ["WAF_ALLOW", "ARN", "200", "-", "0", "200"], id="allowed"),
    pytest.param(web_acl(rule("it", BAD, "Count")), "/bad", ["WAF_ALLOW", "ARN", "200", "-", "0", "200"], id="counted"),
    pytest.param(None, "/bad", ["-", "-", "-", "-", "-", "200"], id="only with a web ACL"),
]


@pytest.mark.parametrize(("acl", "path", "logged"), LOGGED)
async def test_what_access_logs_say(
    make_gateway: MakeGateway, tmp_path: Path, acl: WebAcl | None, path: str, logged: list[str]
):
    """Variables wafResponseCode, webaclArn, waf.{error, latency, status}."""
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    gateway.deploy(guarded(acl, stage={"access_log_format": FORMAT}))
    await ask(gateway, "GET", path)
    await gateway.stop()
    words = (tmp_path / "access.log").read_text().split()[:-1]
    assert ["ARN" if word.startswith(ARN) else word for word in words] == logged


@pytest.mark.parametrize("acl", [blocking(BAD), None], ids=["with a web ACL", "only with a web ACL"])
async def test_what_templates_see(gateway: TestGateway, acl: WebAcl | None):
    """Row: wafResponseCode, webaclArn, in templates."""
    template = '{"code": "$context.wafResponseCode", "arn": "$context.webaclArn"}'
    gateway.deploy(guarded(acl, mock("GET /a", answers(template=template))))
    seen = json.loads((await ask(gateway, "GET", "/a")).body)
    if acl is None:
        assert seen == {"code": "", "arn": ""}
    else:
        assert seen["code"] == "WAF_ALLOW"
        assert seen["arn"].startswith(ARN)
