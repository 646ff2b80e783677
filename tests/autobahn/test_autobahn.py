"""Autobahn's cases against every target (T-01, T-02). expected.json says which verdicts are not good, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.autobahn.case_loader import installed, load_cases
from tests.autobahn.driver import run_case, run_cases
from tests.autobahn.targets import TARGETS, aiohttp_echo

pytestmark = pytest.mark.skipif(not installed(), reason="autobahntestsuite is not installed: requirements/autobahn.txt")

EXPECTED: dict[str, dict[str, dict[str, str]]] = json.loads(Path(__file__).with_name("expected.json").read_text())

# Group: how many cases it has, and how many of them run side by side.
GROUPS = {1: (16, 24), 2: (11, 24), 3: (7, 24), 4: (10, 24), 5: (20, 24), 6: (145, 24), 7: (37, 24), 10: (1, 1)}
# Of the thousand messages that each of these cases sends, so many make the test.
LARGE_GROUPS = {9: (54, 4, 100), 12: (90, 4, 10), 13: (126, 4, 10)}


def cases_of(group: int, count: int) -> list[str]:
    ids = [case_id for case_id in load_cases() if case_id.split(".")[0] == str(group)]
    assert len(ids) == count, "the suite is not the one that was counted"
    return ids


async def check(target: str, ids: list[str], at_once: int, messages: int | None = None) -> None:
    async with TARGETS[target]() as url:
        verdicts = await run_cases(ids, url, at_once=at_once, messages=messages)
    seen = {case_id: verdict for case_id, verdict in verdicts.items() if not verdict.good}
    listed = {case_id: row for case_id, row in EXPECTED[target].items() if case_id in verdicts}
    assert {case_id: (verdict.behavior, verdict.behavior_close) for case_id, verdict in seen.items()} == {
        case_id: (row["behavior"], row["behaviorClose"]) for case_id, row in listed.items()
    }, {case_id: verdict.why for case_id, verdict in seen.items()}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("group", GROUPS)
async def test_the_verdicts_are_the_expected_ones(target, group):
    count, at_once = GROUPS[group]
    await check(target, cases_of(group, count), at_once)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("group", LARGE_GROUPS)
async def test_the_verdicts_on_large_and_compressed_messages_are_the_expected_ones(target, group):
    count, at_once, messages = LARGE_GROUPS[group]
    await check(target, cases_of(group, count), at_once, messages)


def test_every_expected_verdict_has_a_reason_and_a_case():
    assert EXPECTED.keys() == TARGETS.keys()
    for rows in EXPECTED.values():
        assert rows.keys() <= load_cases().keys()
        assert all(row["reason"] for row in rows.values())


async def test_the_driver_sees_what_a_server_gets_wrong():
    """aiohttp accepts the close code 1006; a driver that finds nothing there proves nothing elsewhere."""
    async with aiohttp_echo() as url:
        wrong = await run_case("7.9.5", url)
        right = await run_case("7.9.1", url)
    assert wrong.behavior == "FAILED"
    assert right.good
