"""Where a finding of a shape stands."""

from __future__ import annotations

import pytest

from wsgw.formats.parse import parse
from wsgw.formats.schema_findings import ShapeCheck

CHECK = ShapeCheck({"additionalProperties": {"additionalProperties": {"type": "string"}}})


@pytest.mark.parametrize("key", ["200", "", "01", "-1", "+1", "a~b/c", "\0", "plain"])
def test_the_path_has_the_keys_of_the_document(key):
    assert [fault.path for fault in CHECK.findings({key: {"a": 1}})] == [(key, "a")]
    assert [fault.path for fault in CHECK.findings({"a": {key: 1}})] == [("a", key)]


def test_places_in_lists_stay_numbers():
    check = ShapeCheck({"items": {"type": "string"}})
    assert [fault.path for fault in check.findings(["a", 1])] == [(1,)]


def test_an_unknown_key_of_digits_is_named_as_it_is():
    check = ShapeCheck({"properties": {"a": {}}, "additionalProperties": False})
    assert [fault.path for fault in check.findings({"200": 1})] == [("200",)]


def test_an_api_and_a_stage_of_digits_are_found_in_their_file():
    text = b"apis:\n  '200':\n    protocol: REST\n    stages:\n      '404': {nope: 1}\n"
    [finding] = parse(text, "f.yaml", {}).findings
    assert (finding.line, finding.path) == (5, ("apis", "200", "stages", "404", "nope"))
