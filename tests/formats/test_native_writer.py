"""Documents → the native format: as short as people write it, and read back as the same API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.formats.openapi_documents import openapi, operation
from wsgw.cli.stored_definitions import AsWritten
from wsgw.formats import native
from wsgw.formats.comparable import comparable
from wsgw.formats.native_writer import native_file
from wsgw.formats.openapi import import_openapi
from wsgw.formats.parse import parse
from wsgw.formats.text import as_yaml
from wsgw.formats.yaml import load

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "examples").rglob("*.yaml")), *sorted((ROOT / "tests/tutorials").glob("*.yaml"))]

SHORT = """
chat:
  protocol: WEBSOCKET
  name: Chat
  routeSelectionExpression: $request.body.action
  apiKeySelectionExpression: $request.header.x-api-key
  models: {M: {schema: {type: object}}}
  routes:
    $connect: http://localhost:9000/connect
    join: {twoWay: true, integration: lambda:join}
    ping: {twoWay: true, integration: {type: MOCK, responseTemplates: {$default: '{}'}}}
    say:
      requestModels: {$default: M}
      requestParameters: {route.request.header.a: true}
      throttle: {rateLimit: 1.5, burstLimit: 2}
      integration:
        type: HTTP
        uri: http://localhost:9000/say
        integrationResponses:
          {$default: {responseTemplates: {$default: a}}, '/4../': {responseTemplates: {$default: b}}}
    run: python:a:b
  binaryMessages: PASS
  stages: {prod: {variables: {a: b}, accessLog: false, limits: {frameBytes: 1}}}
shop:
  protocol: HTTP
  cors: {allowOrigins: ['*']}
  routes:
    GET /a: http://localhost:9000/a
    $default: lambda:f
    POST /q: {integration: {integrationSubtype: SQS-SendMessage, requestParameters: {QueueUrl: q}, credentialsArn: c}}
    PUT /p: {operationName: p, throttle: {rateLimit: 1, burstLimit: 2}, integration: http://localhost/p}
  stages: {$default: {}, dev: {routeSettings: {GET /a: {throttlingRateLimit: 1}}}}
pets:
  protocol: REST
  apiKeySource: HEADER
  policy: {Version: '2012-10-17', Statement: []}
  requestValidators: {all: {validateRequestBody: true, validateRequestParameters: true}}
  routes:
    GET /a/{id}: http://localhost:9000/a/{id}
    ANY /b/{rest+}: lambda:f
    GET /: python:a:b
    PUT /a:
      requestValidator: all
      requestParameters: {method.request.header.a: true}
      methodResponses: {'200': {responseModels: {application/json: Empty}}, '404': null}
      integration: http://localhost:9000/a
    DELETE /a: {apiKeyRequired: true, integration: {type: MOCK}}
    PATCH /a: {requestValidator: {validateRequestBody: true}, integration: http://localhost:9000/a}
    POST /a:
      integration:
        {type: HTTP, uri: http://h, method: POST, responses: {default: {statusCode: 200}, 4..: {statusCode: 404}}}
  gatewayResponses: {DEFAULT_4XX: {statusCode: 400}}
  stages:
    prod: {throttle: {rateLimit: 1, burstLimit: 2}, methodSettings: {'GET /a/{id}': {throttlingRateLimit: 3}}}
    '200': {}
"""
ENTRIES: dict[str, Any] = load(SHORT.encode(), "short").data


def documents(data: dict[str, Any]) -> list[dict[str, Any]]:
    read = native.read({"apis": data}, {})
    assert read.findings == []
    return read.apis


@pytest.mark.parametrize("api_id", ENTRIES)
def test_what_is_short_stays_short(api_id):
    [document] = documents({api_id: ENTRIES[api_id]})
    written = native_file(document)
    assert written.findings == ()
    assert written.data is not None
    made = written.data["apis"][api_id]
    if api_id == "pets":
        # A validator with a name keeps it, and with one all the others have one.
        validator = made["routes"]["PATCH /a"]["requestValidator"]
        assert made["requestValidators"].pop(validator) == {"validateRequestBody": True}
        made["routes"]["PATCH /a"]["requestValidator"] = {"validateRequestBody": True}
    assert made == ENTRIES[api_id]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_documents_come_back_and_the_text_stays(path):
    for document in parse(path.read_bytes(), path.name, AsWritten()).documents:
        written = native_file(document)
        assert written.data is not None, written.findings
        text = as_yaml(written.data, short_mappings=True)
        [again] = parse(text.encode(), "again.yaml", AsWritten()).documents
        if not written.findings:
            assert comparable(again) == comparable(document)
        assert as_yaml(native_file(again).data, short_mappings=True) == text


def test_what_the_format_has_no_word_for_is_a_warning():
    document = import_openapi(openapi({"/a": {"summary": "said", "get": operation(), "x-vendor": 1}})).document
    assert document is not None
    written = native_file(document)
    assert written.data is not None
    assert {finding.path[2] for finding in written.findings} == {"documentationParts", "resources"}
    assert {finding.severity for finding in written.findings} == {"warning"}


def test_a_guard_that_would_get_lost_is_an_error():
    document = import_openapi(openapi({"/a": {"get": operation()}})).document
    assert document is not None
    written = native_file({**document, "stages": [{"stageName": "prod", "webAclArn": "arn"}]})
    assert written.data is None
    assert any(finding.severity == "error" and "oas30" in finding.remedy for finding in written.findings)
