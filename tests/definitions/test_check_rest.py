"""What is said about a REST API that cannot, or should not, be served: one row a kind of finding."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wsgw.definitions.check import check
from wsgw.definitions.check_rest import GATEWAY_RESPONSE_TYPES
from wsgw.definitions.check_unserved import unserved
from wsgw.definitions.freeze import broken, freeze
from wsgw.definitions.freeze_rest import methods_of
from wsgw.formats.parse import parse

SOUND = {"protocol": "REST", "routes": {"GET /pets/{id}": "http://h/{id}"}}
ARN = "arn:aws:apigateway:eu-west-1:"


def document_of(**members: object) -> dict[str, Any]:
    parsed = parse(json.dumps({"apis": {"c": {**SOUND, **members}}}).encode(), "f", {})
    assert [str(finding) for finding in parsed.findings] == []
    (document,) = parsed.documents
    assert broken(document) == []
    return document


def findings_of(**members: object) -> list[str]:
    """The findings of an API `c`, without their common beginning."""
    return [str(one).replace(": apis.c.", ": ") for one in check(freeze(document_of(**members)))]


def routes(*keys: str) -> dict:
    return {"routes": dict.fromkeys(keys, "http://h")}


def method(**members: object) -> dict:
    return {"routes": {"GET /a": {"integration": "http://h", **members}}}


def calling(**integration: object) -> dict:
    return {"routes": {"GET /a": {"integration": integration}}}


def responding(responses: dict, **members: object) -> dict:
    return {"routes": {"GET /a": {"integration": {"type": "MOCK", "integrationResponses": responses}, **members}}}


def test_a_sound_api_has_no_findings():
    assert findings_of() == []


AT = 'routes["GET /a"]'
WRONG = [
    ({"routes": {}}, "error: routes: the API has no routes (add one, as GET /: http://localhost:9000/)"),
    # ---- the resource tree
    (
        routes("GET /a b"),
        "error: routes[\"GET /a b\"]: 'a b' has characters that a path cannot have (use letters, digits, _ - . , "
        "and :)",
    ),
    (
        routes("GET /a{b}"),
        "error: routes[\"GET /a{b}\"]: a path variable is a whole segment, and 'a{b}' is none (write {name} "
        "between two "
        "slashes, or {name+} at the end)",
    ),
    (
        routes("GET /{proxy+}", "GET /{id}"),
        'error: routes["GET /{id}"]: A sibling ({proxy+}) of this resource already has a variable path part -- '
        "only one "
        "is allowed (remove one)",
    ),
    (
        routes("GET /pets/{id}", "GET /pets/{name}/toys"),
        'error: routes["GET /pets/{name}/toys"]: A sibling ({id}) of this resource already has a variable path part -- '
        "only one is allowed (call it {id} too)",
    ),
    (
        routes("GET /{proxy+}/b"),
        'error: routes["GET /{proxy+}/b"]: Cannot create a child of a resource with a greedy path variable: {proxy+} '
        "(end the path with it)",
    ),
    (routes("GET /a/"), 'error: routes["GET /a/"]: an empty segment in the path (remove a slash)'),
    (
        routes("FETCH /a"),
        'error: routes["FETCH /a"]: Invalid HttpMethod specified. Valid options are '
        "GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY (use one of them)",
    ),
    # ---- method request and models
    (
        method(requestParameters={"querystring.x": False}),
        f'error: {AT}.requestParameters["querystring.x"]: not a parameter that a method can declare (write '
        "method.request.path.NAME, method.request.querystring.NAME or method.request.header.NAME)",
    ),
    (
        method(requestParameters={"method.request.querystring.x": False, "method.request.header.x": False}),
        f'error: {AT}.requestParameters["method.request.header.x"]: Parameter names must be unique across querystring, '
        "header and path (method.request.querystring.x has this name)",
    ),
    (
        method(requestParameters={"method.request.path.x": True}),
        f'warning: {AT}.requestParameters["method.request.path.x"]: the path has no such variable (remove it)',
    ),
    (
        method(requestParameters={"method.request.header.x": True}),
        f'warning: {AT}.requestParameters["method.request.header.x"]: without a request validator nobody looks whether '
        "it is there (add requestValidator: {validateRequestParameters: true})",
    ),
    (
        method(requestModels={"application/json": "Gone"}),
        f"error: {AT}.requestModels.application/json: there is no model 'Gone' (models of this API: there are none)",
    ),
    (
        method(methodResponses={"200": {"responseModels": {"application/json": "Gone"}}}),
        f"warning: {AT}.methodResponses.200.responseModels.application/json: there is no model 'Gone' (models of "
        "this API: there are none)",
    ),
    (
        method(methodResponses={"2xx": {}}),
        f"error: {AT}.methodResponses.2xx: not a status that a method can answer with (use 100 to 599)",
    ),
    (
        {"models": {"my-model": {"schema": {}}}},
        "error: models.my-model: no name that a model can have (use 1 to 128 letters and digits)",
    ),
    # ---- guards
    (
        {"policy": {"Statement": []}},
        "error: policy: a policy needs a statement (write it as IAM policies are, or remove it)",
    ),
    (
        {"policy": {"Statement": {"Sid": "a" * 8192}}},
        "error: policy: 8216 characters; a policy has up to 8192 (shorten it)",
    ),
    (
        {"endpointConfiguration": {"types": ["PRIVATE"]}},
        "warning: endpointConfiguration: a PRIVATE API without a policy lets nobody in, as in API Gateway (add a "
        "policy)",
    ),
    # ---- integration types
    (
        {"routes": {"GET /a": {}}},
        f"error: {AT}.integration: No integration defined for method (add one, or remove the method)",
    ),
    (
        calling(type="HTTP", uri="ftp://h"),
        f"error: {AT}.integration.uri: Invalid HTTP endpoint specified for URI (write http://HOST/PATH or "
        "https://HOST/PATH)",
    ),
    (
        calling(type="AWS", uri="sqs"),
        f"error: {AT}.integration.uri: Invalid ARN specified in the request (write "
        "arn:aws:apigateway:REGION:SERVICE:action/NAME or …:path/PATH)",
    ),
    (
        calling(type="AWS", uri="arn:aws:lambda:eu-west-1:000000000000:function:f"),
        f"error: {AT}.integration.uri: AWS ARN for integration must contain path or action (write "
        "arn:aws:apigateway:REGION:SERVICE:action/NAME or …:path/PATH)",
    ),
    (
        calling(type="AWS_PROXY", uri=f"{ARN}sqs:path/1/q"),
        f"error: {AT}.integration.uri: Integrations of type 'AWS_PROXY' currently only supports Lambda function and "
        "Firehose stream invocations. (write lambda:NAME, or the function's invocation ARN)",
    ),
    (
        calling(type="AWS_PROXY", uri=f"{ARN}lambda:functions/f"),
        f"error: {AT}.integration.uri: AWS ARN for integration must contain path or action (write lambda:NAME, or the "
        "function's invocation ARN)",
    ),
    (
        calling(type="PYTHON", uri="f"),
        f"error: {AT}.integration.uri: not a Python function (write MODULE:FUNCTION, as chat.handlers:send)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", timeoutInMillis=29_001),
        f"error: {AT}.integration.timeoutInMillis: 29001 ms is more than stage prod allows (29000) (lower it, or raise "
        "limits.timeoutMs of the stage (API Gateway has 29000))",
    ),
    (
        calling(type="AWS_PROXY", uri="f", connectionType="VPC_LINK", connectionId="x"),
        f"error: {AT}.integration.connectionType: AWS_PROXY integrations have no VPC_LINK (use HTTP or HTTP_PROXY, or "
        "remove it)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", connectionType="VPC_LINK"),
        f"error: {AT}.integration.connectionId: a VPC_LINK needs the id of one (add connectionId)",
    ),
    (
        calling(type="MOCK", tlsConfig={"insecureSkipVerification": True}),
        f"warning: {AT}.integration.tlsConfig: only HTTP backends have a tlsConfig (remove it)",
    ),
    (
        calling(type="MOCK", responseTransferMode="STREAM"),
        f"error: {AT}.integration.responseTransferMode: the answers of MOCK integrations are mapped whole: they "
        f"are not "
        "streamed (use HTTP_PROXY or AWS_PROXY, or remove it)",
    ),
    (
        calling(type="AWS_PROXY", uri="f", httpMethod="GET"),
        f"warning: {AT}.integration.method: functions are called with POST: with GET every answer is a 500 "
        "(write httpMethod: POST)",
    ),
    (
        calling(type="AWS_PROXY", uri="f", credentials="r"),
        f"warning: {AT}.integration.credentials: functions are called with the gateway's own credentials (remove it)",
    ),
    # ---- a missing stage variable is empty, and no error
    (
        calling(type="HTTP_PROXY", uri="http://${stageVariables.host}/"),
        f"warning: {AT}.integration.uri: the stage variable 'host' is not set in stage prod, and so empty (set it "
        f"under "
        "variables of the stage)",
    ),
    (
        calling(type="HTTP", uri="http://h/{id}"),
        f"warning: {AT}.integration.uri: nothing is mapped to {{id}} (add requestParameters: "
        "{integration.request.path.id: method.request.path.id})",
    ),
    # ---- templates and responses
    (
        calling(type="HTTP_PROXY", uri="http://h", requestTemplates={"a/b": "x"}),
        f"warning: {AT}.integration.requestTemplates: HTTP_PROXY passes everything on: requestTemplates are not used "
        "(remove them, or use type HTTP)",
    ),
    (
        calling(type="AWS_PROXY", uri="f", responseTemplates={"a/b": "x"}),
        f"warning: {AT}.integration.integrationResponses: AWS_PROXY passes everything on: integrationResponses are not "
        "used (remove them)",
    ),
    (
        calling(type="MOCK", requestTemplates={"application/json": "{}"}),
        f"warning: {AT}.integration.requestTemplates.application/json: the template gives no statusCode for the mock "
        'to answer with (have the template give {"statusCode": 200})',
    ),
    (
        calling(type="MOCK", responseTemplates={"a/b": "x" * 300 * 1024 + "x"}),
        f"error: {AT}.integration.integrationResponses.200.responseTemplates.a/b: a template of more than 300 KiB "
        "(shorten it)",
    ),
    (
        responding({"20": {}}, methodResponses={}),
        f"error: {AT}.integration.integrationResponses.20: not a status that a method can answer with (use 100 to 599)",
    ),
    (
        responding({"200": {}}, methodResponses={"201": {}}),
        f"warning: {AT}.integration.integrationResponses.200: there is no method response 200: an answer that takes "
        'this is a 500 (add "200": {} to methodResponses, in OpenAPI to the responses of the method)',
    ),
    (
        responding({"200": {}, "404": {}}),
        f"warning: {AT}.integration.integrationResponses: 200, 404 have no selectionPattern: the first of them is the "
        "default (add selectionPattern to all but one)",
    ),
    # an undeclared header
    (
        responding(
            {"200": {"responseParameters": {"method.response.header.X": "'a'"}}},
            methodResponses={"200": {}},
        ),
        f'error: {AT}.integration.integrationResponses.200.responseParameters["method.response.header.X"]: Invalid '
        "mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression "
        "parameter "
        "specified: method.response.header.X] (declare it in responseParameters of the method response 200)",
    ),
    # ---- binary types, gateway responses
    (
        {"binaryMediaTypes": ["png"]},
        "warning: binaryMediaTypes[0]: not a media type: nothing is binary by it (write it as image/png, image/* "
        "or */*)",
    ),
    (
        {"gatewayResponses": {"DEFAULT_4X": {}}},
        "error: gatewayResponses.DEFAULT_4X: not a type of gateway response (did you mean 'DEFAULT_4XX'?)",
    ),
    (
        {"gatewayResponses": {"UNAUTHORIZED": {"statusCode": 42}}},
        "error: gatewayResponses.UNAUTHORIZED.statusCode: not a status that can be answered (use 100 to 599)",
    ),
    # ---- stages
    (
        {"stages": {"$default": None}},
        "error: stages.$default: no name that a stage of a REST API can have (use 1 to 128 letters, digits, - and _)",
    ),
    (
        {"stages": {"p": {"methodSettings": {"GET /gone": {"throttlingRateLimit": 1}}}}},
        'warning: stages.p.methodSettings["GET /gone"]: there is no route with this key (routes: GET /pets/{id})',
    ),
]


@pytest.mark.parametrize(("members", "message"), WRONG, ids=[message[:80] for _, message in WRONG])
def test_each_fault_is_found_and_worded(members: dict, message: str):
    assert findings_of(**members) == [message]


SOUND_VARIANTS = [
    routes("GET /", "ANY /{proxy+}", "GET /a/{b}", "PUT /a/{b}", "GET /a/{b}/c", "GET /a.b,c:d_e-f"),
    method(
        requestParameters={"method.request.header.x": True},
        requestValidator={"validateRequestParameters": True},
        requestModels={"application/json": "Empty"},
    ),
    calling(type="AWS", uri=f"{ARN}dynamodb:action/PutItem", credentials="r"),
    calling(type="AWS", uri=f"{ARN}s3:path/bucket/key"),
    calling(
        type="AWS_PROXY", uri=f"{ARN}lambda:path/2015-03-31/functions/{{}}/invocations".format("f:${stageVariables.a}")
    )
    | {"stages": {"p": {"variables": {"a": "live"}}}},
    calling(
        type="HTTP_PROXY", uri="http://h", responseTransferMode="STREAM", connectionType="VPC_LINK", connectionId="x"
    ),
    calling(type="MOCK"),
    {"binaryMediaTypes": ["image/png", "image/*", "*/*", "application/vnd.x+json"], "minimumCompressionSize": 0},
    {"gatewayResponses": {kind: {"statusCode": "418"} for kind in GATEWAY_RESPONSE_TYPES}},
]


@pytest.mark.parametrize("members", SOUND_VARIANTS, ids=range(len(SOUND_VARIANTS)))
def test_what_can_be_served_has_no_findings(members: dict):
    assert findings_of(**members) == []


def test_there_are_21_types_of_gateway_responses():
    assert len(GATEWAY_RESPONSE_TYPES) == 21


def test_a_compression_size_out_of_bounds_is_refused():
    api = freeze({**document_of(), "minimumCompressionSize": 10_485_761})
    assert [str(one) for one in check(api)] == [
        "error: apis.c.minimumCompressionSize: Invalid minimum compression size, must be between 0 and 10485760 "
        "(choose one in between)"
    ]


UNSERVED = [
    ({"cacheClusterEnabled": True}, "cacheClusterEnabled: response caching is not served by this version (remove it)"),
    (
        {"methodSettings": {"*/*": {"cachingEnabled": True}}},
        "methodSettings.*/*.cachingEnabled: response caching is not served by this version (remove it)",
    ),
    (
        {"methodSettings": {"*/*": {"loggingLevel": "INFO"}}},
        "methodSettings.*/*.loggingLevel: not served by this version: the gateway has one log and one set of metrics "
        "(remove it)",
    ),
    (
        {"canarySettings": {"percentTraffic": 10}},
        "canarySettings: canary releases are not served by this version: all requests go to the stage's own deployment "
        "(remove it)",
    ),
    ({"tracingEnabled": True}, "tracingEnabled: traces are not recorded by this version (remove it)"),
]


@pytest.mark.parametrize(("stage", "message"), UNSERVED, ids=[message[:40] for _, message in UNSERVED])
def test_what_has_no_effect_is_a_warning(stage: dict, message: str):
    found = [str(one) for one in unserved(document_of(stages={"p": stage}))]
    assert found == [f"warning: apis.c.stages.p.{message}"]


def test_what_is_set_to_nothing_is_no_warning():
    stage = {
        "cacheClusterEnabled": False,
        "tracingEnabled": False,
        "methodSettings": {"*/*": {"cachingEnabled": False, "loggingLevel": "OFF", "metricsEnabled": False}},
    }
    assert unserved(document_of(stages={"p": stage})) == []


def test_a_web_acl_of_aws_is_an_error():
    """It guards the stage: whoever asked for it must not find the API open."""
    (finding,) = unserved(document_of(stages={"p": {}}) | {"stages": [{"stageName": "p", "webAclArn": "arn"}]})
    assert (finding.severity, finding.path[-1]) == ("error", "webAclArn")


def test_what_a_document_says_of_listeners_and_targets_is_warned_of():
    document = {**document_of(), "securityPolicy": "TLS_1_2", "endpointAccessMode": "STRICT"}
    (method,) = [method for _, _, _, method in methods_of(document)][:1]
    method["methodIntegration"]["integrationTarget"] = "arn"
    assert [(one.severity, one.path[-1]) for one in unserved(document)] == [
        ("warning", "securityPolicy"),
        ("warning", "endpointAccessMode"),
        ("warning", "integrationTarget"),
    ]


def test_resources_are_counted_as_the_service_does_and_not_methods():
    def warnings(keys: list[str]) -> list[str]:
        return [finding for finding in findings_of(**routes(*keys)) if "resources" in finding]

    verbs = ("GET", "PUT", "DELETE")
    assert not warnings([f"{verb} /r{number}" for number in range(299) for verb in verbs])
    (told,) = warnings([f"GET /a{number}/b" for number in range(150)])
    assert "301 resources; API Gateway allows 300" in told


@pytest.mark.parametrize(
    ("uri", "sound"),
    [
        ("arn:aws:apigateway:us-east-1:sqs:action/SendMessage", True),
        ("arn:aws:apigateway:${stageVariables.region}:${stageVariables.service}:path/{queue}", True),
        ("arn:aws:apigateway:{region}:sqs:action/SendMessage", False),
        ("arn:aws:apigateway:us-east-1:{service}:action/SendMessage", False),
    ],
)
def test_a_request_never_chooses_the_region_or_service_that_is_signed_for(uri: str, sound: bool):
    found = [one for one in findings_of(**calling(type="AWS", uri=uri, method="POST")) if "path or action" in one]
    assert (found == []) is sound
