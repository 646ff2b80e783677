"""What is said about an Api that cannot, or should not, be served: one row a kind of finding."""

from __future__ import annotations

import json

import pytest

from wsgw.definitions.check import check
from wsgw.definitions.finding import Finding, dotted, has_errors
from wsgw.definitions.freeze import broken, freeze
from wsgw.formats.parse import parse

SOUND = {
    "protocol": "WEBSOCKET",
    "routeSelectionExpression": "$request.body.action",
    "routes": {"$connect": "http://h/c", "send": "http://h/s"},
}


def findings_of(**members: object) -> list[str]:
    """The findings of an API `c`, without their common beginning."""
    api = {name: value for name, value in {**SOUND, **members}.items() if value is not None}
    # JSON is YAML: the native format is the shortest way to a whole Api.
    parsed = parse(json.dumps({"apis": {"c": api}}).encode(), "f", {})
    assert [str(finding) for finding in parsed.findings] == []
    (document,) = parsed.documents
    assert broken(document) == []
    return [str(finding).replace(": apis.c.", ": ").replace(": apis.c:", ":") for finding in check(freeze(document))]


def with_route(route: object, key: str = "send") -> dict:
    return {"routes": {key: route}}


def calling(two_way: bool = False, **integration: object) -> dict:
    return with_route({"integration": integration, "twoWay": two_way})


def with_stage(**stage: object) -> dict:
    return {"stages": {"prod": stage}}


def test_a_sound_api_has_no_findings():
    assert findings_of() == []


def test_everything_that_is_wrong_is_found_at_once():
    found = findings_of(
        routeSelectionExpression=None,
        routes={"$odd": "http://h", "a": {"apiKeyRequired": True}},
        stages={"a b": None},
    )
    assert len(found) == 5


