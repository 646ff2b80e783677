"""The native format: what its short forms stand for, and what is said about a file that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.formats.native_schema import native_schema
from wsgw.formats.parse import merged, parse

ROOT = Path(__file__).parents[2]

EVERYTHING = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      $connect:    http://localhost:9000/connect
      sendMessage: {integration: http://localhost:9000/messages, twoWay: true}
      whoami:      python:chat.handlers:whoami
      history:     lambda:chat-history
      ping:        {integration: {type: MOCK, responseTemplates: {$default: '{"pong":true}'}}, twoWay: true}
      $default:    {integration: {type: HTTP, uri: http://localhost:9000/any, requestTemplates: {$default: '{"m":1}'}}}
    binaryMessages: PASS
    models:
      message: {schema: {type: object}}
    stages:
      prod:
        variables: {tier: prod}
        throttle: {rateLimit: 1000, burstLimit: 2000}
        routeSettings: {sendMessage: {throttlingRateLimit: 5, throttlingBurstLimit: 9}}
        limits: {frameBytes: 32768, messageBytes: 131072, idleSeconds: 600, durationSeconds: 7200, timeoutMs: 29000}
        concurrency: 2
        accessLog: $context.requestId
      dev:
        accessLog: false
accessKeys:
  AKIDEXAMPLE: {secret: ${CHAT_SECRET}, principal: "arn:aws:iam::000000000000:user/backend", policies: []}
managementTokens: ["token-${CHAT_SECRET}"]
"""


def chat(text: str = EVERYTHING) -> dict:
    parsed = parse(text.encode(), "wsgw.yaml", {"CHAT_SECRET": "hunter2"})
    assert [str(finding) for finding in parsed.findings] == []
    return parsed.documents[0]


def test_an_api_becomes_a_document_in_api_gateways_shapes():
    document = chat()
    assert {
        name: document[name] for name in ("apiId", "name", "protocolType", "routeSelectionExpression", "x-wsgw")
    } == {
        "apiId": "chat",
        "name": "chat",
        "protocolType": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
        "x-wsgw": {"binaryMessages": "PASS"},
    }
    assert document["models"] == [
        {"modelId": "m1", "name": "message", "contentType": "application/json", "schema": '{"type":"object"}'}
    ]


def test_a_two_way_route_has_a_route_response():
    routes = {route["routeKey"]: route for route in chat()["routes"]}
    assert routes["sendMessage"] == {
        "routeId": "r2",
        "routeKey": "sendMessage",
        "target": "integrations/i2",
        "routeResponseSelectionExpression": "$default",
        "routeResponses": [{"routeResponseId": "r2r", "routeResponseKey": "$default"}],
    }
    assert routes["$connect"] == {"routeId": "r1", "routeKey": "$connect", "target": "integrations/i1"}


SHORT_FORMS = [
    (
        "http://h/x",
        {"integrationType": "HTTP_PROXY", "integrationUri": "http://h/x", "integrationMethod": "POST"},
    ),
    (
        "'${stageVariables.backend}/x'",
        {
            "integrationType": "HTTP_PROXY",
            "integrationUri": "${stageVariables.backend}/x",
            "integrationMethod": "POST",
        },
    ),
    ("python:a.b:c", {"integrationType": "PYTHON", "integrationUri": "python:a.b:c"}),
    (
        "lambda:f",
        {"integrationType": "AWS_PROXY", "integrationUri": "lambda:f", "integrationMethod": "POST"},
    ),
    (
        "{integration: {type: HTTP, uri: http://h, method: PUT, timeoutInMillis: 100, templateSelectionExpression: x}}",
        {
            "integrationType": "HTTP",
            "integrationUri": "http://h",
            "integrationMethod": "PUT",
            "timeoutInMillis": 100,
            "templateSelectionExpression": "x",
        },
    ),
    (
        "{integration: {integrationType: HTTP, integrationUri: http://h, integrationMethod: PUT}}",
        {"integrationType": "HTTP", "integrationUri": "http://h", "integrationMethod": "PUT"},
    ),
    (
        "{integration: {type: MOCK}}",
        {"integrationType": "MOCK", "requestTemplates": {"$default": '{"statusCode":200}'}},
    ),
    (
        "{integration: {type: MOCK, responseTemplates: {a: b}}}",
        {
            "integrationType": "MOCK",
            "requestTemplates": {"$default": '{"statusCode":200}'},
            "integrationResponses": [
                {
                    "integrationResponseId": "p1",
                    "integrationResponseKey": "$default",
                    "responseTemplates": {"a": "b"},
                }
            ],
        },
    ),
    (
        "{integration: {type: MOCK, requestTemplates: {x: y}, integrationResponses: {/2../: {}, $default: {}}}}",
        {
            "integrationType": "MOCK",
            "requestTemplates": {"x": "y"},
            "integrationResponses": [
                {"integrationResponseId": "p1", "integrationResponseKey": "/2../"},
                {"integrationResponseId": "p2", "integrationResponseKey": "$default"},
            ],
        },
    ),
    (
        "{integration: {type: MOCK, requestTemplates: {x: y}, integrationResponses: [{integrationResponseKey: /4/}]}}",
        {
            "integrationType": "MOCK",
            "requestTemplates": {"x": "y"},
            "integrationResponses": [{"integrationResponseId": "p1", "integrationResponseKey": "/4/"}],
        },
    ),
]


