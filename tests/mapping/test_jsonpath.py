from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.pace import SLOWER
from tests.mapping.jsonpath_oracle import record
from wsgw.mapping.jsonpath import JsonPathError, PathNotFound, compile_path

DOCUMENT = json.loads((record.HERE / "document.json").read_text(encoding="utf-8"))
RECORD = json.loads((record.HERE / "record.json").read_text(encoding="utf-8"))
DIFFERENCES = json.loads((record.HERE / "differences.json").read_text(encoding="utf-8"))
OURS = {case["expression"]: case for case in DIFFERENCES}


def outcome(expression: str, document: Any = DOCUMENT) -> dict[str, Any]:
    try:
        return {"value": compile_path(expression).find(document)}
    except (JsonPathError, PathNotFound) as error:
        return {"error": type(error).__name__}


@pytest.mark.parametrize("case", RECORD["cases"], ids=lambda case: case["expression"])
def test_a_path_gives_what_jayway_gives(case: dict[str, Any]) -> None:
    ours = outcome(case["expression"])
    expected = OURS.get(case["expression"], case)
    if "error" in expected:
        assert "error" in ours
    else:
        # As text, so that 1, 1.0 and true are different, and so is the order of members.
        assert json.dumps(ours.get("value", "nothing")) == json.dumps(expected["value"])


def test_every_difference_from_the_record_is_one_and_says_why() -> None:
    recorded = {case["expression"]: case for case in RECORD["cases"]}
    for case in DIFFERENCES:
        theirs = recorded[case["expression"]]
        assert case["why"]
        assert case.get("value", "error") != theirs.get("value", "error") or "error" in theirs


@pytest.mark.oracle
@pytest.mark.skipif(not record.is_here(), reason="no JDK with Jayway JsonPath")
def test_the_record_is_what_jayway_says_today() -> None:
    answers = record.ask(record.expressions())
    theirs = [{"expression": text, **answer} for text, answer in zip(record.expressions(), answers, strict=True)]
    assert theirs == RECORD["cases"]


LATER_RELEASES: list[tuple[str, Any]] = [
    ("$.numbers[-2]", 5),
    ('$["store"]["bicycle"]["color"]', "red"),
    ("$['it\\'s']", "quote"),
    ("$.items[?(@.id in [1, 3])].id", [1, 3]),
    ("$.items[?(@.id IN ['4', 2])].id", [2, "4"]),
    ("$.items[?(@.id nin [1, 2, 3])].id", ["4"]),
    ("$.items[?(@.tags subsetof ['y', 'z'])].id", [2, 3]),
    ("$.items[?(@.tags anyof ['x', 'z'])].id", [1]),
    ("$.items[?(@.tags noneof ['x'])].id", [2, 3, "4"]),
    ("$.items[?(@.tags contains 'x')].id", [1]),
    ("$.items[?(@.owner.name contains 'n')].id", [1]),
    ("$.items[?(@.tags all ['x', 'y'])].id", [1]),
    ("$.items[?(@.tags size 1)].id", [2]),
    ("$.items[?(@.tags empty true)].id", [3]),
    ("$.items[?(!(@.id == 1 || @.id == 2))].id", [3, "4"]),
    ("$.items[?(@.owner.name =~ /AN+/i && $.yes == true)].id", [1]),
    ("$.items[?(@.tags[?(@ == 'x')])].id", [1]),
    ("$.items[?(@.tags.length() >= 1)].id", [1, 2]),
    ("$.items.length()", 4),
    ("$.hollow.length()", 0),
    ("$.numbers.sum()", 21.0),
    ("$.numbers.min()", 1.0),
    ("$.numbers.max()", 6.0),
    ("$.numbers.avg()", 3.5),
    ("$.numbers.first()", 1),
    ("$.numbers.last()", 6),
    ("$..price.max()", 22.99),
    ("$.store.keys()", ["book", "bicycle"]),
    ("$.text.keys()", None),
]


@pytest.mark.parametrize(("expression", "value"), LATER_RELEASES)
def test_later_releases_of_jayway_are_followed_too(expression: str, value: Any) -> None:
    assert compile_path(expression).find(DOCUMENT) == value


@pytest.mark.parametrize(
    "expression", ["$.empty.sum()", "$.text.avg()", "$.empty.first()", "$.store['a','b'].c.first()"]
)
def test_an_aggregate_of_nothing_is_not_found(expression: str) -> None:
    with pytest.raises(PathNotFound):
        compile_path(expression).find(DOCUMENT)


DEFINITE = [("$", True), ("$.a[0]['b']", True), ("a", True), ("$['a','b']", True), ("$..a.length()", True)]
INDEFINITE = [
    ("$.*", False),
    ("$..a", False),
    ("$[0,1]", False),
    ("$[1:]", False),
    ("$[?(@.a)]", False),
    ("$['a','b'].c", False),
]


