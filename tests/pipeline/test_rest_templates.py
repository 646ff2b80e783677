"""Which template of a REST API is meant, and what it sees. Source: developer guide; recorded on the service."""

from __future__ import annotations

import pytest

from tests.mapping.request_samples import request
from wsgw.errors import ApiConfigurationError, UnsupportedMediaType
from wsgw.pipeline.rest_templates import RequestTemplates, ResponseTemplates, RestTemplate

JSON = {"application/json": "T"}
XML = {"application/xml": "T"}
PASSED, RENDERED, REFUSED = "passed", "rendered", "refused"

MATRIX = [
    # templates, Content-Type, and what happens with WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER
    (JSON, None, RENDERED, RENDERED, RENDERED),
    (JSON, "application/json", RENDERED, RENDERED, RENDERED),
    (JSON, "application/json; charset=utf-8", RENDERED, RENDERED, RENDERED),
    (JSON, "Application/JSON", RENDERED, RENDERED, RENDERED),
    (JSON, "application/xml", PASSED, REFUSED, REFUSED),
    (XML, None, PASSED, REFUSED, REFUSED),
    (XML, "application/json", PASSED, REFUSED, REFUSED),
    (XML, "application/xml", RENDERED, RENDERED, RENDERED),
    ({}, None, PASSED, PASSED, REFUSED),
    ({}, "application/xml", PASSED, PASSED, REFUSED),
    ({"application/json": None}, None, PASSED, PASSED, REFUSED),
    ({"application/json": "__passthrough__"}, None, PASSED, PASSED, REFUSED),
    ({"$default": "T"}, "text/plain", RENDERED, RENDERED, RENDERED),
]


@pytest.mark.parametrize(("templates", "content_type", "no_match", "no_templates", "never"), MATRIX)
def test_the_passthrough_behavior_decides_where_no_template_is_meant(
    templates, content_type, no_match, no_templates, never
):
    headers = [] if content_type is None else [("Content-Type", content_type)]

    def outcome(behavior):
        try:
            template = RequestTemplates(templates, behavior).chosen(request(headers=headers))
        except UnsupportedMediaType:
            return REFUSED
        return PASSED if template is None else RENDERED

    assert outcome("WHEN_NO_MATCH") == no_match
    assert outcome("WHEN_NO_TEMPLATES") == no_templates
    assert outcome("NEVER") == never


@pytest.mark.parametrize(
    ("templates", "accept", "chosen"),
    [
        (("application/json", "application/xml"), None, "application/json"),
        (("application/xml", "application/json"), None, "application/json"),
        (("application/json", "application/xml"), "application/xml", "application/xml"),
        (("application/json", "application/xml"), "application/xml;q=0.1, application/json", "application/xml"),
        (("application/json", "application/xml"), "text/html, application/xml", "application/json"),
        (("text/html", "application/xml"), "image/png", "text/html"),
    ],
)
def test_the_first_accepted_type_picks_the_response_template(templates, accept, chosen):
    headers = [] if accept is None else [("Accept", accept)]
    found = ResponseTemplates(dict.fromkeys(templates, "T")).chosen(request(headers=headers))
    assert found is not None
    assert found.content_type == chosen


@pytest.mark.parametrize("templates", [{}, {"application/json": "__passthrough__"}])
def test_without_a_response_template_the_body_passes(templates):
    assert ResponseTemplates(templates).chosen(request()) is None


def test_a_template_sees_the_request_and_not_the_headers_that_end_here():
    source = (
        "$input.params('X-A')|$input.params('TE')|$input.params('id')|$input.params('q')|$context.apiId|$input.body"
    )
    invocation = request(
        headers=[("X-A", "a"), ("TE", "trailers")], raw_query="q=1&q=2", path_parameters={"id": "a%20b"}
    )
    text = RestTemplate("application/json", source).render(invocation, "body")
    assert text == "a||a%20b|2|a1b2c3d4e5|body"


def test_what_one_template_writes_into_the_context_the_next_one_reads():
    invocation = request()
    RestTemplate("x/y", "#set($context.responseOverride.custom = 'kept')").render(invocation, "")
    assert RestTemplate("x/y", "$context.responseOverride.custom").render(invocation, "") == "kept"


def test_a_template_without_variables_is_known_as_constant():
    template = RestTemplate("x/y", '{"statusCode": 200}')
    assert template.constant == '{"statusCode": 200}'
    assert template.encoded == b'{"statusCode": 200}'
    assert RestTemplate("x/y", "$input.body").constant is None
    assert RestTemplate("x/y", "#if(true)x#end").constant is None


def test_a_template_that_fails_is_an_error_of_the_definition():
    with pytest.raises(ApiConfigurationError, match="template"):
        RestTemplate("x/y", "$util.parseJson('{')").render(request(), "")