WRONG = [
    (
        {"routeSelectionExpression": None},
        "error: routeSelectionExpression: it says which route a message takes, and is missing (add it, as "
        "routeSelectionExpression: $request.body.action)",
    ),
    (
        {"apiKeySelectionExpression": "$request.body.key"},
        "error: apiKeySelectionExpression: not an expression that API Gateway knows here ($request.header.x-api-key or "
        "$context.authorizer.usageIdentifierKey)",
    ),
    ({"routes": {}}, "error: routes: the API has no routes (add one, as $default: http://localhost:9000/)"),
    (
        {"routes": {f"r{n}": "http://h" for n in range(301)}},
        "warning: routes: 301 routes; API Gateway allows 300 unless asked for more",
    ),
    (
        {"stages": {f"s{n}": None for n in range(11)}},
        "warning: stages: 11 stages; API Gateway allows 10 unless asked for more",
    ),
    (
        {"models": {"my-model": {"schema": {}}}},
        "error: models.my-model: no name that a model can have (use 1 to 128 letters and digits)",
    ),
    # ---- routes
    (
        with_route("http://h", "$send"),
        "error: routes.$send: the provided route key is not formatted properly (only $connect, $disconnect and "
        "$default "
        "begin with $)",
    ),
    (with_route("http://h", ""), 'error: routes[""]: a route needs a key (name it after the value that selects it)'),
    (
        with_route({}),
        "error: routes.send.integration: the route calls nothing (add an integration, or remove the route)",
    ),
    (
        with_route({"integration": "http://h", "twoWay": True}, "$disconnect"),
        "warning: routes.$disconnect.twoWay: the connection is closed: nothing can be sent on $disconnect (remove "
        "twoWay)",
    ),
    (
        with_route(
            {"integration": "http://h", "modelSelectionExpression": "$default", "requestModels": {"$default": "Gone"}}
        ),
        "error: routes.send.requestModels.$default: there is no model 'Gone' (models of this API: there are none)",
    ),
    (
        {
            "models": {"M": {"schema": {}}},
            **with_route({"integration": "http://h", "requestModels": {"$default": "M"}}),
        },
        "warning: routes.send.requestModels: without a modelSelectionExpression no message is checked (add "
        "modelSelectionExpression: $default)",
    ),
    (
        with_route({"integration": "http://h", "modelSelectionExpression": "$default"}),
        "error: routes.send.modelSelectionExpression: it selects from no models: no message would pass (add "
        "requestModels, or remove it)",
    ),
    (
        {
            "models": {"M": {"schema": {}}},
            **with_route(
                {"integration": "http://h", "modelSelectionExpression": "x", "requestModels": {"x": "M"}}, "$connect"
            ),
        },
        "warning: routes.$connect.modelSelectionExpression: $connect has no message that could be checked (remove it)",
    ),
    (
        with_route({"integration": "http://h", "requestParameters": {"header.x": True}}, "$connect"),
        'error: routes.$connect.requestParameters["header.x"]: not a parameter that a route can declare (write '
        "route.request.header.NAME or route.request.querystring.NAME)",
    ),
    (
        with_route({"integration": "http://h", "requestParameters": {"route.request.header.x": True}}),
        'warning: routes.send.requestParameters["route.request.header.x"]: only $connect has headers and a query: '
        "it is "
        "not required here (remove it)",
    ),
    # ---- integrations
    (
        calling(type="AWS", uri="arn:aws:apigateway:us-east-1:sqs:path/q"),
        "error: routes.send.integration.type: AWS integrations are not served by this version (use AWS_PROXY for a "
        "Lambda function, or HTTP)",
    ),
    (
        calling(type="HTTP_PROXY", uri="ftp://h"),
        "error: routes.send.integration.uri: not a URL that can be called (write http://HOST/PATH or "
        "https://HOST/PATH)",
    ),
    (
        calling(type="HTTP_PROXY"),
        "error: routes.send.integration.uri: not a URL that can be called (write http://HOST/PATH or "
        "https://HOST/PATH)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h/" + "x" * 2048),
        "error: routes.send.integration.uri: longer than 2048 characters (shorten it)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", method="post it"),
        "error: routes.send.integration.method: not an HTTP method (write one in capitals, as POST)",
    ),
    (
        with_route("python:chat.handlers"),
        "error: routes.send.integration.uri: not a Python function (write MODULE:FUNCTION, as chat.handlers:send)",
    ),
    (
        with_route("lambda:"),
        "error: routes.send.integration.uri: not a Lambda function (write its name or ARN)",
    ),
    (
        with_route("http://${stageVariables.host}/x"),
        "error: routes.send.integration.uri: the stage variable 'host' is not set in stage prod (set it under "
        "variables "
        "of the stage)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", timeoutInMillis=29_001),
        "error: routes.send.integration.timeoutInMillis: 29001 ms is more than stage prod allows (29000) (lower it, or "
        "raise limits.timeoutMs of the stage (API Gateway has 29000))",
    ),
    (
        calling(type="MOCK", requestTemplates={"$default": '{"statusCode": 200, "x": "' + "x" * 300 * 1024 + '"}'}),
        "error: routes.send.integration.requestTemplates.$default: a template of more than 300 KiB (shorten it)",
    ),
    (
        calling(
            type="HTTP_PROXY",
            uri="http://h",
            requestParameters={"integration.request.header.x": "'" + "x" * 511 + "'"},
        ),
        'error: routes.send.integration.requestParameters["integration.request.header.x"]: longer than 512 characters '
        "(shorten it)",
    ),
    (
        calling(type="MOCK", integrationResponses={"200": {}}),
        "error: routes.send.integration.integrationResponses.200: not a key of an integration response (write "
        "$default or "
        "/regular expression/, as /2\\d\\d/)",
    ),
    (
        calling(
            type="MOCK",
            integrationResponses=[{"integrationResponseKey": "/2/"}, {"integrationResponseKey": "/2/"}],
        ),
        "error: routes.send.integration.integrationResponses./2/: there are two integration responses with this key "
        "(remove one)",
    ),
    (
        calling(type="HTTP", uri="http://h", two_way=True),
        "error: routes.send.integration.integrationResponses: a two-way route needs an integration response to answer "
        "with (add integrationResponses: {$default: {}})",
    ),
    (
        calling(type="HTTP", uri="http://h", two_way=True, integrationResponses={"/2../": {}}),
        "warning: routes.send.integration.integrationResponses: without a $default response, an answer that no key "
        "matches is an error (add $default)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", requestTemplates={"$default": "x"}),
        "warning: routes.send.integration.requestTemplates: HTTP_PROXY passes everything on: requestTemplates are not "
        "used (remove them, or use type HTTP)",
    ),
    (
        calling(type="AWS_PROXY", uri="f", responseTemplates={"$default": "x"}),
        "warning: routes.send.integration.integrationResponses: AWS_PROXY passes everything on: "
        "integrationResponses are "
        "not used (remove them)",
    ),
    (
        calling(type="MOCK", requestTemplates={"$default": "{}"}),
        "warning: routes.send.integration.requestTemplates.$default: the template gives no statusCode for the mock to "
        'answer with (have the template give {"statusCode": 200})',
    ),
    (
        calling(type="MOCK", requestTemplates={}),
        "warning: routes.send.integration.requestTemplates: a mock without a request template has no statusCode to "
        'answer with (have the template give {"statusCode": 200})',
    ),
    (
        calling(type="AWS_PROXY", uri="f", credentialsArn="arn:aws:iam::1:role/r"),
        "warning: routes.send.integration.credentialsArn: functions are called with the gateway's own credentials "
        "(remove it)",
    ),
    (
        calling(type="HTTP", uri="http://h", integrationResponses={"$default": {"responseParameters": {"a": "b"}}}),
        "warning: routes.send.integration.integrationResponses.$default.responseParameters: response parameters are "
        "not mapped by this version (remove them)",
    ),
    # ---- stages
    (
        {"stages": {"$default": None}},
        "error: stages.$default: no name that a stage of a WebSocket API can have (use 1 to 128 letters, digits, "
        "- and _)",
    ),
    (
        with_stage(variables={"my-var": "x"}),
        "error: stages.prod.variables.my-var: no name that a stage variable can have (use up to 64 letters, "
        "digits and _)",
    ),
    (
        with_stage(variables={"v": "a\r\nb"}),
        "error: stages.prod.variables.v: a stage variable cannot hold control characters (remove them)",
    ),
    (
        with_stage(variables={"v": "a b"}),
        "warning: stages.prod.variables.v: API Gateway allows up to 512 letters, digits and -._~:/?#&=, here",
    ),
    (
        with_stage(variables={f"v{n}": "x" for n in range(101)}),
        "warning: stages.prod.variables: 101 stage variables; API Gateway allows 100",
    ),
    (
        with_stage(limits={"timeoutMs": 10}),
        "error: stages.prod.limits.timeoutMs: a timeout is 50 to 900000 ms, or 0 for no other limit than that "
        "(choose one "
        "in between)",
    ),
    (
        with_stage(limits={"messageBytes": 1000}),
        "warning: stages.prod.limits.frameBytes: a frame may be larger (32768) than a message (1000) (lower it, "
        "or raise "
        "messageBytes)",
    ),
    (
        with_stage(routeSettings={"sned": {"throttlingRateLimit": 1}}),
        "warning: stages.prod.routeSettings.sned: there is no route with this key (routes: $connect, send)",
    ),
    (
        with_stage(throttle={"rateLimit": 1, "burstLimit": 0}),
        "warning: stages.prod.throttle: a burst of 0 lets nothing through (raise burstLimit)",
    ),
    (
        with_stage(allowedOrigins=["https://example.com/"]),
        "error: stages.prod.allowedOrigins[0]: not an Origin as browsers send it (write scheme://host, with its "
        "port if "
        "that is not the usual one)",
    ),
    (
        with_stage(subprotocols=["a, b"]),
        "error: stages.prod.subprotocols[0]: not a name that a subprotocol can have (use letters, digits, - and .)",
    ),
]