@pytest.mark.parametrize(("route", "integration"), SHORT_FORMS, ids=[route for route, _ in SHORT_FORMS])
def test_each_form_of_an_integration_is_written_out(route, integration):
    document = chat(f"apis: {{c: {{protocol: WEBSOCKET, routes: {{r: {route}}}}}}}")
    assert document["integrations"] == [{"integrationId": "i1", "integrationResponses": [], **integration}]


def test_a_route_keeps_api_gateways_properties():
    document = chat(
        """
        apis:
          c:
            protocol: WEBSOCKET
            routes:
              $connect:
                authorizationType: NONE
                apiKeyRequired: false
                operationName: Connect
                modelSelectionExpression: $default
                requestModels: {$default: m}
                requestParameters: {route.request.header.a: true, route.request.header.b: {required: false}}
                throttle: {rateLimit: 1, burstLimit: 2}
        """
    )
    assert document["routes"] == [
        {
            "routeId": "r1",
            "routeKey": "$connect",
            "authorizationType": "NONE",
            "apiKeyRequired": False,
            "operationName": "Connect",
            "modelSelectionExpression": "$default",
            "requestModels": {"$default": "m"},
            "requestParameters": {
                "route.request.header.a": {"required": True},
                "route.request.header.b": {"required": False},
            },
            "x-wsgw": {"throttle": {"rateLimit": 1.0, "burstLimit": 2}},
        }
    ]


def test_a_stage_keeps_what_api_gateway_has_no_member_for_apart():
    assert chat()["stages"] == [
        {
            "stageName": "prod",
            "stageVariables": {"tier": "prod"},
            "routeSettings": {"sendMessage": {"throttlingRateLimit": 5.0, "throttlingBurstLimit": 9}},
            "defaultRouteSettings": {"throttlingRateLimit": 1000.0, "throttlingBurstLimit": 2000},
            "accessLogSettings": {"format": "$context.requestId"},
            "x-wsgw": {
                "limits": {
                    "frameBytes": 32768,
                    "messageBytes": 131072,
                    "idleSeconds": 600.0,
                    "durationSeconds": 7200.0,
                    "timeoutMs": 29000,
                },
                "concurrency": 2,
            },
        },
        {"stageName": "dev", "x-wsgw": {"accessLog": False}},
    ]


def test_secrets_and_tokens_come_from_the_environment():
    parsed = parse(EVERYTHING.encode(), "f", {"CHAT_SECRET": "hunter2"})
    (key,) = parsed.access_keys
    assert (key.access_key_id, key.secret) == ("AKIDEXAMPLE", "hunter2")
    assert key.principal == "arn:aws:iam::000000000000:user/backend"
    assert parsed.management_tokens == ("token-hunter2",)


def test_the_environment_stays_out_of_everything_else():
    document = chat("apis: {c: {protocol: WEBSOCKET, routes: {r: 'http://h/${CHAT_SECRET}'}}}")
    assert document["integrations"][0]["integrationUri"] == "http://h/${CHAT_SECRET}"


def test_a_json_file_is_read_like_a_yaml_file():
    document = {"$schema": "wsgw.schema.json", "apis": {"c": {"protocol": "WEBSOCKET", "routes": {"r": "http://h"}}}}
    assert chat(json.dumps(document))["routes"][0]["routeKey"] == "r"


