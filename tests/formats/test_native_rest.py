"""`protocol: REST` in the native format: routes become resources and methods, short forms what they stand for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.definitions.api import Api
from wsgw.definitions.check import check
from wsgw.definitions.check_unserved import unserved
from wsgw.definitions.freeze import broken, freeze
from wsgw.formats.parse import parse
from wsgw.live.prove import prove


def document(text: str) -> dict[str, Any]:
    parsed = parse(text.encode(), "f", {})
    assert [str(finding) for finding in parsed.findings] == []
    (one,) = parsed.documents
    return one


def frozen(text: str) -> Api:
    one = document(text)
    assert broken(one) == []
    return freeze(one)


def method(entry: str, key: str = "GET /x") -> dict[str, Any]:
    made = document(f"apis: {{c: {{protocol: REST, routes: {{'{key}': {entry}}}}}}}")
    (found,) = [one for resource in made["resources"] for one in resource["resourceMethods"].values()]
    return found


def test_routes_become_a_tree_of_resources():
    made = document(
        """
        apis:
          c:
            protocol: REST
            routes:
              GET /pets/{id}/toys: http://h
              DELETE /pets/{id}: http://h
              ANY /{proxy+}: http://h
              GET /: http://h
              POST /: http://h
        """
    )
    tree = {one["path"]: one for one in made["resources"]}
    assert {path: list(one["resourceMethods"]) for path, one in tree.items()} == {
        "/": ["GET", "POST"],
        "/pets": [],
        "/pets/{id}": ["DELETE"],
        "/pets/{id}/toys": ["GET"],
        "/{proxy+}": ["ANY"],
    }
    assert len({one["id"] for one in made["resources"]}) == 5
    parents = {one["path"]: one.get("parentId") for one in made["resources"]}
    assert parents == {
        "/": None,
        "/pets": tree["/"]["id"],
        "/pets/{id}": tree["/pets"]["id"],
        "/pets/{id}/toys": tree["/pets/{id}"]["id"],
        "/{proxy+}": tree["/"]["id"],
    }
    assert tree["/pets/{id}"]["pathPart"] == "{id}"


INTEGRATIONS = [
    (
        "http://h/x",
        {"type": "HTTP_PROXY", "uri": "http://h/x", "httpMethod": "ANY", "integrationResponses": {}},
    ),
    (
        "lambda:f",
        {"type": "AWS_PROXY", "uri": "lambda:f", "httpMethod": "POST", "integrationResponses": {}},
    ),
    ("python:a:b", {"type": "PYTHON", "uri": "python:a:b", "integrationResponses": {}}),
    (
        "{integration: {type: MOCK}}",
        {
            "type": "MOCK",
            "requestTemplates": {"application/json": '{"statusCode":200}'},
            "integrationResponses": {"200": {"statusCode": "200"}},
        },
    ),
    (
        "{integration: {type: MOCK, responseTemplates: {application/json: hi}}}",
        {
            "type": "MOCK",
            "requestTemplates": {"application/json": '{"statusCode":200}'},
            "integrationResponses": {"200": {"statusCode": "200", "responseTemplates": {"application/json": "hi"}}},
        },
    ),
    (
        "{integration: {type: HTTP, uri: http://h, method: GET, integrationResponses: {200: {}, 404: "
        "{selectionPattern: 4.., contentHandling: CONVERT_TO_TEXT}}}}",
        {
            "type": "HTTP",
            "uri": "http://h",
            "httpMethod": "GET",
            "integrationResponses": {
                "200": {"statusCode": "200"},
                "404": {"statusCode": "404", "selectionPattern": "4..", "contentHandling": "CONVERT_TO_TEXT"},
            },
        },
    ),
    (
        "{integration: {type: AWS, uri: 'arn:aws:apigateway:eu-west-1:sqs:path/1/q', credentials: r, responses: "
        "{default: {statusCode: 200}, 5..: {statusCode: '502'}}}}",
        {
            "type": "AWS",
            "uri": "arn:aws:apigateway:eu-west-1:sqs:path/1/q",
            "credentials": "r",
            "httpMethod": "POST",
            "integrationResponses": {
                "200": {"statusCode": "200"},
                "502": {"statusCode": "502", "selectionPattern": "5.."},
            },
        },
    ),
]


@pytest.mark.parametrize(("entry", "written"), INTEGRATIONS, ids=[entry[:60] for entry, _ in INTEGRATIONS])
def test_each_form_of_an_integration_is_written_out(entry: str, written: dict[str, Any]):
    assert method(entry)["methodIntegration"] == written


@pytest.mark.parametrize(
    ("key", "uri", "sent"),
    [
        ("GET /pets/{id}", "http://h/animals/{id}", "http://h/animals/{id}"),
        ("ANY /{proxy+}", "http://h/{proxy}", "http://h/{proxy}"),
        ("ANY /{proxy+}", "http://h/{proxy+}", "http://h/{proxy}"),
    ],
)
def test_a_url_in_short_form_gets_the_path_variables_that_it_names(key: str, uri: str, sent: str):
    name = "id" if "id" in key else "proxy"
    integration = method(f"'{uri}'", key)["methodIntegration"]
    assert integration["uri"] == sent
    assert integration["requestParameters"] == {f"integration.request.path.{name}": f"method.request.path.{name}"}


def test_method_responses_are_those_that_the_integration_responses_need():
    made = method(
        "{integration: {type: MOCK, integrationResponses: {200: {responseParameters: "
        "{method.response.header.X: \"'a'\"}}, 404: {}}}}"
    )
    assert made["methodResponses"] == {
        "200": {"statusCode": "200", "responseParameters": {"method.response.header.X": False}},
        "404": {"statusCode": "404"},
    }
    assert method("http://h")["methodResponses"] == {}


def test_method_responses_that_are_written_stand_as_they_are():
    made = method(
        "{methodResponses: {200: {responseParameters: {method.response.header.X: true}, responseModels: "
        "{application/json: M}}, 201: }, integration: {type: MOCK, integrationResponses: {404: {}}}}"
    )
    assert made["methodResponses"] == {
        "200": {
            "statusCode": "200",
            "responseParameters": {"method.response.header.X": True},
            "responseModels": {"application/json": "M"},
        },
        "201": {"statusCode": "201"},
    }


EVERYTHING = """
apis:
  pets:
    protocol: REST
    name: Pets
    description: animals
    version: "2"
    binaryMediaTypes: [image/png]
    minimumCompressionSize: 100
    apiKeySource: HEADER
    endpointConfiguration: {types: [REGIONAL]}
    tags: {team: pets}
    policy: {Version: "2012-10-17", Statement: []}
    models: {Pet: {schema: {type: object}}}
    requestValidators: {all: {validateRequestBody: true, validateRequestParameters: true}}
    gatewayResponses:
      DEFAULT_4XX: {statusCode: 422, responseParameters: {gatewayresponse.header.x: "'y'"}}
    routes:
      POST /pets:
        operationName: AddPet
        requestValidator: all
        requestParameters: {method.request.querystring.type: true}
        requestModels: {application/json: Pet, text/plain: Empty}
        throttle: {rateLimit: 1, burstLimit: 2}
        integration:
          type: HTTP
          uri: https://${stageVariables.host}/pets
          passthroughBehavior: NEVER
          requestTemplates: {application/json: $input.body}
          contentHandling: CONVERT_TO_TEXT
          tlsConfig: {insecureSkipVerification: true}
          timeoutInMillis: 900
          cacheKeyParameters: [method.request.querystring.type]
      GET /pets: {requestValidator: {validateRequestParameters: true}, integration: {type: MOCK}}
      PUT /pets: {requestValidator: {validateRequestParameters: true}, integration: {type: MOCK}}
    stages:
      prod:
        variables: {host: h}
        throttle: {rateLimit: 3, burstLimit: 4}
        methodSettings: {GET /pets: {throttlingRateLimit: 5, throttlingBurstLimit: 6}}
        limits: {payloadBytes: 7}
        clientCertificateId: c
        accessLog: false
        tracingEnabled: true
