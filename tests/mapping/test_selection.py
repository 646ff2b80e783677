from __future__ import annotations

import time
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.pace import SLOWER
from tests.mapping.mapping_samples import invocation
from wsgw.caller import Principal
from wsgw.invocation import NOT_JSON, UNPARSED, Reply
from wsgw.mapping.selection import (
    SelectionError,
    choose,
    compile_selection,
    document_of,
    parse_json,
    response_selector,
    response_template_selector,
    route_selector,
    selector,
)
from wsgw.mapping.selection_parse import API_KEY_SOURCES

MESSAGE = orjson.dumps(
    {
        "service": "chat",
        "action": "join",
        "data": {"room": "r1", "a-b": "dash", "list": [{"id": 1}, {"id": 2}]},
        "number": 1,
        "yes": True,
        "nothing": None,
        "items": ["item1", "item2"],
        "@type": "T",
    }
)

EXPRESSIONS = [
    ("$request.body.action", "join"),
    ("${request.body.action}", "join"),
    ("${request.body.service}/${request.body.action}", "chat/join"),
    ("${request.body.action}-${request.body.nothere}", "join-"),
    ("join", "join"),
    ("", ""),
    (r"\$default", "$default"),
    ("$default", "$default"),
    (r"\$${request.body.action}", "$join"),
    ("$request.body.data.room", "r1"),
    ("$request.body['action']", "join"),
    ("$request.body.data.list[1].id", "2"),
    ("$request.body.data.list[*].id", "[1, 2]"),
    ("$request.body..id", "[1, 2]"),
    ("$request.body.data.a-b", "dash"),
    ("$request.body.data.list[?(@.id == 2)].id", "[2]"),
    ("${request.body.data.list[?(@.x == {'a': 1})]}", "[]"),
    ("${request.body.@type}", "T"),
    ("$request.body.action/$request.body.service", "join/chat"),
    ("$request.body.action$request.body.service", "joinchat"),
    ("$request.body.action.", "join."),
    ("$request.body.number", "1"),
    ("$request.body.yes", "true"),
    ("$request.body.nothing", ""),
    ("$request.body.items", "[item1, item2]"),
    ("$request.body.nothere", ""),
    ("$request.body.action.deeper", ""),
    ("pre-${request.body.data.room}post", "pre-r1post"),
    ("a\\b", "a\\b"),
]


@pytest.mark.parametrize(("expression", "result"), EXPRESSIONS)
def test_an_expression_gives_its_result(expression: str, result: str) -> None:
    """T-06."""
    assert selector(expression)(MESSAGE) == result
    assert route_selector(expression)(invocation(MESSAGE)) == result