WRONG = [
    ("", ["f:1:1: error: the file is empty (a definition file has apis:, openapi: or swagger:)"]),
    ("[1]", ["f:1:1: error: this is no definition file (a definition file has apis:, openapi: or swagger:)"]),
    (
        "routes: {}",
        [
            "f:1:1: error: this is no definition file that is known here (a native one has one of: accessKeys, "
            "apiKeys, apis, domainNames, functions, managementTokens, usagePlans; an OpenAPI document has openapi or "
            "swagger)"
        ],
    ),
    (
        "Resources: {A: {Ref: !Sub '${B}'}}",
        [
            "f:1:1: error: CloudFormation templates are not served by this version (describe the API in the native "
            "format, under apis:)"
        ],
    ),
    (
        "Transform: AWS::Serverless-2016-10-31\nResources: {}",
        [
            "f:1:1: error: SAM templates are not served by this version (describe the API in the native format, under "
            "apis:)"
        ],
    ),
    (
        "service: chat\nfunctions: {}",
        [
            "f:1:1: error: Serverless Framework files are not served by this version (describe the API in the native "
            "format, under apis:)"
        ],
    ),
    (
        "functions:\n  f: {}\n",
        [
            "f:1: error: functions: local functions are not served by this version (use lambda:NAME for a function in "
            "AWS, or python:module:function)"
        ],
    ),
    (
        "apis:\n  pets:\n    protocol: HTTP\n  store: {protocol: REST, resources: 1}\n",
        ["f:4: error: apis.store.resources: there is no such key (did you mean 'routes'?)"],
    ),
    (
        "apis:\n  chat:\n    protocol: WEBSOCKET\n    routes:\n      sendMessage:\n        integratoin: http://h\n",
        [
            "f:6: error: apis.chat.routes.sendMessage.integratoin: there is no such key (did you mean 'integration'?)",
        ],
    ),
    (
        "apis: {c: {protocol: WEBSOCKET, routs: {}, stages: {p: {limits: {frameByte: 1}}}}}",
        [
            "f:1: error: apis.c.routs: there is no such key (did you mean 'routes'?)",
            "f:1: error: apis.c.stages.p.limits.frameByte: there is no such key (did you mean 'frameBytes'?)",
        ],
    ),
    (
        "apis: {c: {routes: {}}}",
        ["f:1: error: apis.c: the key 'protocol' is missing (add it: WEBSOCKET or HTTP or REST)"],
    ),
    (
        "apis: {c: {protocolType: REST}}",
        ["f:1: error: apis.c.protocolType: there is no such key (did you mean protocol: WEBSOCKET or HTTP or REST?)"],
    ),
    ("apis: {c: {protocol: WEBSOCKTE}}", ["did you mean 'WEBSOCKET'?"]),
    ("apis: []", ["f:1: error: apis: a list where a mapping is expected"]),
    (
        "apis: {c: {protocol: WEBSOCKET, stages: {p: {variables: {port: 80}}}}}",
        [
            "f:1: error: apis.c.stages.p.variables.port: a number where text is expected (put it into quotes)",
        ],
    ),
    (
        "apis: {c: {protocol: WEBSOCKET, routes: {r: {integration: {type: HTTP, timeoutInMillis: 10}}}}}",
        ["f:1: error: apis.c.routes.r.integration.timeoutInMillis: less than 50 (use 50 or more)"],
    ),
    (
        "apis: {c: {protocol: WEBSOCKET, routes: {r: {integration: {type: HTTP, timeoutInMillis: 1000000}}}}}",
        ["f:1: error: apis.c.routes.r.integration.timeoutInMillis: more than 900000 (use 900000 or less)"],
    ),
    (
        "apis: {c: {protocol: WEBSOCKET, routes: {r: ftp://h}}}",
        [
            "f:1: error: apis.c.routes.r.integration: this names no integration (write a URL, python:module:function, "
            "lambda:name-or-ARN, or a mapping with a type)",
        ],
    ),
    (
        "apis: {c: {protocol: WEBSOCKET, routes: {r: {integration: {uri: http://h}}}}}",
        ["f:1: error: apis.c.routes.r.integration: the key 'type' is missing (add it, as type: HTTP_PROXY)"],
    ),
    (
        "apis: {c: {protocol: WEBSOCKET, routes: {r: {integration: {type: HTTP, uri: http://h, integrationUri: x}}}}}",
        [
            "f:1: error: apis.c.routes.r.integration.integrationUri: 'uri' and 'integrationUri' are the same property "
            "(remove one)",
        ],
    ),
    (
        "apis: {c: {protocol: WEBSOCKET, routes: {r: {integration: {type: MOCK, responseTemplates: {}, "
        "integrationResponses: {$default: {}}}}}}}",
        ["apis.c.routes.r.integration.responseTemplates: 'responseTemplates' is short for one of the"],
    ),
    (
        "accessKeys:\n  A: {secret: '${NOT_SET}'}\nmanagementTokens: ['${NEITHER}']",
        [
            "f:2: error: accessKeys.A.secret: the environment variable NOT_SET is not set (set NOT_SET)",
            "f:3: error: managementTokens[0]: the environment variable NEITHER is not set (set NEITHER)",
        ],
    ),
    ("accessKeys: {A: {secret: ''}}", ["f:1: error: accessKeys.A.secret: an empty text (fill it in)"]),
    ("accessKeys: {A: {}}", ["f:1: error: accessKeys.A: the key 'secret' is missing (add it)"]),
    (
        "apis:\n  a: 1\n  a: 2\n",
        ["f:3:3: error: the key 'a' is here for the second time (remove one (the first is on line 2))"],
    ),
]


