"""API keys in a CSV file, as ImportApiKeys has it: `Name,Key,Description,Enabled,UsagePlanIds`.

Columns stand in any order, their names have no case; Name and Key are required, columns of other names are ignored.
Source: developer guide, "API Gateway API key file format".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wsgw.definitions.finding import Finding

#: What a file may have for a key is longer than what other ways take.
FEWEST_VALUE = 30
_REQUIRED = ("name", "key")
_BOOLEANS = {"": True, "true": True, "false": False}


class KeyRow(NamedTuple):
    """A line of the file: a key and the plans that it is to be in."""

    line: int
    name: str
    value: str
    description: str
    enabled: bool
    plans: tuple[str, ...]


class KeyTable(NamedTuple):
    rows: list[KeyRow]
    findings: list[Finding]


def read_api_keys(text: bytes, name: str) -> KeyTable:
    """The keys in `text`, the content of the file `name`. Whatever is wrong is a finding, without values."""
    table = KeyTable([], [])

    def fault(line: int, message: str, remedy: str = "", column: int = 1) -> None:
        table.findings.append(Finding(message=message, remedy=remedy, file=name, line=line, column=column))

    try:
        lines = csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True, skipinitialspace=True)
        head = [cell.strip().lower() for cell in next(lines, [])]
    except (UnicodeDecodeError, csv.Error) as error:
        fault(1, f"this is no CSV: {error if isinstance(error, csv.Error) else 'not in UTF-8'}")
        return table
    if missing := [column for column in _REQUIRED if column not in head]:
        columns = "Name,Key,Description,Enabled,UsagePlanIds"
        fault(1, f"no column {' and no column '.join(missing)}", f"begin the file with {columns}")
        return table
    if twice := {column for column in head if column and head.count(column) > 1}:
        fault(1, f"the column {min(twice)} is there twice", "remove one")
        return table
    seen: dict[str, int] = {}
    try:
        for cells in lines:
            if any(map(str.strip, cells)):
                _row(lines.line_num, dict(zip(head, map(str.strip, cells), strict=False)), seen, table, name)
    except csv.Error as error:
        fault(lines.line_num, f"this is no CSV: {error}")
    if not table.rows and not table.findings:
        fault(1, "the file has no keys", "add a line for each")
    return table


def _row(line: int, cells: dict[str, str], seen: dict[str, int], table: KeyTable, file: str) -> None:
    def fault(message: str, remedy: str) -> None:
        table.findings.append(Finding(message=message, remedy=remedy, file=file, line=line, column=1))

    value, enabled = cells.get("key", ""), cells.get("enabled", "").lower()
    if len(value) < FEWEST_VALUE:
        fault(f"API Key value should be at least {FEWEST_VALUE} characters", "in a file of keys, 30 to 128")
    elif value in seen:
        fault("API Key already exists", f"line {seen[value]} has it, too")
    elif enabled not in _BOOLEANS:
        fault("Enabled is neither true nor false", "write true or false, or leave it empty")
    else:
        seen[value] = line
        plans = _plans(cells.get("usageplanids", ""))
        row = KeyRow(line, cells.get("name", ""), value, cells.get("description", ""), _BOOLEANS[enabled], plans)
        table.rows.append(row)


def _plans(text: str) -> tuple[str, ...]:
    """Ids between commas, all of them in single or double quotes or in none."""
    for quote in ("'", '"'):
        if len(text) > 1 and text.startswith(quote) and text.endswith(quote):
            text = text[1:-1]
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def csv_text(rows: Iterable[Sequence[str | int | None]]) -> str:
    """`rows` as lines of CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _harmless(cell: str | int | None) -> str | int:
    if cell is None:
        return ""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