"""


def test_an_api_becomes_a_document_in_v1_shapes():
    made = document(EVERYTHING)
    assert {name: made[name] for name in made if name not in ("resources", "models", "requestValidators")} == {
        "id": "pets",
        "name": "Pets",
        "protocolType": "REST",
        "description": "animals",
        "version": "2",
        "binaryMediaTypes": ["image/png"],
        "minimumCompressionSize": 100,
        "apiKeySource": "HEADER",
        "endpointConfiguration": {"types": ["REGIONAL"]},
        "tags": {"team": "pets"},
        "policy": '{"Version":"2012-10-17","Statement":[]}',
        "authorizers": [],
        "gatewayResponses": [
            {
                "responseType": "DEFAULT_4XX",
                "defaultResponse": False,
                "statusCode": "422",
                "responseParameters": {"gatewayresponse.header.x": "'y'"},
            }
        ],
        "documentationParts": [],
        "stages": [
            {
                "stageName": "prod",
                "methodSettings": {
                    "pets/GET": {"throttlingRateLimit": 5.0, "throttlingBurstLimit": 6},
                    "*/*": {"throttlingRateLimit": 3.0, "throttlingBurstLimit": 4},
                },
                "variables": {"host": "h"},
                "clientCertificateId": "c",
                "tracingEnabled": True,
                "x-wsgw": {"limits": {"payloadBytes": 7}, "accessLog": False},
            }
        ],
    }
    # Methods that check the same have one validator.
    assert [(one["id"], one["name"]) for one in made["requestValidators"]] == [("v1", "all"), ("v2", "validator2")]
    assert [model["name"] for model in made["models"]] == ["Empty", "Pet"]


@pytest.mark.parametrize("as_text", [False, True])
def test_a_model_may_refer_to_those_that_every_api_has(as_text):
    schema: Any = {"items": {"$ref": "https://apigateway.amazonaws.com/restapis/a/models/Error"}}
    models = {"Faults": {"schema": json.dumps(schema) if as_text else schema}}
    api = {"protocol": "REST", "models": models, "routes": {"GET /": "http://h"}}
    parsed = parse(json.dumps({"apis": {"a": api}}).encode(), "f", {})
    assert list(freeze(parsed.documents[0]).models) == ["Error", "Faults"]


def test_nothing_of_it_is_lost_when_it_is_frozen():
    api = frozen(EVERYTHING)
    assert (api.id, api.name, api.protocol, api.version) == ("pets", "Pets", "REST", "2")
    assert (api.binary_media_types, api.minimum_compression_size) == (("image/png",), 100)
    assert api.policy == {"Version": "2012-10-17", "Statement": []}
    assert api.gateway_responses["DEFAULT_4XX"].status_code == "422"
    assert list(api.routes) == ["POST /pets", "GET /pets", "PUT /pets"]
    route = api.routes["POST /pets"]
    assert route.validator is not None
    assert (route.validator.validate_request_body, route.validator.validate_request_parameters) == (True, True)
    assert route.request_models == {"application/json": "Pet", "text/plain": "Empty"}
    assert route.throttle is not None
    assert route.throttle.burst_limit == 2
    integration = route.integration
    assert integration is not None
    assert integration.tls is not None
    assert (integration.passthrough_behavior, integration.content_handling) == ("NEVER", "CONVERT_TO_TEXT")
    assert (integration.timeout_ms, integration.tls.insecure_skip_verification) == (900, True)
    assert [response.status_code for response in integration.responses] == ["200"]
    stage = api.stages["prod"]
    assert stage.throttle is not None
    assert (stage.throttle.burst_limit, stage.route_throttles["GET /pets"].burst_limit) == (4, 6)
    assert (stage.client_certificate, stage.access_log_format, stage.limits.payload_bytes) == ("c", None, 7)
    assert stage.limits.timeout_ms == 29_000


def test_without_stages_there_is_prod():
    assert list(frozen("apis: {c: {protocol: REST, routes: {GET /: 'http://h'}}}").stages) == ["prod"]


@pytest.mark.parametrize(
    ("key", "setting"), [("GET /a/{b}", "a~1{b}/GET"), ("*/*", "*/*"), ("a~1{b}/GET", "a~1{b}/GET"), ("GET /", "/GET")]
)
def test_a_method_setting_is_written_by_route_key_or_as_api_gateway_does(key: str, setting: str):
    stages = {"p": {"methodSettings": {key: {"throttlingRateLimit": 1}}}}
    made = document(json.dumps({"apis": {"c": {"protocol": "REST", "stages": stages}}}))
    assert list(made["stages"][0]["methodSettings"]) == [setting]


WRONG = [
    (
        "routes: {$default: http://h}",
        "f:1: error: apis.c.routes.$default: not a route key of a REST API (write METHOD /PATH, as GET /pets/{id})",
    ),
    (
        "routes: {GET /: {integration: {type: MOCK}, requestValidator: al}}, requestValidators: {all: {}}",
        "f:1: error: apis.c.routes[\"GET /\"].requestValidator: there is no request validator 'al' "
        "(requestValidators: all)",
    ),
    (
        "routes: {GET /: {integration: {uri: http://h}}}",
        "f:1: error: apis.c.routes[\"GET /\"].integration: the key 'type' is missing (add it, as type: HTTP_PROXY)",
    ),
    (
        "routes: {GET /: {integration: {type: HTTP, uri: http://h, method: GET, httpMethod: GET}}}",
        "f:1: error: apis.c.routes[\"GET /\"].integration.httpMethod: 'method' and 'httpMethod' are the same property "
        "(remove one)",
    ),
    (
        "routes: {GET /: {integration: {type: MOCK, responses: {default: {statusCode: 200}}, responseTemplates: {}}}}",
        "f:1: error: apis.c.routes[\"GET /\"].integration.responseTemplates: 'responses' and 'responseTemplates' "
        "say the same in two ways (move it there)",
    ),
    (
        "routes: {GET /: {integration: {type: MOCK, responses: {a: {statusCode: 500}, b: {statusCode: 500}}}}}",
        'f:1: error: apis.c.routes["GET /"].integration.responses.b: there are two responses with status 500 '
        "(write one pattern for both, as b|…)",
    ),
    (
        "routes: {GET /: {integration: {type: MOCK, responses: {a: {}}}}}",
        "f:1: error: apis.c.routes[\"GET /\"].integration.responses.a: the key 'statusCode' is missing (add it)",
    ),
    (
        "routes: {GET /: {requestParametres: {}}}",
        'f:1: error: apis.c.routes["GET /"].requestParametres: there is no such key '
        "(did you mean 'requestParameters'?)",
    ),
    (
        "minimumCompressionSize: 10485761",
        "f:1: error: apis.c.minimumCompressionSize: more than 10485760 (use 10485760 or less)",
    ),
]


@pytest.mark.parametrize(("members", "message"), WRONG, ids=[members[:70] for members, _ in WRONG])
def test_what_is_wrong_is_said_with_its_line_path_and_remedy(members: str, message: str):
    findings = parse(f"apis: {{c: {{protocol: REST, {members}}}}}".encode(), "f", {}).findings
    assert [str(finding) for finding in findings] == [message]


PATHS = st.lists(st.sampled_from(["a", "b", "{c}", "{d+}"]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.dictionaries(st.tuples(st.sampled_from(["GET", "ANY", "PUT"]), PATHS), st.just("lambda:f"), max_size=8))
def test_every_route_is_found_again_under_its_key(routes: dict[tuple[str, str], str]):
    keys = [" ".join(key) for key in routes]
    api = frozen(json.dumps({"apis": {"c": {"protocol": "REST", "routes": dict.fromkeys(keys, "lambda:f")}}}))
    assert sorted(api.routes) == sorted(keys)


KEYS = (
    "protocol routes integration type uri responses responseTemplates stages prod methodSettings requestValidator "
    "models gatewayResponses statusCode binaryMediaTypes cors corsConfiguration requestParameters methodResponses 200"
)
WORDS = KEYS.split()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["REST", "HTTP", "MOCK", "http://h", "GET /", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WORDS, "GET /", "ANY /{p+}", "$default"]), inner, max_size=4)
    ),
    max_leaves=25,
)


def look_at_everything(protocol: str, members: dict[str, Any]) -> None:
    """Read an API of these members and check whatever can be frozen."""
    parsed = parse(json.dumps({"apis": {"c": {**members, "protocol": protocol}}}).encode(), "f", {})
    assert all(finding.line == 1 for finding in parsed.findings)
    for one in parsed.documents:
        if not broken(one):
            api = freeze(one)
            for finding in [*check(api), *prove(api), *unserved(one)]:
                assert finding.message
                assert parsed.placed(finding).line == 1


TEXTS = st.text(alphabet="/{}+$.:[]'#(ab1 ", max_size=12) | st.sampled_from(
    ["http://h/{a}", "arn:aws:apigateway:r:s:path/x", "lambda:f", "$input.body", "method.request.header.x", "200"]
)
INTEGRATIONS_OF_ANY_KIND = st.fixed_dictionaries(
    {"type": st.sampled_from(["HTTP", "HTTP_PROXY", "MOCK", "AWS", "AWS_PROXY", "PYTHON"])},
    optional={
        "uri": TEXTS,
        "method": TEXTS,
        "requestParameters": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "requestTemplates": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "integrationResponses": st.dictionaries(
            TEXTS, st.fixed_dictionaries({}, optional={"selectionPattern": TEXTS}), max_size=2
        ),
        "responseParameters": st.dictionaries(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=2),
        "integrationSubtype": TEXTS,
    },
)


@given(
    st.sampled_from(["REST", "HTTP"]),
    st.dictionaries(st.builds("{} /{}".format, TEXTS, TEXTS) | TEXTS, TEXTS | INTEGRATIONS_OF_ANY_KIND, max_size=3),
)
def test_any_routes_give_findings_and_never_a_traceback(protocol: str, routes: dict[str, Any]):
    entries = {key: one if isinstance(one, str) else {"integration": one} for key, one in routes.items()}
    look_at_everything(protocol, {"routes": entries})


@given(st.sampled_from(["REST", "HTTP"]), st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=5))
def test_any_api_gives_findings_and_never_a_traceback(protocol: str, members: dict[str, Any]):
    look_at_everything(protocol, members)
