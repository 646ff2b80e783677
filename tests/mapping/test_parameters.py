from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.mapping_samples import invocation
from wsgw.caller import Principal
from wsgw.errors import ApiConfigurationError, BadRequestParameters
from wsgw.mapping.parameters import ParameterError, compile_parameters, required_parameters, stage_variables_in

HEADERS = [("X-Token", "first"), ("x-token", "second"), ("Host", "ws.example.com")]
QUERY = [("room", "r1"), ("room", "r2"), ("empty", "")]
BODY = b'{"a": {"b": "text"}, "n": 1, "f": 1.0, "yes": true, "none": null, "list": [1, {"x": "y"}], "nl": "x\\r\\ny"}'

CONNECT_SOURCES = [
    ("route.request.querystring.room", ["r2"]),
    ("route.request.querystring.Room", []),
    ("route.request.querystring.empty", [""]),
    ("route.request.multivaluequerystring.room", ["r1", "r2"]),
    ("route.request.header.X-TOKEN", ["second"]),
    ("route.request.header.nothere", []),
    ("route.request.multivalueheader.x-token", ["first", "second"]),
    ("stageVariables.tier", ["gold"]),
    ("stageVariables.nothere", []),
    ("context.connectionId", ["gbAAAAAAAAAAAAAAAA=="]),
    ("context.requestTimeEpoch", ["1790294473121"]),
    ("context.messageId", []),
    ("context.authorizer.role", ["admin"]),
    ("context.authorizer.nothere", []),
    ("'literal'", ["literal"]),
    ("''", [""]),
    ("'it's'", ["it's"]),
]
MESSAGE_SOURCES = [
    ("route.request.body.a.b", ["text"]),
    ("route.request.body['a']['b']", ["text"]),
    ("route.request.body.n", ["1"]),
    ("route.request.body.f", ["1.0"]),
    ("route.request.body.yes", ["true"]),
    ("route.request.body.none", []),
    ("route.request.body.nothere", []),
    ("route.request.body.list", ['[1,{"x":"y"}]']),
    ("route.request.body", [BODY.decode()]),
    ("context.messageId", ["gbAAAfAAAAAAAAAAAA=="]),
]


@pytest.mark.parametrize(("expression", "values"), CONNECT_SOURCES)
def test_a_handshake_gives_its_parameters(expression: str, values: list[str]) -> None:
    entered = invocation(
        event_type="CONNECT",
        headers=HEADERS,
        query=QUERY,
        stage_variables={"tier": "gold"},
        principal=Principal("user", {"role": "admin"}),
    )
    mapped = compile_parameters({"integration.request.header.H": expression}, lifecycle=True)(entered)
    assert mapped.headers == [("H", value) for value in values]


@pytest.mark.parametrize(("expression", "values"), MESSAGE_SOURCES)
def test_a_message_gives_its_parameters(expression: str, values: list[str]) -> None:
    mapped = compile_parameters({"integration.request.querystring.q": expression}, lifecycle=False)(invocation(BODY))
    assert mapped.query == [("q", value) for value in values]


def test_a_message_that_is_no_json_gives_no_body_parameters() -> None:
    mapping = {"integration.request.querystring.q": "route.request.body..a"}
    assert compile_parameters(mapping, lifecycle=False)(invocation(b"not json")).query == []


def test_parameters_go_to_headers_query_and_path_in_order() -> None:
    mapping = {
        "integration.request.header.connectionId": "context.connectionId",
        "integration.request.querystring.room": "route.request.multivaluequerystring.room",
        "integration.request.path.tier": "'gold'",
        "integration.request.path.rooms": "route.request.multivaluequerystring.room",
        "integration.request.header.$x._-y": "'z'",
    }
    mapped = compile_parameters(mapping, lifecycle=True)(invocation(event_type="CONNECT", query=QUERY))
    assert mapped.headers == [("connectionId", "gbAAAAAAAAAAAAAAAA=="), ("$x._-y", "z")]
    assert mapped.query == [("room", "r1"), ("room", "r2")]
    assert mapped.path == {"tier": "gold", "rooms": "r1,r2"}


