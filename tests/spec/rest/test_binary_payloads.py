"""Binary payloads of REST APIs: binaryMediaTypes and contentHandling, both ways.

Source: developer guide, "Content type conversions in API Gateway"; every row recorded on the service.
"""

from __future__ import annotations

import base64
import json

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from tests.harness.rest_api import answers, ask, method, rest_api

PNG = b"\x89PNG\xff\x00"
BASE64 = base64.b64encode(PNG)
REPLACED = PNG.decode("utf-8", "replace").encode()
TYPES = ("image/png",)
TO_TEXT, TO_BINARY = "CONVERT_TO_TEXT", "CONVERT_TO_BINARY"

REQUESTS = [
    pytest.param("text/plain", None, PNG, REPLACED, id="not binary, unset: UTF-8, the invalid replaced"),
    pytest.param("text/plain", TO_TEXT, PNG, REPLACED, id="not binary, TO_TEXT: the same"),
    pytest.param("text/plain", TO_BINARY, BASE64, PNG, id="not binary, TO_BINARY: decoded"),
    pytest.param("text/plain", TO_BINARY, b"no base64!", None, id="not binary, TO_BINARY: no base64 is 500"),
    pytest.param("image/png", None, PNG, PNG, id="binary, unset: unchanged"),
    pytest.param("image/png", TO_BINARY, PNG, PNG, id="binary, TO_BINARY: unchanged"),
    pytest.param("image/png", TO_TEXT, PNG, BASE64, id="binary, TO_TEXT: base64"),
]


@pytest.mark.parametrize(("content_type", "handling", "sent", "received"), REQUESTS)
async def test_a_request_is_converted(
    gateway: TestGateway, backend: Backend, content_type: str, handling: str | None, sent: bytes, received: bytes | None
):
    one = method("POST /", "HTTP", backend.url, content_handling=handling)
    gateway.deploy(rest_api(one, binary_media_types=TYPES))
    response = await ask(gateway, "POST", "/", f"Content-Type: {content_type}", body=sent)
    if received is None:
        assert (response.status, backend.requests) == (500, [])
    else:
        assert (response.status, backend.requests[0].body) == (200, received)


async def test_without_binary_types_a_request_is_text(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url)))
    await ask(gateway, "POST", "/", "Content-Type: image/png", body=PNG)
    assert backend.requests[0].body == REPLACED


TEMPLATES = [
    pytest.param("image/png", TO_TEXT, PNG, b"<" + BASE64 + b">", id="after TO_TEXT a template sees base64"),
    pytest.param("text/plain", TO_BINARY, b"text", None, id="TO_BINARY: the template's output is decoded, or 500"),
    pytest.param("image/png", None, PNG, None, id="a template over bytes is 500"),
]


@pytest.mark.parametrize(("content_type", "handling", "sent", "received"), TEMPLATES)
async def test_a_template_sees_text(
    gateway: TestGateway, backend: Backend, content_type: str, handling: str | None, sent: bytes, received: bytes | None
):
    one = method(
        "POST /", "HTTP", backend.url, content_handling=handling, request_templates={"$default": "<$input.body>"}
    )
    gateway.deploy(rest_api(one, binary_media_types=TYPES))
    response = await ask(gateway, "POST", "/", f"Content-Type: {content_type}", body=sent)
    if received is None:
        assert response.status == 500
    else:
        assert backend.requests[0].body == received


async def test_the_output_of_a_template_is_decoded(gateway: TestGateway, backend: Backend):
    templates = {"$default": "$input.path('$.png')"}
    one = method("POST /", "HTTP", backend.url, content_handling=TO_BINARY, request_templates=templates)
    gateway.deploy(rest_api(one, binary_media_types=TYPES))
    await ask(gateway, "POST", "/", "Content-Type: text/plain", body=b'{"png": "%s"}' % BASE64)
    assert backend.requests[0].body == PNG


# ---- answers: payload, client, contentHandling

ANSWERS = [
    pytest.param("text/x", "text/plain", None, PNG, REPLACED, id="text, text, unset"),
    pytest.param("text/x", "text/plain", TO_TEXT, PNG, REPLACED, id="text, text, TO_TEXT"),
    pytest.param("text/x", "text/plain", TO_BINARY, BASE64, PNG, id="text, text, TO_BINARY"),
    pytest.param("text/x", "text/plain", TO_BINARY, b"no base64!", None, id="text, text, TO_BINARY: else 500"),
    pytest.param("text/x", "image/png", None, BASE64, PNG, id="text, binary, unset"),
    pytest.param("text/x", "image/png", TO_BINARY, BASE64, PNG, id="text, binary, TO_BINARY"),
    pytest.param("text/x", "image/png", None, b"no base64!", None, id="text, binary, unset: else 500"),
    pytest.param("text/x", "image/png", TO_TEXT, PNG, REPLACED, id="text, binary, TO_TEXT"),
    pytest.param("image/png", "text/plain", None, PNG, BASE64, id="binary, text, unset"),
    pytest.param("image/png", "text/plain", TO_TEXT, PNG, BASE64, id="binary, text, TO_TEXT"),
    pytest.param("image/png", "text/plain", TO_BINARY, PNG, PNG, id="binary, text, TO_BINARY"),
    pytest.param("image/png", "image/png", None, PNG, PNG, id="binary, binary, unset"),
    pytest.param("image/png", "image/png", TO_BINARY, PNG, PNG, id="binary, binary, TO_BINARY"),
    pytest.param("image/png", "image/png", TO_TEXT, PNG, BASE64, id="binary, binary, TO_TEXT"),
    pytest.param("image/png", "text/plain, image/png", None, PNG, BASE64, id="the first type of Accept counts"),
    pytest.param("image/png", "image/png;q=0.5", None, PNG, PNG, id="parameters of Accept do not"),
]


