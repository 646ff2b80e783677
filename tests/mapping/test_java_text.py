from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.mapping.java_text import java_double, java_text

DOUBLES = [
    (1.0, "1.0"),
    (-2.5, "-2.5"),
    (0.0, "0.0"),
    (-0.0, "-0.0"),
    (0.001, "0.001"),
    (0.0001, "1.0E-4"),
    (-0.00012, "-1.2E-4"),
    (9_999_999.0, "9999999.0"),
    (1e7, "1.0E7"),
    (12_345_678.5, "1.23456785E7"),
    (1e100, "1.0E100"),
    (1.5e-300, "1.5E-300"),
    (1e16, "1.0E16"),
    (120_000_000_000.0, "1.2E11"),
]


@pytest.mark.parametrize(("number", "text"), DOUBLES)
def test_doubles_are_written_as_java_writes_them(number: float, text: str) -> None:
    assert java_double(number) == text


VALUES = [
    ("send", "send"),
    ("", ""),
    (1, "1"),
    (1.5, "1.5"),
    (True, "true"),
    (False, "false"),
    (None, ""),
    (["item1", "item2"], "[item1, item2]"),
    ([], "[]"),
    ({}, "{}"),
    ({"k": "v", "n": 1}, "{k=v, n=1}"),
    ({"a": [1, None, {"b": True}]}, "{a=[1, null, {b=true}]}"),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_values_are_printed_as_java_prints_them(value: Any, text: str) -> None:
    assert java_text(value) == text


def test_what_is_nested_or_long_beyond_measure_is_empty() -> None:
    deep: Any = 1
    for _ in range(65):
        deep = [deep]
    assert java_text(deep) == ""
    assert java_text(deep[0]) == "[" * 64 + "1" + "]" * 64
    assert java_text([1] * 100_000) == ""


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_reads_back_as_itself(number: float) -> None:
    text = java_double(number)
    assert float(text) == number
    assert ("E" in text) == (number != 0 and not 1e-3 <= abs(number) < 1e7)