@pytest.mark.parametrize(
    ("key", "expression", "lifecycle", "says"),
    [
        ("integration.request.body.x", "'a'", True, "integration.request.header.{name}"),
        ("integration.request.header.a b", "'a'", True, "is no target"),
        ("integration.request.header.a\r\nb", "'a'", True, "is no target"),
        ("integration.request.header.", "'a'", True, "is no target"),
        ("method.request.header.x", "'a'", True, "is no target"),
        ("integration.request.header.x", "literal", True, "'literal'"),
        ("integration.request.header.x", '"literal"', True, "'literal'"),
        ("integration.request.header.x", "'", True, "'literal'"),
        ("integration.request.header.x", "", True, "'literal'"),
        ("integration.request.header.x", "route.request.body.a", True, "no source; $connect"),
        ("integration.request.header.x", "route.request.header.a", False, "no source; message routes"),
        ("integration.request.header.x", "route.request.bodyx", False, "route.request.body.{JSONPath}"),
        ("integration.request.header.x", "route.request.body.a[", False, "JSONPath"),
        ("integration.request.header.x", "stageVariables.a-b", False, "stageVariables.{name}"),
        ("integration.request.header.x", "context.connectionID", False, "did you mean $context.connectionId"),
    ],
)
def test_a_bad_mapping_is_named_with_what_is_allowed(key: str, expression: str, lifecycle: bool, says: str) -> None:
    with pytest.raises(ParameterError) as caught:
        compile_parameters({key: expression}, lifecycle)
    assert says in str(caught.value)
    assert repr(key) in str(caught.value)


@pytest.mark.parametrize("value", ["a\r\nInjected: 1", "a\nb", "a\rb", "a\x00b", "a\x7f"])
def test_a_value_never_ends_its_header(value: str) -> None:
    """S-05."""
    mapping = compile_parameters({"integration.request.header.h": "route.request.querystring.q"}, lifecycle=True)
    with pytest.raises(ApiConfigurationError) as caught:
        mapping(invocation(event_type="CONNECT", query=[("q", value)]))
    assert "header h" in caught.value.detail
    assert value not in caught.value.detail


@given(st.text(max_size=12))
def test_a_mapped_header_holds_the_value_or_fails(value: str) -> None:
    """S-05."""
    mapping = compile_parameters({"integration.request.header.h": "route.request.header.h"}, lifecycle=True)
    try:
        mapped = mapping(invocation(event_type="CONNECT", headers=[("h", value)]))
    except ApiConfigurationError:
        assert any(ord(char) < 32 or char == "\x7f" for char in value)
    else:
        assert mapped.headers == [("h", value)]
        assert not set("\r\n\x00") & set(value)


def test_a_document_too_deep_for_json_is_a_configuration_error() -> None:
    mapping = compile_parameters({"integration.request.querystring.q": "route.request.body[0]"}, lifecycle=False)
    with pytest.raises(ApiConfigurationError):
        mapping(invocation(b"[" * 1_000 + b"]" * 1_000))


REQUIRED = {
    "route.request.querystring.token": True,
    "route.request.header.X-Token": True,
    "route.request.querystring.optional": False,
}


@pytest.mark.parametrize(
    ("headers", "query", "missing"),
    [
        ([("x-token", "1")], [("token", "")], None),
        ([("x-token", "1")], [], "[token]"),
        ([], [("Token", "1")], "[token, X-Token]"),
    ],
)
def test_a_handshake_without_required_parameters_is_refused(
    headers: list[tuple[str, str]], query: list[tuple[str, str]], missing: str | None
) -> None:
    check = required_parameters(REQUIRED)
    entered = invocation(event_type="CONNECT", headers=headers, query=query)
    if missing is None:
        check(entered)
    else:
        with pytest.raises(BadRequestParameters) as caught:
            check(entered)
        assert caught.value.message == f"Missing required request parameters: {missing}"


@pytest.mark.parametrize("key", ["route.request.body.x", "token", "route.request.header.a b"])
def test_a_bad_declaration_is_refused(key: str) -> None:
    with pytest.raises(ParameterError, match=r"route\.request\.header"):
        required_parameters({key: False})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("https://${stageVariables.host}/${stageVariables.path}", "https://h.example/p"),
        ("${stageVariables.host}", "h.example"),
        ("cost: $5, {x}", "cost: $5, {x}"),
    ],
)
def test_stage_variables_are_filled_in(text: str, filled: str) -> None:
    assert stage_variables_in(text)({"host": "h.example", "path": "p"}) == filled


@pytest.mark.parametrize(
    "text", ["${stageVariables.}", "${stageVariables.a-b}", "x${other.y}", "${stageVariables.x", "${}"]
)
def test_a_malformed_stage_variable_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="stageVariables"):
        stage_variables_in(text)


def test_a_stage_without_the_variable_is_refused() -> None:
    with pytest.raises(ParameterError, match="'nothere'"):
        stage_variables_in("https://${stageVariables.nothere}/")({"host": "x"})