ROUTE_KEYS: list[tuple[bytes | str, str]] = [
    (b'{"action": "send"}', "send"),
    ('{"action": "send"}', "send"),
    (b'{"action": {"send": 1}}', "{send=1}"),
    (b'{"action": ["a", "b"]}', "[a, b]"),
    (b'{"action": 1.0}', "1.0"),
    (b'{"action": 12345678901}', "12345678901"),
    (b'{"action": null}', ""),
    (b'{"action": "${request.body.x}", "x": "again"}', "${request.body.x}"),
    (b'{"action": "a", "action": "b"}', "b"),
    (b"not json", ""),
    (b"", ""),
    (b'"action"', ""),
    (b'["action"]', ""),
    (b"null", ""),
    (b'\xef\xbb\xbf{"action": "send"}', ""),
    (b'{"action": "\xff"}', ""),
    (b'{"action": "\\ud800"}', ""),
    ('{"action": "\ud800"}', ""),
    (b'{"action": NaN}', ""),
    (b'{"action": 1e999}', ""),
    (b"[" * 100_000 + b"]" * 100_000, ""),
    (b'{"action": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", ""),
]


@pytest.mark.parametrize(("message", "route_key"), ROUTE_KEYS, ids=range(len(ROUTE_KEYS)))
def test_the_expression_picks_the_route_key(message: bytes | str, route_key: str) -> None:
    assert selector("$request.body.action")(message) == route_key
    assert selector("${request.body.action}$request.body.nothere")(message) == route_key
    assert selector("$request.body['action']")(message) == route_key


@pytest.mark.parametrize("message", [b"not json", b"", b"\xff"])
@pytest.mark.parametrize("expression", ["$request.body", "$request.body..a", "$request.body.a.b", "$request.body[*]"])
def test_what_is_no_json_selects_nothing(message: bytes, expression: str) -> None:
    assert selector(expression)(message) == ""


def test_a_message_is_parsed_once_for_all_expressions() -> None:
    entered = invocation(b'{"action": "send", "model": "m"}')
    assert route_selector("$request.body.action")(entered) == "send"
    entered.body = b"never read again"
    assert route_selector("$request.body.model")(entered) == "m"
    assert document_of(entered) == {"action": "send", "model": "m"}


def test_a_static_expression_does_not_parse_the_message() -> None:
    entered = invocation(b'{"action": "send"}')
    assert route_selector("join")(entered) == "join"
    assert entered.document is UNPARSED


def test_selecting_marks_what_is_no_json() -> None:
    entered = invocation(b"not json")
    route_selector("$request.body.action")(entered)
    assert entered.document is NOT_JSON
    entered = invocation(b"not json")
    route_selector("$request.body.a.b")(entered)
    assert entered.document is NOT_JSON


def test_only_expressions_without_variables_are_static() -> None:
    assert compile_selection(r"a\$b").static == "a$b"
    assert compile_selection("a$request.body.b").static is None


@pytest.mark.parametrize(
    ("expression", "position", "remedy"),
    [
        ("a$", 1, r"\$ for a dollar sign"),
        ("$request.header.x", 0, "$request.body.{JSONPath}"),
        ("x/$body", 2, "$request.body.{JSONPath}"),
        ("$requestx.body", 0, "$request.body.{JSONPath}"),
        ("$request.bodyx", 0, "$request.body.{JSONPath}"),
        ("a${request.body.x", 1, "close it"),
        ("$request.body.x[0", 15, "close it"),
        ("${request.body.}", 0, "a name"),
        ("-${request.body.a b}", 1, "['as this']"),
        ("${}", 0, "$request.body.{JSONPath}"),
        ("x" * 9_000, 8_192, "at most 8192"),
    ],
)
def test_a_bad_expression_says_where_and_what_to_write(expression: str, position: int, remedy: str) -> None:
    with pytest.raises(SelectionError) as caught:
        compile_selection(expression)
    assert f"position {position}:" in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("${integration.response.statuscode}", "404"),
        ("$integration.response.statuscode", "404"),
        ("s-${integration.response.statuscode}/${request.body.action}", "s-404/join"),
        ("${integration.response.header.X-Kind}", "second"),
        ("${integration.response.multivalueheader.x-kind}", "[first, second]"),
        ("${integration.response.header.Nothere}", ""),
        ("${integration.response.multivalueheader.Nothere}", ""),
    ],
)
def test_a_response_template_is_selected_by_the_backends_answer(expression: str, result: str) -> None:
    reply = Reply(404, headers=[("x-kind", "first"), ("X-KIND", "second")])
    select = response_template_selector(expression)
    assert select(invocation(MESSAGE, reply=reply)) == result
    assert "404" not in select(invocation(MESSAGE))


@pytest.mark.parametrize("path", ["", ".x", ".header", ".header.", ".statuscode.x", "[0]"])
def test_an_integration_response_has_three_members(path: str) -> None:
    with pytest.raises(SelectionError, match="statuscode"):
        response_template_selector("${integration.response" + path + "}")


def test_an_api_key_comes_from_a_header_or_from_the_authorizer() -> None:
    entered = invocation(
        event_type="CONNECT",
        headers=[("X-Api-Key", "abc")],
        principal=Principal("user", {"usageIdentifierKey": "def"}),
    )
    assert compile_selection("$request.header.x-api-key", API_KEY_SOURCES).select(entered) == "abc"
    assert compile_selection("$context.authorizer.usageIdentifierKey", API_KEY_SOURCES).select(entered) == "def"
    assert compile_selection("$context.authorizer.other", API_KEY_SOURCES).select(entered) == ""
    with pytest.raises(SelectionError, match="apiId"):
        compile_selection("$context.apiID", API_KEY_SOURCES)


