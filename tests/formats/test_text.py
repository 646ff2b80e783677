"""What is written as YAML or JSON is read back as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsgw.formats.text import as_json, as_yaml
from wsgw.formats.yaml import load

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "1e3",
        "0x1",
        "007",
        "yes",
        "null",
        "~",
        "<<",
        "=",
        "- a",
        "a: b",
        "#a",
        "1_000",
        "2001-01-01",
        "",
        " a\nb \n",
        "\n",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_everything_comes_back(data):
    assert load(as_yaml(data).encode(), "f").data == data
    assert load(as_yaml(data, short_mappings=True).encode(), "f").data == data
    assert load(as_json(data).encode(), "f").data == data


def test_a_template_is_a_block():
    assert as_yaml({"t": "#set($a = 1)\n{}\n"}) == "t: |\n  #set($a = 1)\n  {}\n"


def test_nothing_is_sorted_and_lists_stand_deeper():
    assert as_yaml({"b": [1], "a": {}}) == "b:\n  - 1\na: {}\n"


def test_short_mappings_stand_on_one_line():
    assert as_yaml({"a": {"b": 1.0, "c": "d"}, "e": ["f"]}, short_mappings=True) == "a: {b: 1, c: d}\ne: [f]\n"
