"""CSV files of API keys, as ImportApiKeys has them, and CSV as it is written."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.formats.api_key_csv import FEWEST_VALUE, KeyRow, csv_text, read_api_keys

VALUE = "v" * 30
OTHER = "w" * 40


def read(text: str | bytes) -> tuple[list[KeyRow], list[str]]:
    rows, findings = read_api_keys(text.encode() if isinstance(text, str) else text, "keys.csv")
    assert not [one for one in findings if VALUE in str(one)]
    return rows, [str(one) for one in findings]


ACCEPTED = {
    "all columns": (
        f"Name,Key,Description,Enabled,UsagePlanIds\nN,{VALUE},D,false,a",
        KeyRow(2, "N", VALUE, "D", False, ("a",)),
    ),
    "the required ones": (f"Name,Key\nN,{VALUE}", KeyRow(2, "N", VALUE, "", True, ())),
    "names have no case": (f"NAME,key,eNaBlEd\nN,{VALUE},FALSE", KeyRow(2, "N", VALUE, "", False, ())),
    "any order": (f"key,name\n{VALUE},N", KeyRow(2, "N", VALUE, "", True, ())),
    "unknown columns are ignored": (f"Name,Color,Key\nN,red,{VALUE}", KeyRow(2, "N", VALUE, "", True, ())),
    "defaults of empty cells": (
        f"Name,Key,Description,Enabled,UsagePlanIds\nN,{VALUE},,,",
        KeyRow(2, "N", VALUE, "", True, ()),
    ),
    "plans in double quotes": (f'Name,Key,usageplanids\nN,{VALUE},"a, b"', KeyRow(2, "N", VALUE, "", True, ("a", "b"))),
    "plans in single quotes": (
        f"Name,Key,usageplanids\nN,{VALUE},\"'a,b'\"",
        KeyRow(2, "N", VALUE, "", True, ("a", "b")),
    ),
    "a line that is short": (f"Name,Key,Description\nN,{VALUE}", KeyRow(2, "N", VALUE, "", True, ())),
    "a byte order mark, CRLF and empty lines": (
        f"\ufeffName,Key\r\n\r\n,\r\nN,{VALUE}\r\n",
        KeyRow(4, "N", VALUE, "", True, ()),
    ),
}


@pytest.mark.parametrize(("text", "row"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_line_is_a_key(text: str, row: KeyRow):
    assert read(text) == ([row], [])


REFUSED = {
    "no key column": ("Name,Value\nN,x", "keys.csv:1:1: error: no column key"),
    "neither column": ("a,b\n1,2", "keys.csv:1:1: error: no column name and no column key"),
    "a column twice": ("Name,Key,name\na,b,c", "keys.csv:1:1: error: the column name is there twice"),
    "empty": ("", "keys.csv:1:1: error: no column name and no column key"),
    "no keys": ("Name,Key\n", "keys.csv:1:1: error: the file has no keys"),
    "29 characters": (f"Name,Key\nN,{'x' * 29}", "keys.csv:2:1: error: API Key value should be at least 30 characters"),
    "a value twice": (
        f"Name,Key\nN,{VALUE}\nM,{VALUE}",
        "keys.csv:3:1: error: API Key already exists (line 2 has it, too)",
    ),
    "no boolean": (f"Name,Key,Enabled\nN,{VALUE},maybe", "keys.csv:2:1: error: Enabled is neither true nor false"),
    "no CSV": (f'Name,Key\nN,"{VALUE}"x', "keys.csv:2:1: error: this is no CSV"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_said_with_its_line_and_without_values(text: str, message: str):
    _, findings = read(text)
    assert len(findings) == 1
    assert findings[0].startswith(message)


def test_bytes_that_are_no_text_are_refused():
    assert read(b"Name,Key\n\xff\xfe")[1] == ["keys.csv:1:1: error: this is no CSV: not in UTF-8"]


def test_a_good_line_is_read_beside_a_bad_one():
    rows, findings = read(f"Name,Key\nbad,short\ngood,{OTHER}")
    assert ([row.value for row in rows], len(findings)) == ([OTHER], 1)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"Name,Key\n{text}".encode()))
def test_whatever_a_file_has_is_keys_of_enough_characters_or_said_to_be_wrong(text: bytes):
    rows, findings = read_api_keys(text, "keys.csv")
    assert rows or findings
    assert all(len(row.value) >= FEWEST_VALUE for row in rows)
    assert all(one.severity == "error" and one.file == "keys.csv" and one.line for one in findings)


LINES = st.tuples(
    st.sampled_from([VALUE, OTHER, "v" * (FEWEST_VALUE - 1), "x", "'quoted, with a comma and a quote\"'"]),
    st.sampled_from(["", "true", "FALSE", "maybe"]),
)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_each_line_is_a_key_or_a_finding_and_no_key_is_there_twice(lines: list[tuple[str, str]]):
    rows, findings = read_api_keys(
        csv_text([("Key", "Enabled", "Name"), *((*line, "N") for line in lines)]).encode(), "f"
    )
    assert sorted([row.line for row in rows] + [one.line for one in findings]) == list(range(2, 2 + len(lines)))
    assert [(row.value, row.enabled) for row in rows] == [
        (lines[row.line - 2][0], lines[row.line - 2][1] != "FALSE") for row in rows
    ]
    assert len({row.value for row in rows}) == len(rows)
    assert not [row for row in rows if len(row.value) < FEWEST_VALUE or lines[row.line - 2][1] == "maybe"]


CELL = st.text(max_size=20)


@given(st.lists(st.lists(st.one_of(CELL, st.integers(), st.none()), min_size=2, max_size=4), max_size=5))
def test_what_is_written_is_one_record_for_each_row_and_no_formula(rows: list[list[str | int | None]]):
    read_again = list(csv.reader(io.StringIO(csv_text(rows), newline="")))
    assert len(read_again) == len(rows)
    for cells, row in zip(read_again, rows, strict=True):
        for text, cell in zip(cells, row, strict=True):
            if isinstance(cell, str):
                assert text in (cell, f"'{cell}")
                assert text[:1] not in ("=", "+", "-", "@")
            else:
                assert text == ("" if cell is None else str(cell))
