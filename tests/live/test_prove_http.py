"""Every text of an HTTP API that does not compile is found, with its path and the compiler's words."""

from __future__ import annotations

import json

import pytest

from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse
from wsgw.live.prove import prove
from wsgw.pipeline.http_subtypes import SUBTYPES


def proved(**integration: object) -> list[tuple[str, str]]:
    """Path, below the route's integration, and message of each finding of an API that calls `integration`."""
    routes = {"$default": {"integration": {"type": "HTTP_PROXY", "uri": "http://h", **integration}}}
    parsed = parse(json.dumps({"apis": {"c": {"protocol": "HTTP", "routes": routes}}}).encode(), "f", {})
    assert parsed.findings == ()
    found = prove(freeze(parsed.documents[0]))
    assert {one.severity for one in found} <= {"error"}
    return [(" ".join(map(str, one.path[5:])), one.message) for one in found]


# reserved headers
RESERVED_NAMES = (
    "access-control-allow-origin apigw-requestid Authorization Connection Content-Encoding Content-Length "
    "Content-Location Forwarded Keep-Alive Origin Proxy-Authenticate Proxy-Authorization TE Trailers Transfer-Encoding "
    "Upgrade x-amz-date x-amzn-requestid X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto Via"
)
RESERVED = RESERVED_NAMES.split()


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_headers_cannot_be_mapped_in_either_direction(name: str):
    target = f"append:header.{name}"
    assert [at for at, _ in proved(requestParameters={target: "a"})] == [f"requestParameters {target}"]
    assert [at for at, _ in proved(responseParameters={"200": {target: "a"}})] == [f"responseParameters 200 {target}"]


FAULTS = [
    ({"requestParameters": {"header.x": "a"}}, "requestParameters header.x"),
    ({"requestParameters": {"append:path": "/a"}}, "requestParameters append:path"),
    ({"requestParameters": {"overwrite:statuscode": "200"}}, "requestParameters overwrite:statuscode"),
    ({"requestParameters": {"append:header.x": "$response.header.y"}}, "requestParameters append:header.x"),
    ({"requestParameters": {"append:header.x": "$request.body..y"}}, "requestParameters append:header.x"),
    ({"responseParameters": {"99": {"append:header.x": "a"}}}, "responseParameters 99 append:header.x"),
    ({"responseParameters": {"2xx": {}}}, "responseParameters 2xx"),
    ({"responseParameters": {"200": {"append:querystring.x": "a"}}}, "responseParameters 200 append:querystring.x"),
    ({"responseParameters": {"200": {"overwrite:statuscode": "x"}}}, "responseParameters 200 overwrite:statuscode"),
    ({"uri": "http://${stageVariable.x}/"}, "uri"),
]


@pytest.mark.parametrize(("integration", "path"), FAULTS, ids=[str(integration) for integration, _ in FAULTS])
def test_what_does_not_compile_is_found(integration: dict, path: str):
    found = proved(**integration)
    assert [at for at, _ in found] == [path]
    assert all(message and "\n" not in message for _, message in found)


# actions of AWS services
@pytest.mark.parametrize("name", SUBTYPES)
def test_an_action_needs_its_parameters_and_has_no_others(name: str):
    subtype = SUBTYPES[name]
    called = {"type": "AWS_PROXY", "uri": "", "integrationSubtype": name}
    assert [at for at, _ in proved(**called)] == ["requestParameters"] * len(subtype.required)
    whole = dict.fromkeys((*subtype.required, *subtype.optional), "$request.body.x")
    assert proved(**called, requestParameters=whole) == []
    assert [at for at, _ in proved(**called, requestParameters={**whole, "Oddity": "x"})] == [
        "requestParameters Oddity"
    ]


def test_an_action_that_is_mistyped_names_the_nearest():
    called = {"type": "AWS_PROXY", "uri": "", "integrationSubtype": "SQS-SendMesage"}
    assert proved(**called) == [("integrationSubtype", "not an action that HTTP APIs can call")]


def test_a_sound_mapping_compiles():
    assert (
        proved(
            uri="http://${stageVariables.host}/{id}",
            requestParameters={
                "append:header.a": "$context.requestId",
                "overwrite:querystring.b": "${request.header.a} ${request.path.id}",
                "remove:header.c": "''",
                "overwrite:path": "$request.path",
            },
            responseParameters={"404": {"overwrite:statuscode": "403", "append:header.e": "$stageVariables.e"}},
        )
        == []
    )
