"""Recursive schemas with alternatives: documents are looked at in bounded time (checks S-28 and S-29)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.harness.pace import SLOWER
from wsgw.definitions.model import Model
from wsgw.pipeline.schema_depth import deepest
from wsgw.pipeline.validate import body_check

_TERM = {"$ref": "#/definitions/term"}


def grammar(*operators: str) -> dict[str, Any]:
    """Terms of binary operators; each alternative leads back to the term."""
    ways = [
        {
            "type": "object",
            "required": ["op"],
            "properties": {"op": {"enum": [operator]}, "left": _TERM, "right": _TERM},
        }
        for operator in operators
    ]
    return {"definitions": {"term": {"oneOf": [*ways, {"type": "number"}]}}, **_TERM}


def nested(levels: int) -> Any:
    document: Any = 1
    for _ in range(levels):
        document = {"op": "add", "left": document, "right": 1}
    return document


TREE = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
DEPTHS = [
    pytest.param({"type": "object"}, 0, id="plain"),
    pytest.param(TREE, 0, id="a-tree-has-no-alternatives"),
    pytest.param({"anyOf": [{"type": "string"}, TREE]}, 0, id="one-way-back"),
    pytest.param({"anyOf": [{"type": "string"}, {"type": "number"}]}, 0, id="no-way-back"),
    pytest.param(grammar("add"), 0, id="one-operator"),
    pytest.param(grammar("add", "sub"), 14, id="two-operators"),
    pytest.param(grammar("add", "sub", "mul", "div"), 7, id="four-operators"),
    pytest.param(grammar(*"abcdefghijklmnop"), 4, id="many-operators"),
    pytest.param({"items": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}, 14, id="root"),
    pytest.param({"anyOf": [{"$ref": "http://x/#/a"}, {"$ref": "#/no/where"}]}, 0, id="to-nowhere"),
]


@pytest.mark.parametrize(("schema", "depth"), DEPTHS)
def test_only_schemas_that_multiply_bound_the_depth(schema: Any, depth: int):
    assert deepest(schema) == depth


@pytest.mark.parametrize("operators", [2, 3, 4, 8])
@pytest.mark.parametrize("levels", [3, 7, 14, 100])
def test_a_small_document_does_not_keep_the_gateway_busy(operators: int, levels: int):
    """S-28: 16 levels took 12 seconds."""
    check = body_check(Model(name="Term", schema=grammar("add", *"abcdefg"[: operators - 1])))
    document = nested(levels)
    begun = time.perf_counter()
    fault = check(document, len(json.dumps(document)))
    assert time.perf_counter() - begun < 0.3 * SLOWER
    assert fault is not None or levels <= 14


def test_what_is_not_nested_too_deeply_is_checked():
    check = body_check(Model(name="Term", schema=grammar("add", "sub")))
    assert check({"op": "add", "left": {"op": "sub", "left": 1}}, 50) is None
    assert check({"op": "mul"}, 12) is not None
    assert check(nested(15), 500) == "[nested too deeply to be checked]"