@pytest.mark.parametrize(("members", "message"), WRONG, ids=[message[:60] for _, message in WRONG])
def test_each_fault_is_found_and_worded(members, message):
    assert findings_of(**members) == [message]


SOUND_VARIANTS = [
    with_route({}, "$connect"),
    with_route("http://h", "$default"),
    with_route("HTTPS://h:8443/x?y=1"),
    with_route("lambda:arn:aws:lambda:us-east-1:000000000000:function:chat:live"),
    {**with_route("${stageVariables.url}/x"), **with_stage(variables={"url": "http://h"})},
    {
        **calling(type="HTTP_PROXY", uri="http://h", timeoutInMillis=900_000),
        **with_stage(limits={"timeoutMs": 0}),
    },
    {
        **calling(type="HTTP_PROXY", uri="http://h", timeoutInMillis=60_000),
        **with_stage(limits={"timeoutMs": 60_000}),
    },
    {**with_route("http://h"), **with_stage(limits={"timeoutMs": 1000})},
    calling(type="MOCK", two_way=True, responseTemplates={"$default": "x"}),
    calling(type="MOCK", two_way=True, integrationResponses={"\\$default": {}}),
    with_stage(allowedOrigins=["https://example.com", "http://localhost:3000", "null", "http://[::1]:80"]),
    with_stage(subprotocols=["graphql-ws", "v1.chat"]),
]


@pytest.mark.parametrize("members", SOUND_VARIANTS)
def test_what_can_be_served_has_no_findings(members):
    assert findings_of(**members) == []


def test_a_bad_api_id_is_refused():
    api = freeze({"apiId": "a/b", "name": "x", "protocolType": "HTTP"})
    assert [str(finding) for finding in check(api)] == [
        "error: apis.a/b: no id that an API can have: it stands in addresses (use up to 63 letters, digits, - and _)",
        "error: apis.a/b.routes: the API has no routes (add one, as $default: http://localhost:9000/)",
    ]


def test_a_finding_says_where_it_is():
    finding = Finding(message="m", remedy="r", path=("a", "b.c", 0), file="f", line=3, column=4)
    assert str(finding) == 'f:3: error: a["b.c"][0]: m (r)'
    assert str(Finding(message="m", severity="warning")) == "warning: m"
    assert dotted(()) == ""
    assert not has_errors([Finding(message="m", severity="warning")])
    assert has_errors([Finding(message="m")])