@pytest.mark.parametrize(("expression", "definite"), DEFINITE + INDEFINITE)
def test_a_path_knows_whether_it_gives_one_value(expression: str, definite: bool) -> None:
    assert compile_path(expression).definite is definite


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "empty"),
        ("$.a b", "position 3"),
        ("$.a[", "index"),
        ("$['a", "closing '"),
        ("$.a.b()", "functions"),
        ("$.a.sum().b", "position 9"),
        ("$.a[?(@.b =~ /(?=x)/)]", "RE2"),
        ("$.a[?(@.b =~ /x/q)]", "flags"),
        ("$.a[?(@.b =~ 'x')]", "regular expression"),
        ("$.a[?(/x/)]", "after =~"),
        ("$.a[?(" + "(" * 5_000 + "@.b" + ")" * 5_000 + ")]", "at most 8192"),
        ("$.a[?(" + "(" * 500 + "@.b" + ")" * 500 + ")]", "32 levels"),
        ("$.a[?(@.b == " + "[" * 500 + "]" * 500 + ")]", "32 levels"),
    ],
)
def test_a_bad_path_says_where_and_what_is_expected(expression: str, says: str) -> None:
    with pytest.raises(JsonPathError) as caught:
        compile_path(expression)
    assert says in str(caught.value)


def test_get_gives_the_default_where_find_raises() -> None:
    path = compile_path("$.nothere.at.all")
    assert path.get(DOCUMENT, "default") == "default"
    with pytest.raises(PathNotFound, match="nothere"):
        path.find(DOCUMENT)


def test_a_deep_document_does_not_exhaust_the_stack() -> None:
    deep: Any = {"leaf": 1}
    for _ in range(50_000):
        deep = [deep]
    assert compile_path("$..leaf").find(deep) == [1]
    # The test must not exhaust it either, when the document goes away.
    while isinstance(deep, list):
        deep = deep[0]


NESTED_DICTS: Any = {"leaves": [1] * 20_000}
NESTED_LISTS: Any = [1] * 20_000
for _ in range(300):
    NESTED_DICTS, NESTED_LISTS = {"a": NESTED_DICTS}, [NESTED_LISTS]
LONG_LIST = {"a": list(range(10_000)), "b": list(range(10_000, 20_000)), "c": ["x" * 100_000] * 1_000}


@pytest.mark.parametrize(
    ("expression", "document"),
    [
        ("$..*..*", NESTED_LISTS),
        ("$..a..a..a", NESTED_DICTS),
        ("$..[?(@..a)]", NESTED_DICTS),
        ("$.a[?(@ in $.b)]", LONG_LIST),
        ("$[?(@.a anyof @.b)]", LONG_LIST),
        ("$.c[?(@ =~ /x*y/)]", LONG_LIST),
    ],
)
def test_a_path_that_multiplies_is_cut_off(expression: str, document: Any) -> None:
    """S-29: an operator's path, on a message that a client made for it."""
    started = time.perf_counter()
    with pytest.raises(PathNotFound):
        compile_path(expression).find(document)
    assert time.perf_counter() - started < 2 * SLOWER


def test_a_hostile_regular_expression_takes_linear_time() -> None:
    path = compile_path(r"$[?(@ =~ /(\w+\s?)*/)]")
    started = time.perf_counter()
    assert path.find(["a" * 5_000 + "!"]) == []
    assert time.perf_counter() - started < 0.5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc") | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
TOKENS = """$ @ . .. a b * [ ] 0 -1 , : ' " ? ( ) == != < =~ /x/ in && || ! 1 null true .length() { } \\ size [?(@.a
['a'] $.a é"""
PIECES = st.sampled_from([*TOKENS.split(), " ", "\x00"])


@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=20), JSON)
def test_any_text_is_a_path_or_is_refused_and_any_path_finds_or_does_not(expression: str, document: Any) -> None:
    try:
        path = compile_path(expression)
    except JsonPathError:
        return
    try:
        found = path.find(document)
    except PathNotFound:
        # Nothing this small is cut off.
        assert path.definite
    else:
        assert path.definite or isinstance(found, list)


@given(st.lists(st.text(max_size=6) | st.integers(0, 3), max_size=5), st.integers())
def test_a_definite_path_finds_what_was_put_there(keys: list[str | int], value: int) -> None:
    document: Any = value
    text = "$"
    for key in reversed(keys):
        document = {key: document} if isinstance(key, str) else [None] * key + [document]
    for key in keys:
        quoted = key.replace("\\", "\\\\").replace("'", "\\'") if isinstance(key, str) else key
        text += f"['{quoted}']" if isinstance(key, str) else f"[{key}]"
    assert compile_path(text).find(document) == value


def count_a(document: Any) -> int:
    if isinstance(document, list):
        return sum(map(count_a, document))
    return ("a" in document) + sum(map(count_a, document.values())) if isinstance(document, dict) else 0


@given(JSON)
def test_a_descent_visits_every_member_once(document: Any) -> None:
    assert len(compile_path("$..a").find(document)) == count_a(document)
