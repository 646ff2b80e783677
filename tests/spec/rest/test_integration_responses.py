"""Which template makes the request, which integration response the answer, and what the client gets of it.

Sources: developer guide, "Integration passthrough behaviors" and "Set up an integration response"; recorded on the
service.
"""

from __future__ import annotations

import json

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, answers, ask, method, rest_api
from wsgw.definitions.route import Route, RouteResponse

# ---- passthrough behavior: what the backend gets, or 415

XML = {"application/xml": "<rendered/>"}
DEFAULT = {"$default": "rendered by default"}
MATRIX = [
    pytest.param("WHEN_NO_MATCH", {}, JSON, "sent", id="WHEN_NO_MATCH, no template at all"),
    pytest.param("WHEN_NO_MATCH", XML, JSON, "sent", id="WHEN_NO_MATCH, none for this type"),
    pytest.param("WHEN_NO_MATCH", XML, "application/xml", "<rendered/>", id="WHEN_NO_MATCH, one for this type"),
    pytest.param("WHEN_NO_TEMPLATES", {}, JSON, "sent", id="WHEN_NO_TEMPLATES, no template at all"),
    pytest.param("WHEN_NO_TEMPLATES", XML, JSON, None, id="WHEN_NO_TEMPLATES, none for this type"),
    pytest.param("WHEN_NO_TEMPLATES", XML, "application/xml", "<rendered/>", id="WHEN_NO_TEMPLATES, one for this type"),
    pytest.param("NEVER", {}, JSON, None, id="NEVER, no template at all"),
    pytest.param("NEVER", XML, JSON, None, id="NEVER, none for this type"),
    pytest.param("NEVER", XML, "application/xml", "<rendered/>", id="NEVER, one for this type"),
    pytest.param("WHEN_NO_MATCH", XML, "", "sent", id="WHEN_NO_MATCH, no Content-Type is JSON"),
    pytest.param("WHEN_NO_TEMPLATES", XML, "", None, id="WHEN_NO_TEMPLATES, no Content-Type is JSON"),
    pytest.param("NEVER", XML, "", None, id="NEVER, no Content-Type is JSON"),
    pytest.param("NEVER", {JSON: "rendered"}, "", "rendered", id="no Content-Type takes JSON's template"),
    pytest.param("NEVER", XML, "application/xml; charset=utf-8", "<rendered/>", id="parameters are not looked at"),
    pytest.param("NEVER", DEFAULT, "text/csv", "rendered by default", id="$default takes any type"),
    pytest.param("NEVER", {**XML, **DEFAULT}, "application/xml", "<rendered/>", id="the exact type before $default"),
]


@pytest.mark.parametrize(("behavior", "templates", "content_type", "received"), MATRIX)
async def test_the_passthrough_behavior(
    gateway: TestGateway,
    backend: Backend,
    behavior: str,
    templates: dict[str, str],
    content_type: str,
    received: str | None,
):
    one = method("POST /", "HTTP", backend.url, request_templates=templates, passthrough_behavior=behavior)
    gateway.deploy(rest_api(one))
    lines = [f"Content-Type: {content_type}"] if content_type else []
    response = await ask(gateway, "POST", "/", *lines, body=b"sent")
    if received is None:
        assert (response.status, json.loads(response.body)) == (415, {"message": "Unsupported Media Type"})
        assert backend.requests == []
    else:
        assert (response.status, backend.requests[0].text) == (200, received)


# ---- selection

SELECTIONS = [
    pytest.param(200, 200, id="nothing matches: the default"),
    pytest.param(404, 404, id="a pattern"),
    pytest.param(503, 502, id="the first in ascending order of status (unconfirmed)"),
]
RESPONSES = (
    answers("200", "default"),
    answers("404", "missing", selection_pattern="404"),
    answers("502", "lower", selection_pattern=r"5\d\d"),
    answers("504", "higher", selection_pattern="503"),
)


@pytest.mark.parametrize(("backends", "status"), SELECTIONS)
async def test_the_backends_status_selects(gateway: TestGateway, backend: Backend, backends: int, status: int):
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", *RESPONSES)))
    backend.on("/in", status=backends)
    assert (await ask(gateway, "GET", "/")).status == status


