"""Integration responses: selection, status, headers, templates. Source: developer guide; recorded on the service."""

from __future__ import annotations

import pytest

from tests.mapping.request_samples import request
from wsgw.definitions.route import IntegrationResponse
from wsgw.errors import ApiConfigurationError
from wsgw.invocation import FunctionReply, Reply
from wsgw.mapping.binary_types import binary_matcher
from wsgw.pipeline.rest_response import map_response, responder


def response(status="200", pattern=None, **members):
    return IntegrationResponse(key=status, status_code=status, selection_pattern=pattern, **members)


def answer(responses, reply, text="", *, invocation=None, declared=None, binary=None):
    statuses = {one.status_code for one in responses} if declared is None else declared
    respond = responder(responses, frozenset(statuses), binary)
    return respond(invocation or request(), reply, text or str(reply.status))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("200", 200),
        ("204", 201),
        ("2040", 200),
        ("404", 404),
        ("500", 200),
        ("Error: four hundred", 405),
        ("four hundred", 405),
        ("four\nhundred", 200),
        ("x\nlines\ny", 406),
        ("\ud800", 200),
    ],
)
def test_a_pattern_matches_the_whole_text_and_the_default_takes_the_rest(text, status):
    responses = [
        response("200"),
        response("201", r"2[0-9]4"),
        response("404", "404"),
        response("405", ".*four hundred"),
        response("406", r"x(.|\n)*y"),
    ]
    assert answer(responses, Reply(502), text).status == status


def test_of_several_patterns_that_match_the_lowest_status_wins():
    responses = [response("502", ".+"), response("405", ".*four hundred.*"), response("200")]
    assert answer(responses, Reply(200), "four hundred").status == 405


def test_an_empty_pattern_is_the_default():
    assert answer([response("418", "")], Reply(200)).status == 418


def test_no_match_and_no_default_is_an_error():
    with pytest.raises(ApiConfigurationError, match=r"no default output mapping.*503"):
        answer([response("200", "200")], Reply(503))


def test_a_response_that_the_method_does_not_declare_is_an_error():
    with pytest.raises(ApiConfigurationError, match="invalid method response: 404"):
        answer([response("200"), response("404", "404")], Reply(404), declared={"200"})


def test_a_pattern_of_java_that_re2_lacks_is_named():
    with pytest.raises(ValueError, match=r"selectionPattern.*look-ahead"):
        responder([response("200", "(?!x).*")], frozenset({"200"}), None)


@pytest.mark.parametrize("status", ["99", "100", "600", "abc", ""])
def test_a_status_that_ends_no_request_is_refused_at_deployment(status):
    with pytest.raises(ValueError, match="status code"):
        responder([response(status)], frozenset({status}), None)


def test_only_mapped_headers_are_given_under_the_names_of_answers():
    reply = Reply(200, b"{}", [("X-Backend", "b"), ("Server", "s"), ("Content-Type", "text/plain")])
    parameters = {
        "method.response.header.X-Mapped": "integration.response.header.X-Backend",
        "method.response.header.Server": "integration.response.header.Server",
        "method.response.header.X-None": "integration.response.header.X-None",
        "method.response.header.Transfer-Encoding": "'chunked'",
    }
    made = answer([response(response_parameters=parameters)], reply)
    assert made.headers == [("X-Mapped", "b"), ("x-amzn-Remapped-Server", "s"), ("Content-Type", "application/json")]


@pytest.mark.parametrize(
    ("members", "content_type"),
    [
        ({}, "application/json"),
        ({"response_templates": {"application/xml": "<x/>"}}, "application/xml"),
        ({"response_parameters": {"method.response.header.content-type": "'text/csv'"}}, "text/csv"),
        (
            {
                "response_templates": {"application/xml": "<x/>"},
                "response_parameters": {"method.response.header.Content-Type": "'text/csv'"},
            },
            "text/csv",
        ),
    ],
)
def test_the_content_type_is_mapped_or_the_templates_or_json(members, content_type):
    made = answer([response(**members)], Reply(200, b"x", [("Content-Type", "image/png")]))
    assert made.header("content-type") == content_type


def test_a_template_makes_the_body_from_the_backends():
    made = answer([response(response_templates={"application/json": "$input.path('$.a')"})], Reply(200, b'{"a": 7}'))
    assert made.body == b"7"


def test_without_a_template_the_body_passes_as_text():
    assert answer([response()], Reply(200, b"a\xff")).body == "a\ufffd".encode()


@pytest.mark.parametrize(
    ("accept", "handling", "body", "result"),
    [
        ("image/png", None, b"\xff", b"\xff"),
        ("text/plain", None, b"\xff", b"/w=="),
        ("text/plain", "CONVERT_TO_BINARY", b"\xff", b"\xff"),
        ("image/png", "CONVERT_TO_TEXT", b"\xff", b"/w=="),
    ],
)
def test_a_binary_answer_is_converted_by_accept_and_content_handling(accept, handling, body, result):
    made = answer(
        [response(content_handling=handling)],
        Reply(200, body, [("Content-Type", "image/png")]),
        invocation=request(headers=[("Accept", accept)]),
        binary=binary_matcher(["image/png"]),
    )
    assert made.body == result


def test_a_header_that_latin_1_lacks_is_sent_as_utf_8():
    parameters = {
        "method.response.header.X-A": "integration.response.body.a",
        "method.response.header.X-B": "integration.response.body.b",
    }
    made = answer([response(response_parameters=parameters)], Reply(200, '{"a": "€", "b": "ü"}'.encode()))
    assert made.header("x-a").encode("latin-1") == "€".encode()
    assert made.header("x-b") == "ü"


def test_overrides_win_over_what_is_mapped():
    template = (
        "#set($context.responseOverride.status = 444)#set($context.responseOverride.header.X-A = 'new')"
        "#set($context.responseOverride.header.Server = 's')"
    )
    parameters = {"method.response.header.x-a": "'old'"}
    responses = [response(response_templates={"application/json": template}, response_parameters=parameters)]
    made = answer(responses, Reply(200))
    assert made.status == 444
    assert made.headers == [("X-A", "new"), ("x-amzn-Remapped-Server", "s"), ("Content-Type", "application/json")]


FUNCTION = [response("200"), response("504", "200"), response("400", ".*bad.*"), response("500", "(?s).+")]


@pytest.mark.parametrize(
    ("message", "status"), [(None, 200), ("bad input", 400), ("anything", 500), ("", 200)], ids=repr
)
async def test_a_functions_error_message_selects_and_its_success_takes_the_default(message, status):
    invocation = request(reply=FunctionReply(200, b"{}", [], message))
    await map_response(responder(FUNCTION, frozenset({"200", "504", "400", "500"}), None))(invocation)
    assert invocation.reply.status == status
    assert invocation.reply.header("x-amzn-trace-id") == invocation.trace
