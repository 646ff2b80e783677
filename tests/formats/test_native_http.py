"""`protocol: HTTP` in the native format: what its short forms stand for, and what is said about one that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from wsgw.definitions.api import Api
from wsgw.definitions.freeze import broken, freeze
from wsgw.formats.parse import parse


def document(text: str) -> dict[str, Any]:
    parsed = parse(text.encode(), "f", {})
    assert [str(finding) for finding in parsed.findings] == []
    (one,) = parsed.documents
    return one


def frozen(text: str) -> Api:
    one = document(text)
    assert broken(one) == []
    return freeze(one)


def integration(entry: str) -> dict[str, Any]:
    made = document(f"apis: {{c: {{protocol: HTTP, routes: {{GET /x: {entry}}}}}}}")
    assert [route["target"] for route in made["routes"]] == ["integrations/i1"]
    return {key: value for key, value in made["integrations"][0].items() if key != "integrationId"}


SHORT_FORMS = [
    (
        "http://h/x",
        {
            "integrationType": "HTTP_PROXY",
            "integrationUri": "http://h/x",
            "integrationMethod": "ANY",
            "payloadFormatVersion": "1.0",
        },
    ),
    (
        "lambda:f",
        {
            "integrationType": "AWS_PROXY",
            "integrationUri": "lambda:f",
            "integrationMethod": "POST",
            "payloadFormatVersion": "2.0",
        },
    ),
    (
        "python:a:b",
        {"integrationType": "PYTHON", "integrationUri": "python:a:b", "payloadFormatVersion": "2.0"},
    ),
    (
        "{integration: {type: HTTP_PROXY, uri: http://h, method: PUT, timeoutInMillis: 100}}",
        {
            "integrationType": "HTTP_PROXY",
            "integrationUri": "http://h",
            "integrationMethod": "PUT",
            "timeoutInMillis": 100,
            "payloadFormatVersion": "1.0",
        },
    ),
    (
        "{integration: {integrationType: AWS_PROXY, integrationUri: f, payloadFormatVersion: '2.0'}}",
        {
            "integrationType": "AWS_PROXY",
            "integrationUri": "f",
            "integrationMethod": "POST",
            "payloadFormatVersion": "2.0",
        },
    ),
    (
        "{integration: {type: AWS_PROXY, uri: f}}",
        # As the service: only short forms choose 2.0.
        {
            "integrationType": "AWS_PROXY",
            "integrationUri": "f",
            "integrationMethod": "POST",
            "payloadFormatVersion": "1.0",
        },
    ),
    (
        "{integration: {integrationSubtype: SQS-PurgeQueue, requestParameters: {QueueUrl: q}}}",
        {
            "integrationType": "AWS_PROXY",
            "integrationSubtype": "SQS-PurgeQueue",
            "requestParameters": {"QueueUrl": "q"},
            "payloadFormatVersion": "1.0",
        },
    ),
]


@pytest.mark.parametrize(("entry", "written"), SHORT_FORMS, ids=[entry for entry, _ in SHORT_FORMS])
def test_each_form_of_an_integration_is_written_out(entry: str, written: dict[str, Any]):
    assert integration(entry) == written


EVERYTHING = """
apis:
  shop:
    protocol: HTTP
    description: two services
    version: "1"
    disableExecuteApiEndpoint: true
    cors: {allowOrigins: [https://a.example], allowMethods: [GET], allowHeaders: [x-a], exposeHeaders: [x-b], maxAge: 5}
    routes:
      $default: http://h/
      GET /a/{b}:
        authorizationType: NONE
        authorizationScopes: [s]
        operationName: GetA
        throttle: {rateLimit: 1, burstLimit: 2}
        integration:
          type: HTTP_PROXY
          uri: arn:aws:servicediscovery:eu-west-1:000000000000:service/srv-a
          connectionType: VPC_LINK
          connectionId: link
          tlsConfig: {serverNameToVerify: a.example}
          requestParameters: {"append:header.x": $context.requestId}
          responseParameters: {404: {"overwrite:statuscode": "200"}}
          credentialsArn: r
    stages:
      $default:
        variables: {a: b}
        throttle: {rateLimit: 3, burstLimit: 4}
        routeSettings: {"GET /a/{b}": {throttlingRateLimit: 5}}
        limits: {payloadBytes: 6, timeoutMs: 70}
        accessLog: $context.requestId
      quiet: {accessLog: false}
"""


def test_an_api_becomes_a_document_in_v2_shapes():
    made = document(EVERYTHING)
    assert {name: value for name, value in made.items() if name not in ("routes", "integrations", "stages")} == {
        "apiId": "shop",
        "name": "shop",
        "protocolType": "HTTP",
        "routeSelectionExpression": "$request.method $request.path",
        "description": "two services",
        "version": "1",
        "disableExecuteApiEndpoint": True,
        "corsConfiguration": {
            "allowOrigins": ["https://a.example"],
            "allowMethods": ["GET"],
            "allowHeaders": ["x-a"],
            "exposeHeaders": ["x-b"],
            "maxAge": 5,
        },
        "models": [],
    }
    assert made["stages"][0] == {
        "stageName": "$default",
        "stageVariables": {"a": "b"},
        "routeSettings": {"GET /a/{b}": {"throttlingRateLimit": 5.0}},
        "defaultRouteSettings": {"throttlingRateLimit": 3.0, "throttlingBurstLimit": 4},
        "accessLogSettings": {"format": "$context.requestId"},
        "x-wsgw": {"limits": {"payloadBytes": 6, "timeoutMs": 70}},
    }


def test_nothing_of_it_is_lost_when_it_is_frozen():
    api = frozen(EVERYTHING)
    assert (api.description, api.version, api.disable_execute_api_endpoint) == ("two services", "1", True)
    assert api.cors is not None
    assert (api.cors.allow_origins, api.cors.max_age, api.cors.allow_credentials) == (("https://a.example",), 5, False)
    assert (api.cors.allow_methods, api.cors.allow_headers, api.cors.expose_headers) == (("GET",), ("x-a",), ("x-b",))
    route = api.routes["GET /a/{b}"]
    assert (route.authorization_scopes, route.operation_name) == (("s",), "GetA")
    assert route.throttle is not None
    called = route.integration
    assert called is not None
    assert called.tls is not None
    assert (called.connection_type, called.connection_id) == ("VPC_LINK", "link")
    assert (called.tls.server_name_to_verify, called.credentials) == ("a.example", "r")
    assert called.response_parameters == {"404": {"overwrite:statuscode": "200"}}
    assert called.timeout_ms == 30_000
    stage = api.stages["$default"]
    assert (stage.limits.payload_bytes, stage.limits.timeout_ms) == (6, 70)
    assert api.stages["quiet"].access_log_format is None


def test_without_stages_there_is_the_default_one_with_thirty_seconds():
    api = frozen("apis: {c: {protocol: HTTP, routes: {$default: 'http://h'}}}")
    assert list(api.stages) == ["$default"]
    assert api.stages["$default"].limits.timeout_ms == 30_000
    assert freeze(document("apis: {c: {protocol: HTTP}}"), "beta").stages.keys() == {"beta"}


def test_api_gateways_own_name_for_cors_is_known_too():
    made = document("apis: {c: {protocol: HTTP, corsConfiguration: {allowOrigins: ['*']}}}")
    assert made["corsConfiguration"] == {"allowOrigins": ["*"]}


WRONG = [
    (
        "cors: {}, corsConfiguration: {}",
        "f:1: error: apis.c.corsConfiguration: 'cors' and 'corsConfiguration' are the same property (remove one)",
    ),
    (
        "routes: {GET /: ftp://h}",
        'f:1: error: apis.c.routes["GET /"].integration: this names no integration (write a URL, '
        "python:module:function, lambda:name-or-ARN, or a mapping with a type)",
    ),
    (
        "routes: {GET /: {integration: {uri: http://h}}}",
        "f:1: error: apis.c.routes[\"GET /\"].integration: the key 'type' is missing (add it, as type: HTTP_PROXY)",
    ),
    (
        "routes: {GET /: {integration: {type: MOCK}}}",
        'f:1: error: apis.c.routes["GET /"].integration.type: not a value that is known here '
        "(known: AWS_PROXY, HTTP_PROXY, PYTHON)",
    ),
    (
        "routes: {GET /: {integration: {type: HTTP_PROXY, requestTemplates: {}}}}",
        'f:1: error: apis.c.routes["GET /"].integration.requestTemplates: there is no such key '
        "(did you mean 'requestParameters'?)",
    ),
    (
        "stages: {$default: {limits: {frameBytes: 1}}}",
        "f:1: error: apis.c.stages.$default.limits.frameBytes: there is no such key "
        "(known here: payloadBytes, timeoutMs)",
    ),
    (
        "cors: {maxAge: 86401}",
        "f:1: error: apis.c.cors.maxAge: more than 86400 (use 86400 or less)",
    ),
]


@pytest.mark.parametrize(("members", "message"), WRONG, ids=[members for members, _ in WRONG])
def test_what_is_wrong_is_said_with_its_line_path_and_remedy(members: str, message: str):
    findings = parse(f"apis: {{c: {{protocol: HTTP, {members}}}}}".encode(), "f", {}).findings
    assert [str(finding) for finding in findings] == [message]


@pytest.mark.parametrize("protocol", ["HTPP", "Http"])
def test_a_protocol_that_is_mistyped_names_the_nearest(protocol: str):
    (finding,) = parse(f"apis: {{c: {{protocol: {protocol}}}}}".encode(), "f", {}).findings
    assert str(finding) == "f:1: error: apis.c.protocol: not a value that is known here (did you mean 'HTTP'?)"


# ---- domain names


def test_domain_names_lead_to_apis_and_stages():
    text = """
    apis: {shop: {protocol: HTTP, stages: {beta: {}}}, pets: {protocol: REST}}
    domainNames:
      API.example.com:
        certificate: cert.pem
        certificateKey: key.pem
        truststore: clients.pem
        mappings: {/: shop, v1/pets/: pets/prod, old: {api: pets}, new: {api: pets, stage: dev}}
    """
    (domain,) = parse(text.encode(), "f", {}).domain_names
    assert (domain.name, domain.certificate, domain.certificate_key) == ("api.example.com", "cert.pem", "key.pem")
    assert domain.truststore == "clients.pem"
    # An API with one stage in its definition needs no name of it; `pets` names none, so that the path has to.
    assert [(one.key, one.api_id, one.stage) for one in domain.mappings] == [
        ("", "shop", "beta"),
        ("v1/pets", "pets", "prod"),
        ("old", "pets", ""),
        ("new", "pets", "dev"),
    ]


def test_a_domain_name_in_two_files_is_refused():
    from wsgw.formats.parse import merged

    text = b"domainNames: {a.example: {mappings: {/: c}}}"
    together = merged([parse(text, "one", {}), parse(text, "two", {})])
    assert [str(finding) for finding in together.findings] == [
        'two:1: error: domainNames["a.example"]: one defines it too (remove one, or give it another id)'
    ]
    assert len(together.domain_names) == 1