@pytest.mark.parametrize(("payload", "accept", "handling", "given", "received"), ANSWERS)
async def test_an_answer_is_converted(
    gateway: TestGateway,
    backend: Backend,
    payload: str,
    accept: str,
    handling: str | None,
    given: bytes,
    received: bytes | None,
):
    gateway.deploy(
        rest_api(
            method("GET /", "HTTP", f"{backend.url}/in", answers(content_handling=handling)), binary_media_types=TYPES
        )
    )
    backend.on("/in", body=given, headers={"Content-Type": payload})
    response = await ask(gateway, "GET", "/", f"Accept: {accept}")
    if received is None:
        assert (response.status, json.loads(response.body)) == (500, {"message": "Internal server error"})
    else:
        assert (response.status, response.body) == (200, received)


@pytest.mark.parametrize("accept", ["image/png", "text/plain"])
async def test_without_binary_types_accept_is_irrelevant(gateway: TestGateway, backend: Backend, accept: str):
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in")))
    backend.on("/in", body=PNG, headers={"Content-Type": "image/png"})
    assert (await ask(gateway, "GET", "/", f"Accept: {accept}")).body == REPLACED


@pytest.mark.parametrize(("handling", "body"), [(TO_TEXT, b"<" + BASE64 + b">"), (None, None)])
async def test_a_response_template_sees_base64_or_fails(
    gateway: TestGateway, backend: Backend, handling: str | None, body: bytes | None
):
    ok = answers("200", "<$input.body>", content_handling=handling)
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", ok), binary_media_types=TYPES))
    backend.on("/in", body=PNG, headers={"Content-Type": "image/png"})
    response = await ask(gateway, "GET", "/", "Accept: image/png")
    assert (response.status, response.body) == ((500, response.body) if body is None else (200, body))


# ---- Lambda proxy

EVENTS = [
    pytest.param(TYPES, "image/png", True, id="the Content-Type matches"),
    pytest.param(TYPES, "text/plain", False, id="it does not"),
    pytest.param(("image/*",), "image/png", True, id="type/*"),
    pytest.param(("*/*",), "text/plain", True, id="*/* makes every body base64"),
]


@pytest.mark.parametrize(("entries", "content_type", "encoded"), EVENTS)
async def test_an_event_has_base64_where_the_type_matches(
    gateway: TestGateway, functions: LambdaEndpoint, entries: tuple[str, ...], content_type: str, encoded: bool
):
    functions.functions["f"] = returns({})
    gateway.deploy(rest_api(method("POST /", "AWS_PROXY", "f"), binary_media_types=entries))
    await ask(gateway, "POST", "/", f"Content-Type: {content_type}", body=b"body")
    event = functions.calls[0].event
    assert (event["isBase64Encoded"], event["body"]) == (encoded, "Ym9keQ==" if encoded else "body")


RESULTS = [
    pytest.param(TYPES, "image/png", True, True, id="Accept matches an entry"),
    pytest.param(TYPES, "image/png", False, False, id="not said to be base64"),
    pytest.param(TYPES, "text/plain", True, False, id="Accept matches none"),
    pytest.param(TYPES, "text/plain, image/png", True, False, id="only the first type of Accept counts"),
    pytest.param(TYPES, "*/*", True, False, id="*/* does not match image/png"),
    pytest.param(TYPES, "image/*", True, False, id="image/* is not expanded"),
    pytest.param(("image/*",), "image/gif", True, True, id="an entry type/*"),
    pytest.param(("*/*",), "text/plain", True, True, id="an entry */* matches anything"),
    pytest.param(("*/*",), None, True, True, id="an entry */* matches no Accept"),
    pytest.param((), "image/png", True, False, id="no entries"),
]


@pytest.mark.parametrize(("entries", "accept", "encoded", "decoded"), RESULTS)
async def test_a_functions_base64_is_decoded_for_whom_accepts_it(
    gateway: TestGateway,
    functions: LambdaEndpoint,
    entries: tuple[str, ...],
    accept: str | None,
    encoded: bool,
    decoded: bool,
):
    result = {"headers": {"Content-Type": "text/html"}, "body": BASE64.decode(), "isBase64Encoded": encoded}
    functions.functions["f"] = returns(result)
    gateway.deploy(rest_api(method("GET /", "AWS_PROXY", "f"), binary_media_types=entries))
    response = await ask(gateway, "GET", "/", *([f"Accept: {accept}"] if accept else []))
    assert response.body == (PNG if decoded else BASE64)


async def test_base64_that_is_none_is_an_internal_error(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = returns({"body": "no base64!", "isBase64Encoded": True})
    gateway.deploy(rest_api(method("GET /", "AWS_PROXY", "f"), binary_media_types=TYPES))
    assert (await ask(gateway, "GET", "/", "Accept: image/png")).status == 500
