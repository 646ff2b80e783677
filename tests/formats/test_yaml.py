"""YAML and JSON files: what values mean, what is refused and where; hostile files end quickly (S-28, S-62)."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.formats.yaml import MOST_BYTES, MOST_NESTED, YamlError, load

VALUES = [
    ("on", "on"),
    ("yes", "yes"),
    ("no", "no"),
    ("true", True),
    ("FALSE", False),
    ("2012-10-17", "2012-10-17"),
    ("2012-10-17T10:00:00Z", "2012-10-17T10:00:00Z"),
    ("000000000000", "000000000000"),
    ("012", "012"),
    ("0o14", "0o14"),
    ("0x1F", "0x1F"),
    ("1:30", "1:30"),
    ("1_000", "1_000"),
    ("0", 0),
    ("-7", -7),
    ("29000", 29000),
    ("1.5", 1.5),
    ("1e3", 1000.0),
    ("1e999", "1e999"),
    (".inf", ".inf"),
    (".nan", ".nan"),
    ("9" * 40, "9" * 40),
    ("~", None),
    ("null", None),
    ("", None),
    ("'5'", "5"),
    ('"true"', "true"),
    ("!!str 5", "5"),
    ("! 5", "5"),
    ("!Ref Chat", {"Ref": "Chat"}),
    ("!GetAtt Chat.Arn", {"Fn::GetAtt": ["Chat", "Arn"]}),
    ("!Sub '${A}-b'", {"Fn::Sub": "${A}-b"}),
    ("[1, a]", [1, "a"]),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_a_plain_value_means_what_yaml_1_2_says(text, value):
    assert load(f"key: {text}".encode(), "f").data == {"key": value}


def test_a_variable_in_braces_needs_no_quotes():
    assert load(b"a: {x: ${ONE}, y: [${TWO}, 'a: ${ONE}, b']}\nb: ${THREE}", "f").data == {
        "a": {"x": "${ONE}", "y": ["${TWO}", "a: ${ONE}, b"]},
        "b": "${THREE}",
    }


def test_keys_are_texts_as_they_are_written():
    assert load(b"200: a\ntrue: b\n1.0: c\nnull: d\n2012-10-17: e", "f").data == {
        "200": "a",
        "true": "b",
        "1.0": "c",
        "null": "d",
        "2012-10-17": "e",
    }


def test_aliases_and_merge_keys_give_what_they_stand_for():
    text = b"a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [{x: 9}, *a]}\nd: *a\ne: {'<<': 1}"
    data = load(text, "f").data
    assert data["b"] == {"x": 1, "y": 3}
    assert data["c"] == {"x": 9, "y": 2}
    assert data["d"] == {"x": 1, "y": 2}
    assert data["e"] == {"<<": 1}


def test_an_empty_file_is_nothing():
    assert load(b"", "f").data is None
    assert load(b"# only a remark\n", "f").data is None


REFUSED = [
    (
        b"a: 1\nstages:\n  prod: 1\n  dev: 2\n  prod: 3\n",
        "f:5:3: the key 'prod' is here for the second time, remove one (the first is on line 3)",
    ),
    (b'{"a": 1,\n "a": 2}', "f:2:2: the key 'a' is here for the second time, remove one (the first is on line 1)"),
    (b"a: *b", "f:1:4: there is no &b that ends before this alias"),
    (b"a: &a [*a]", "f:1:8: there is no &a that ends before this alias"),
    (b"? [a]\n: b", "f:1:3: a key that is no plain text, write the key out"),
    (b"a: 1\n---\nb: 2", "f:2:1: a second document begins here, put it into a file of its own"),
    (b"a: !!binary YQ==", "f:1:4: the tag !!binary has no meaning here, remove it"),
    (b"a: !!python/object/apply:os.system [ls]", "f:1:4: the tag !!python/object/apply:os.system has no meaning here"),
    (b"<<: 5", "f:1:1: << takes a mapping or a list of mappings"),
    (b"a:\n\tb: 1", "f:2:1: not readable as YAML: found character that cannot start any token"),
    (
        b"a: [1",
        "f:2:1: not readable as YAML: did not find expected ',' or ']', put a text with { } [ ] or , into quotes",
    ),
    (
        b"a: {uri: http://b/{id}}",
        "f:1:19: not readable as YAML: did not find expected ',' or '}', put a text with { } [ ] or , into quotes",
    ),
    (b'{"a": 1,\n "b": ]}', "f:2:7: not readable as JSON: Expecting value"),
    (b'{"a": "b\n', "f:1:9: not readable as JSON: Invalid control character"),
    (b'{"a": 1,\n "b": 2', "f:2:8: not readable as JSON: Expecting ',' delimiter"),
    (b"a: 1\nb: \xff", "f:2:4: this is not UTF-8 text, save the file as UTF-8"),
    (b"a: 1\nb: \x00", "f:2:4: a control character, remove it, or escape it in quotes"),
    (b"[" * (MOST_NESTED + 1), f"f:1:{MOST_NESTED + 1}: nested more than {MOST_NESTED} deep, make it flatter"),
    (b" " * (MOST_BYTES + 1), "f:1:1: the file has more than 6 MiB, split it"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_refused_is_named_with_its_place_and_remedy(text, message):
    with pytest.raises(YamlError) as caught:
        load(text, "f")
    assert str(caught.value).startswith(message)


def test_an_alias_bomb_is_refused_before_it_is_expanded():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    started = time.monotonic()
    with pytest.raises(YamlError, match="more than 32 MiB once its aliases are written out, split it"):
        load("\n".join(lines).encode(), "f")
    assert time.monotonic() - started < 1


def test_a_long_text_behind_many_aliases_is_refused():
    text = f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 100)}]"
    with pytest.raises(YamlError, match="once its aliases are written out"):
        load(text.encode(), "f")


def test_aliases_cannot_nest_deeper_than_what_is_written_out():
    lines = [f"a0: &a0 {'[' * 20}{']' * 20}"]
    lines += [f"a{n}: &a{n} {'[' * 20}*a{n - 1}{']' * 20}" for n in range(1, 5)]
    with pytest.raises(YamlError, match=r"f:4:.* nested more than 64 deep"):
        load("\n".join(lines).encode(), "f")


def test_ten_mebibytes_are_refused_at_once():
    started = time.monotonic()
    with pytest.raises(YamlError, match="more than 6 MiB"):
        load(b"a: b\n" * 2_000_000, "f")
    assert time.monotonic() - started < 1


def test_positions_are_found_by_path():
    located = load(b"apis:\n  chat:\n    routes:\n      send: {integration: x}\n      other: |\n        text\n", "f")
    places = [
        (("apis",), (1, 1)),
        (("apis", "chat", "routes", "send"), (4, 7)),
        (("apis", "chat", "routes", "send", "integration"), (4, 14)),
        (("apis", "chat", "routes", "send", "nothing", "here"), (4, 7)),
        (("apis", "chat", "routes", "other"), (5, 7)),
    ]
    for path, place in places:
        mark = located.mark(path)
        assert (mark.line, mark.column) == place


def test_what_an_alias_gives_is_found_where_it_is_written():
    located = load(b"base: &b\n  x: 1\nlist: [1,\n  2]\nuse: *b\nmerged:\n  <<: *b\n  y: 2\n", "f")
    assert located.mark(("use",)).line == 5
    assert located.mark(("use", "x")).line == 2
    assert located.mark(("merged", "x")).line == 2
    assert located.mark(("merged", "y")).line == 8
    assert located.mark(("list", 1)).line == 4


# U+007F may stand unescaped in JSON; YAML refuses it.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x7f")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(CHARACTERS, max_size=40), inner),
    max_leaves=20,
)


@given(JSON.filter(lambda value: isinstance(value, dict | list)), st.sampled_from([None, 2, "\t"]))
def test_json_is_read_as_json(value, indent):
    assert load(json.dumps(value, indent=indent).encode(), "f").data == value


@given(st.binary(max_size=200) | st.text(alphabet="ab:{}[]&*!<>-,?|'\"\\\n \t%#0", max_size=80).map(str.encode))
def test_any_bytes_give_data_or_a_yaml_error(text):
    try:
        line, column = 1, 1
        load(text, "f")
    except YamlError as error:
        line, column = error.line, error.column
    assert line >= 1
    assert column >= 1
