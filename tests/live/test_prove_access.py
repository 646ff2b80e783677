"""What an API says of its callers that does not compile: each with its place."""

from __future__ import annotations

from typing import Any

import pytest

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.live.prove import prove

ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}


def faults_of(**members: Any) -> list[str]:
    members.setdefault("protocol", "REST")
    return [str(one) for one in prove(Api(id="c", name="c", stages={"prod": Stage(name="prod")}, **members))]


def authorizer(**members: Any) -> dict[str, Authorizer]:
    return {"x1": Authorizer(id="x1", name="a", **{"type": "TOKEN", **members})}


def test_a_sound_api_has_no_findings():
    assert (
        faults_of(
            authorizers=authorizer(identity_validation_expression="^Bearer [-0-9a-zA-Z._]*$"),
            policy={"Version": "2012-10-17", "Statement": [ALLOW]},
        )
        == []
    )


def test_a_validation_expression_must_compile():
    (fault,) = faults_of(authorizers=authorizer(identity_validation_expression="(a"))
    assert fault.startswith("error: apis.c.authorizers.a.identityValidationExpression: missing )")


@pytest.mark.parametrize("expression", ["(?=a)", r"(a)\1"])
def test_an_expression_that_takes_its_time_is_none(expression):
    """RE2 has neither look-around nor references back: a token cannot hold the gateway up."""
    assert len(faults_of(authorizers=authorizer(identity_validation_expression=expression))) == 1


@pytest.mark.parametrize(
    ("protocol", "source"), [("REST", "context.nothing.here"), ("HTTP", "$request.body.a"), ("WEBSOCKET", "a")]
)
def test_identity_sources_must_compile(protocol, source):
    extra = {"route_selection_expression": "$request.body.a"} if protocol == "WEBSOCKET" else {}
    found = faults_of(protocol=protocol, authorizers=authorizer(type="REQUEST", identity_sources=(source,)), **extra)
    assert len(found) == 1
    assert "apis.c.authorizers.a.identitySource" in found[0]


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ({**ALLOW, "Effect": "Maybe"}, "Statement.Effect: expected Allow or Deny"),
        ({**ALLOW, "Condition": {"IpAdress": {"aws:SourceIp": "10.0.0.0/8"}}}, "IpAdress"),
        ({**ALLOW, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.300"}}}, "10.0.0.300"),
        ({key: value for key, value in ALLOW.items() if key != "Principal"}, "Principal"),
        ({key: value for key, value in ALLOW.items() if key != "Resource"}, "Resource"),
    ],
    ids=["effect", "operator", "address", "principal", "resource"],
)
def test_a_resource_policy_must_be_one(statement, fault):
    found = faults_of(policy={"Version": "2012-10-17", "Statement": statement})
    assert found
    assert all(one.startswith("error: apis.c.policy: ") for one in found)
    assert any(fault in one for one in found)


def acl(pattern: str) -> dict[str, Any]:
    field: dict[str, Any] = {"UriPath": {}}
    texts = [{"Priority": 0, "Type": "NONE"}]
    match = {"RegexString": pattern, "FieldToMatch": field, "TextTransformations": texts}
    rule = {"Name": "r", "Priority": 0, "Action": {"Block": {}}, "Statement": {"RegexMatchStatement": match}}
    return {"Name": "w", "DefaultAction": {"Allow": {}}, "Rules": [rule]}


def test_a_web_acl_must_compile():
    def faults(pattern: str) -> list[str]:
        stage = Stage(name="prod", web_acl=web_acl_of(acl(pattern)))
        return [str(one) for one in prove(Api(id="c", name="c", protocol="REST", stages={"prod": stage}))]

    assert faults("^/admin") == []
    (fault,) = faults("(a")
    assert fault.startswith("error: apis.c.stages.prod.webAcl: ")


@pytest.mark.parametrize("uri", ["https://user:secret@auth.example/verify", "https://auth.example:99999/"])
def test_an_endpoint_must_have_an_address(uri):
    (fault,) = faults_of(
        authorizers=authorizer(type="REQUEST", identity_sources=("context.path",), called="HTTP", uri=uri)
    )
    assert fault.startswith("error: apis.c.authorizers.a.uri: invalid_url")
    assert "secret" not in fault


def test_a_slip_in_a_sound_policy_is_a_warning():
    (fault,) = faults_of(policy={"Version": "2012-10-17", "Statement": [{**ALLOW, "Action": "execute-api:Invok"}]})
    assert fault.startswith("warning: apis.c.policy: Statement[0].Action: no request is asked about execute-api:Invok")