@pytest.mark.parametrize(("pattern", "status"), [("40", 200), ("4", 200), ("404|500", 404), ("", 404), (None, 404)])
async def test_a_pattern_matches_the_whole_status(
    gateway: TestGateway, backend: Backend, pattern: str | None, status: int
):
    """An absent or empty pattern is the default's."""
    responses = [answers("404", selection_pattern=pattern)]
    if pattern:
        responses.append(answers("200"))
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", *responses)))
    backend.on("/in", status=404)
    assert (await ask(gateway, "GET", "/")).status == status


async def test_the_final_status_is_the_integration_responses(gateway: TestGateway, backend: Backend):
    gateway.deploy(
        rest_api(
            method("GET /own", "HTTP", f"{backend.url}/in"),
            method("GET /proxy", "HTTP_PROXY", f"{backend.url}/in", answers("200")),
        )
    )
    backend.on("/in", status=400)
    assert (await ask(gateway, "GET", "/own")).status == 200
    assert (await ask(gateway, "GET", "/proxy")).status == 400


async def test_no_match_and_no_default_is_an_internal_error(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("GET /", "HTTP", backend.url, answers("404", selection_pattern="404"))))
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal server error"})


async def test_a_status_that_the_method_does_not_declare_is_an_internal_error(gateway: TestGateway, backend: Backend):
    route = method("GET /", "HTTP", backend.url, answers("201"))
    declared = {"200": RouteResponse(status_code="200")}
    undeclared = Route(key=route.key, integration=route.integration, resource_id="res1", responses=declared)
    gateway.deploy(rest_api(undeclared))
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal server error"})


# ---- the response template, and the type that it has

TWO = {JSON: "json", "application/xml": "xml"}
TEMPLATES = [
    pytest.param(TWO, None, JSON, "json", id="no Accept: JSON"),
    pytest.param(TWO, "application/xml", "application/xml", "xml", id="Accept names one"),
    pytest.param(TWO, "application/xml, application/json", "application/xml", "xml", id="the first entry of Accept"),
    pytest.param(TWO, "text/html", JSON, "json", id="none for it: JSON's"),
    pytest.param({"text/csv": "csv", "text/plain": "p"}, None, "text/csv", "csv", id="no JSON: the first template"),
    pytest.param({}, "application/xml", JSON, "backend", id="no template: the body unchanged, as JSON"),
]


@pytest.mark.parametrize(("templates", "accept", "content_type", "body"), TEMPLATES)
async def test_accept_chooses_the_response_template(
    gateway: TestGateway, backend: Backend, templates: dict[str, str], accept: str | None, content_type: str, body: str
):
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", answers(response_templates=templates))))
    backend.on("/in", body="backend", headers={"Content-Type": "text/x-backend"})
    response = await ask(gateway, "GET", "/", *([f"Accept: {accept}"] if accept else []))
    assert (response.body.decode(), response.header("content-type")) == (body, content_type)


@pytest.mark.parametrize("source", ["'text/x-mapped'", "integration.response.header.Content-Type"])
async def test_a_mapped_content_type_wins(gateway: TestGateway, backend: Backend, source: str):
    ok = answers("200", "made", response_parameters={"method.response.header.Content-Type": source})
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", ok)))
    backend.on("/in", headers={"Content-Type": "text/x-mapped"})
    assert (await ask(gateway, "GET", "/")).header("content-type") == "text/x-mapped"


async def test_input_is_the_backends_body_and_the_clients_parameters(gateway: TestGateway, backend: Backend):
    ok = answers("200", "$input.path('$.a') $input.params('id') $input.body")
    gateway.deploy(rest_api(method("GET /{id}", "HTTP", f"{backend.url}/in", ok)))
    backend.on("/in", body='{"a": "b"}')
    assert (await ask(gateway, "GET", "/7")).body == b'b 7 {"a": "b"}'


async def test_an_empty_answer_is_an_empty_object_to_a_template(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("GET /", "HTTP", backend.url, answers("200", "[$input.body]"))))
    assert (await ask(gateway, "GET", "/")).body == b"[{}]"
