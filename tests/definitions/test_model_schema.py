"""A model's schema holds all the models that it refers to."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.definitions.model_schema import model_reference, models_in, self_contained, unknown_models


def to(name: str, fragment: str = "") -> dict[str, str]:
    return {"$ref": model_reference("abc", name, fragment)}


def validator(name: str, schemas: dict[str, Any]) -> jsonschema_rs.Draft4Validator:
    return jsonschema_rs.Draft4Validator(self_contained(schemas)[name])


def test_a_schema_without_references_stays_as_it_is():
    assert self_contained({"A": {"type": "string"}})["A"] == {"type": "string"}


def test_what_is_needed_of_other_models_is_there_and_nothing_else():
    schemas = {"A": {"items": to("B")}, "B": {"not": to("C")}, "C": {"type": "string"}, "D": {}}
    assert self_contained(schemas)["A"] == {
        "allOf": [{"$ref": "#/definitions/A"}],
        "definitions": {
            "A": {"items": {"$ref": "#/definitions/B"}},
            "B": {"not": {"$ref": "#/definitions/C"}},
            "C": {"type": "string"},
        },
    }


def test_what_several_models_need_is_there_once():
    schemas = self_contained({"A": {"items": to("C")}, "B": {"not": to("C")}, "C": {"type": "string"}})
    assert schemas["A"]["definitions"]["C"] is schemas["B"]["definitions"]["C"]


def test_a_model_may_be_nothing_but_a_reference():
    schemas = {"A": to("B"), "B": {"type": "number"}}
    assert validator("A", schemas).is_valid(3)
    assert not validator("A", schemas).is_valid("3")


def test_a_model_may_refer_to_itself():
    schemas = {"A": {"type": "object", "properties": {"next": to("A")}, "required": ["x"]}}
    assert validator("A", schemas).is_valid({"x": 1, "next": {"x": 1}})
    assert not validator("A", schemas).is_valid({"x": 1, "next": {}})


def test_the_own_definitions_of_models_do_not_get_in_each_others_way():
    schemas = {
        "A": {
            "properties": {"a": {"$ref": "#/definitions/B"}, "b": to("B")},
            "definitions": {"B": {"type": "string"}},
        },
        "B": {"properties": {"x": {"$ref": "#/definitions/x"}}, "definitions": {"x": {"type": "number"}}},
    }
    check = validator("A", schemas)
    assert check.is_valid({"a": "text", "b": {"x": 3}})
    assert not check.is_valid({"a": 3})
    assert not check.is_valid({"b": {"x": "text"}})


def test_a_reference_may_lead_into_a_model():
    schemas = {"A": to("B", "/properties/x"), "B": {"properties": {"x": {"type": "number"}}}}
    assert validator("A", schemas).is_valid(3)
    assert not validator("A", schemas).is_valid("3")


def test_values_and_names_are_no_references():
    schema = {"enum": [to("X")], "properties": {"$ref": {"type": "string"}, "enum": to("B")}}
    assert models_in(schema) == {"B"}


@pytest.mark.parametrize(
    ("schema", "faults"),
    [
        (to("B"), []),
        (to("Z"), ["Z"]),
        ({"$ref": "#/definitions/x", "definitions": {"x": {}}}, []),
        ({"items": [{"$ref": "#/items/1"}, {}]}, []),
        ({"$ref": "#"}, []),
        ({"$ref": "#/definitions/y"}, ["#/definitions/y"]),
        ({"$ref": "http://elsewhere.example.com/x"}, ["http://elsewhere.example.com/x"]),
    ],
)
def test_references_to_nothing_are_found(schema, faults):
    assert unknown_models(schema, {"A", "B"}) == faults


NAMES = ["A", "B", "C"]
SCHEMAS = st.recursive(
    st.sampled_from([{"type": "string"}, {}, *(to(name) for name in NAMES)]),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from(["$ref", "x", "enum"]), inner)}),
        st.fixed_dictionaries({"items": inner, "definitions": st.dictionaries(st.sampled_from(NAMES), inner)}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
    ),
    max_leaves=6,
)


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, SCHEMAS)))
def test_whatever_refers_to_whatever_all_references_stay_inside(schemas):
    whole = self_contained(schemas)["A"]
    assert models_in(whole) == set()
    assert unknown_models(whole, set()) == []
