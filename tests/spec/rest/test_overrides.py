"""Overrides: what templates set in `$context.requestOverride` and `$context.responseOverride`.

Source: developer guide, "Override your API's request and response parameters and status codes"; recorded on
the service.
"""

from __future__ import annotations

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, answers, ask, method, mock, rest_api

REQUESTS = [
    pytest.param('#set($context.requestOverride.header.X-M = "over")', "/in/p?q=1", "over", id="header"),
    pytest.param('#set($context.requestOverride.path.id = "over")', "/in/over?q=1", "mapped", id="path"),
    pytest.param('#set($context.requestOverride.querystring.q = "2")', "/in/p?q=2", "mapped", id="querystring"),
    pytest.param(
        '#set($k = "q")#set($context.requestOverride.querystring[$k] = "3")', "/in/p?q=3", "mapped", id="by bracket"
    ),
    pytest.param('#set($_ = $context.requestOverride.querystring.put("q", "4"))', "/in/p?q=4", "mapped", id="put()"),
    pytest.param(
        '#set($context.requestOverride.header.X-M = ["a", "b"])', "/in/p?q=1", "a,b", id="a list for a header is joined"
    ),
]


@pytest.mark.parametrize(("template", "target", "header"), REQUESTS)
async def test_a_request_override_wins_over_what_is_mapped(
    gateway: TestGateway, backend: Backend, template: str, target: str, header: str
):
    parameters = {
        "integration.request.header.X-M": "'mapped'",
        "integration.request.path.id": "'p'",
        "integration.request.querystring.q": "'1'",
    }
    one = method(
        "GET /",
        "HTTP",
        f"{backend.url}/in/{{id}}",
        method="GET",
        request_parameters=parameters,
        request_templates={JSON: template},
    )
    gateway.deploy(rest_api(one))
    await ask(gateway, "GET", "/")
    (got,) = backend.requests
    assert (got.target, got.header("X-M")) == (target, header)


async def test_response_overrides_of_the_request_template_are_carried_on(gateway: TestGateway):
    """Status 444 and foo=bar, without a response template, as recorded."""
    overrides = '#set($context.responseOverride.status = 444)#set($context.responseOverride.header.foo = "bar")'
    template = overrides + '{"statusCode": 200}'
    gateway.deploy(rest_api(mock("GET /", request_templates={JSON: template})))
    response = await ask(gateway, "GET", "/")
    assert (response.status, response.header("foo"), response.body) == (444, "bar", b"")


CARRIED = [
    pytest.param("responseOverride.custom", id="members of one's own"),
    pytest.param("requestOverride.path.data", id="requestOverride hands data through a MOCK"),
    pytest.param("requestOverride.header.data", id="a header override can be read"),
]


@pytest.mark.parametrize("place", CARRIED)
async def test_what_the_request_template_wrote_the_response_template_reads(gateway: TestGateway, place: str):
    template = f'#set($context.{place} = "kept"){{"statusCode": 200}}'
    gateway.deploy(rest_api(mock("GET /", answers("200", f"$context.{place}"), request_templates={JSON: template})))
    assert (await ask(gateway, "GET", "/")).body == b"kept"


RESPONSES = [
    pytest.param("#set($context.responseOverride.status = 400)", 400, "mapped", id="status"),
    pytest.param('#set($context.responseOverride.header.X-A = "over")', 200, "over", id="header"),
    pytest.param('#set($context.responseOverride.header.X-A = ["a", "b"])', 200, "a,b", id="list value of a header"),
    pytest.param(
        '#set($context.responseOverride.status = "n")', 200, "mapped", id="no status is ignored (unconfirmed)"
    ),
]


@pytest.mark.parametrize(("template", "status", "header"), RESPONSES)
async def test_a_response_override(gateway: TestGateway, backend: Backend, template: str, status: int, header: str):
    ok = answers("200", template + "body", response_parameters={"method.response.header.X-A": "'mapped'"})
    gateway.deploy(rest_api(method("GET /", "HTTP", backend.url, ok)))
    response = await ask(gateway, "GET", "/")
    assert (response.status, response.header("x-a"), response.body) == (status, header, b"body")


async def test_a_proxy_integration_has_no_overrides(gateway: TestGateway, backend: Backend):
    template = '#set($context.requestOverride.header.X-M = "over")'
    one = method("GET /", "HTTP_PROXY", backend.url, method="GET", request_templates={JSON: template})
    gateway.deploy(rest_api(one))
    await ask(gateway, "GET", "/")
    assert backend.requests[0].header("X-M") is None


async def test_a_template_that_is_not_chosen_overrides_nothing(gateway: TestGateway, backend: Backend):
    template = '#set($context.requestOverride.header.X-M = "over")'
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_templates={"text/xml": template})))
    await ask(gateway, "POST", "/")
    assert backend.requests[0].header("X-M") is None
    await ask(gateway, "POST", "/", "Content-Type: text/xml; charset=utf-8")
    assert backend.requests[1].header("X-M") == "over"