@pytest.mark.parametrize(("text", "messages"), WRONG, ids=[text[:50] for text, _ in WRONG])
def test_what_is_wrong_is_said_with_its_line_path_and_remedy(text, messages):
    found = [str(finding) for finding in parse(text.encode(), "f", {}).findings]
    assert len(found) == len(messages)
    for said, message in zip(found, messages, strict=True):
        assert message in said


def test_a_value_is_never_repeated_in_a_finding():
    text = "accessKeys: {A: {secret: {canary: 1}}, B: {secret: 4711, sessionToken: [canary]}, C: canary}"
    findings = [str(finding) for finding in parse(text.encode(), "f", {}).findings]
    assert len(findings) == 4
    assert not any("4711" in finding or "canary" in finding for finding in findings)


def test_a_sound_api_is_read_beside_a_wrong_one():
    parsed = parse(b"apis: {a: {protocol: WEBSOCKET}, b: {protocol: 1}}", "f", {})
    assert [document["apiId"] for document in parsed.documents] == ["a"]
    assert len(parsed.findings) == 1


def test_an_api_or_key_in_two_files_is_refused():
    files = [
        parse(b"apis: {a: {protocol: WEBSOCKET}}\naccessKeys: {K: {secret: x}}", "one", {}),
        parse(
            b"apis:\n  b: {protocol: WEBSOCKET}\n  a: {protocol: WEBSOCKET}\naccessKeys: {K: {secret: y}}", "two", {}
        ),
    ]
    together = merged(files)
    assert [document["apiId"] for document in together.documents] == ["a", "b"]
    assert [key.secret for key in together.access_keys] == ["x"]
    assert [str(finding) for finding in together.findings] == [
        "two:4: error: accessKeys.K: one defines it too (remove one, or give it another id)",
        "two:3: error: apis.a: one defines it too (remove one, or give it another id)",
    ]


def test_the_published_schema_is_what_the_code_generates():
    published = orjson.loads((ROOT / "docs" / "wsgw.schema.json").read_bytes())
    assert published == native_schema(), "run: wsgw config schema > docs/wsgw.schema.json"


def test_any_bytes_give_findings_and_never_a_traceback():
    @given(st.binary(max_size=100))
    def check(text: bytes) -> None:
        assert parse(text, "f", {}).findings

    check()


WORDS = (
    "apis chat protocol routes $connect integration type uri stages prod limits timeoutMs accessKeys secret variables",
    "integrationResponses requestParameters models schema throttle managementTokens accessLog functions",
)
KEYS = st.sampled_from(" ".join(WORDS).split())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["WEBSOCKET", "MOCK", "HTTP", "http://h", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_document_gives_findings_and_never_a_traceback(document):
    parsed = parse(json.dumps(document).encode(), "f", {})
    assert all(finding.file == "f" and finding.line >= 1 for finding in parsed.findings)