@pytest.mark.parametrize(
    ("keys", "text", "index"),
    [
        (["$default", r"/2\d\d/", r"/4\d\d/"], "200", 1),
        (["$default", r"/2\d\d/", r"/4\d\d/"], "404", 2),
        (["$default", r"/2\d\d/", r"/4\d\d/"], "500", 0),
        ([r"\$default"], "500", 0),
        ([r"/2\d\d/"], "500", None),
        ([r"/2\d\d/"], "2000", None),
        (["/.*/", "/200/"], "200", 0),
        (["/200/", "/.*/"], "200", 0),
        (["/.*Bad.*/", "$default"], "Very Bad indeed", 0),
        (["/Bad/", "$default"], "Very Bad indeed", 1),
        (["/.*/", "$default"], "lone \ud800", 1),
        ([], "200", None),
    ],
)
def test_the_first_key_that_fits_the_whole_text_is_taken(keys: Sequence[str], text: str, index: int | None) -> None:
    assert response_selector(keys)(text) == index


@pytest.mark.parametrize("key", ["200", "/200", "/", "", "/(?=x)/", "/[/", "default"])
def test_a_bad_integration_response_key_is_refused(key: str) -> None:
    with pytest.raises(SelectionError, match="integration response key"):
        response_selector(["$default", key])


def test_a_hostile_pattern_takes_linear_time() -> None:
    select = response_selector([r"/(\w+\s?)*/"])
    started = time.perf_counter()
    assert select("a" * 10_000 + "!") is None
    assert time.perf_counter() - started < 0.5 * SLOWER


@pytest.mark.parametrize(
    ("entries", "key", "chosen"),
    [
        ({"a": 1, "$default": 2}, "a", 1),
        ({"a": 1, "$default": 2}, "b", 2),
        ({"a": 1, r"\$default": 2}, "b", 2),
        ({"a": 1, r"\$default": 2}, "$default", 2),
        ({"a": 1, "$default": 2}, r"\$default", 2),
        ({"a": 1}, "b", None),
    ],
)
def test_the_default_entry_stands_in_for_a_missing_one(entries: dict[str, int], key: str, chosen: int | None) -> None:
    assert choose(entries, key) == chosen


def test_hostile_json_is_read_in_bounded_time() -> None:
    """S-28."""
    many_keys = b"{" + b",".join(b'"k%d":1' % at for at in range(1_000_000)) + b',"action":"send"}'
    started = time.perf_counter()
    assert selector("$request.body.action")(many_keys) == "send"
    assert selector("$request.body")(many_keys) == ""
    assert parse_json(b"[" * 1_000_000) is NOT_JSON
    assert time.perf_counter() - started < 5 * SLOWER


@pytest.mark.parametrize("expression", [expression for expression, _ in EXPRESSIONS])
@given(
    message=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["action", "data", "list"]), inner),
        max_leaves=8,
    ).map(orjson.dumps)
)
def test_selecting_never_raises(expression: str, message: bytes) -> None:
    """T-06."""
    assert isinstance(selector(expression)(message), str)


PIECES = [
    "$",
    "{",
    "}",
    "${",
    "\\",
    "request.body",
    ".",
    "a",
    "[",
    "]",
    "'",
    '"',
    "0",
    "*",
    "?(@.a)",
    "/",
    "-",
    " ",
    "é",
    "\ud800",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30))
def test_any_text_is_an_expression_or_is_refused(expression: str) -> None:
    try:
        select = selector(expression)
    except SelectionError:
        return
    assert isinstance(select(MESSAGE), str)


@given(st.text(max_size=20))
def test_a_text_with_its_dollar_signs_escaped_is_itself(text: str) -> None:
    plain = text.replace("\\", "/")
    assert selector(plain.replace("$", r"\$"))(MESSAGE) == plain
