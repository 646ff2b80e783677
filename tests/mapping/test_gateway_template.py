"""Templates of gateway responses: substitution, and nothing else. Source: developer guide, "Gateway responses"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.request_samples import REQUEST_ID, request
from wsgw.caller import Principal
from wsgw.errors import BadRequestBody, MissingAuthenticationToken
from wsgw.mapping.gateway_template import compile_gateway_template

REFUSED = {
    "raw_query": "q=1&q=2&html=%3Cb%3E",
    "headers": (("X-Client.Id", "c"), ("Accept", "text/html")),
    "path_parameters": {"id": "a%20b"},
    "stage_variables": {"where": "here"},
    "principal": Principal("user-1", {"role": "admin"}),
}
TEMPLATES = [
    ('{"message":$context.error.messageString}', '{"message":"Missing Authentication Token"}'),
    ("$context.error.message.", "Missing Authentication Token."),
    ("$context.error.responseType", "MISSING_AUTHENTICATION_TOKEN"),
    ("$context.error.validationErrorString|", "|"),
    ("$context.requestId-1 $context.stage", f"{REQUEST_ID}-1 dev"),
    ("$context.identity.sourceIp", "203.0.113.9"),
    ("$context.authorizer.role/$context.authorizer.none", "admin/"),
    ("$stageVariables.where$stageVariables.none!", "here!"),
    ("$method.request.header.x-client.id", "c"),
    ("$method.request.header.X-None;", ";"),
    ("$method.request.querystring.q", "2"),
    ("$method.request.path.id", "a%20b"),
    # No VTL: what looks like it stays as it is.
    ("#if(true)x#end", "#if(true)x#end"),
    ("#set($x = 1)$x", "#set($x = 1)$x"),
    ("$input.body $input.params('q')", "$input.body $input.params('q')"),
    ("$util.escapeJavaScript($context.stage)", "$util.escapeJavaScript(dev)"),
    ("$context.nothing.here", "$context.nothing.here"),
    ("$context $stageVariables costs $5", "$context $stageVariables costs $5"),
    ("", ""),
]


@pytest.mark.parametrize(("template", "text"), TEMPLATES, ids=[template for template, _ in TEMPLATES])
def test_a_template_gives_its_text_with_references_put_in(template: str, text: str) -> None:
    refused = request(error=MissingAuthenticationToken(), **REFUSED)  # type: ignore[arg-type]
    assert compile_gateway_template(template)(refused) == text


def test_what_a_model_has_against_a_body_is_there() -> None:
    refused = request(error=BadRequestBody("Invalid request body", detail="[[a] is missing]"))
    assert compile_gateway_template("$context.error.validationErrorString")(refused) == "[[a] is missing]"


@given(st.text(st.characters(blacklist_characters="$"), max_size=50))
def test_text_without_references_stays_as_it_is(text: str) -> None:
    assert compile_gateway_template(text)(request()) == text


@given(
    st.lists(st.sampled_from(["$context.", "$", "stage", ".", "-", "error", "method.request.", "header.", "x", " "]))
)
def test_no_text_is_refused(pieces: list[str]) -> None:
    compile_gateway_template("".join(pieces))(request())
