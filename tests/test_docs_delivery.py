"""docs/delivery.md promises nothing without a test, and names only logs and metrics that there are."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/delivery.md").read_text()
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def rows() -> list[str]:
    """The rows of all tables, without their heads."""
    lines = PAGE.splitlines()
    heads = {number for number, line in enumerate(lines) if line.startswith("|---")}
    return [
        line
        for number, line in enumerate(lines)
        if line.startswith("|") and number not in heads and number + 1 not in heads
    ]


@cache
def source() -> str:
    """Our own code; string literals that go over several lines joined."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "wsgw").rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", text)


def test_there_are_rows():
    assert len(rows()) > 25


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip())
def test_each_row_names_a_test_that_exists(row: str):
    named = TEST.findall(row.split("|")[-2])
    assert named, "no test stands behind it"
    for file, name in named:
        assert re.search(rf"^\s*(async )?def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), name


def test_each_cell_is_in_its_column():
    """A bar within a cell would shift all behind it."""
    width = 0
    for line in PAGE.splitlines():
        if line.startswith("|"):
            width = width or line.count("|")
            assert line.count("|") == width, line
        else:
            width = 0


@pytest.mark.parametrize("text", sorted(set(re.findall(r"log `([^`]+)`", PAGE))))
def test_each_log_line_is_one_of_ours(text: str):
    assert text in source()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`wsgw_(\w+)", PAGE)) - {"events_total"}))
def test_each_metric_is_one_of_ours(name: str):
    assert f'"{name.removesuffix("_total")}"' in source()


@pytest.mark.parametrize("event", sorted(set(re.findall(r'event="(\w+)"', PAGE))))
def test_each_event_is_counted_somewhere(event: str):
    assert f'count("{event}")' in source()
