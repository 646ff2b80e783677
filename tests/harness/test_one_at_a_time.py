"""Which tests wait for each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.one_at_a_time import GROUPS, first_of_all, group_of


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/cluster/test_usage.py::test_it[a/b::c]", "nodes"),
        ("tests/cli/test_workers.py::test_it", "nodes"),
        ("tests/cli/test_serve.py::test_it", "programs"),
        ("tests/edge/test_close.py::test_it", None),
        ("tests/test_settings.py::test_it", None),
    ],
)
def test_a_test_has_the_group_of_its_folder_or_file(nodeid: str, group: str | None):
    assert group_of(nodeid) == group


def test_groups_come_first():
    tests = ["tests/edge/test_close.py::a", "tests/cli/test_serve.py::a", "tests/cluster/test_usage.py::a"]
    assert sorted(tests, key=first_of_all) == tests[::-1]


@pytest.mark.parametrize("place", [place for places in GROUPS.values() for place in places])
def test_a_group_names_what_is_there(place: str):
    assert (Path(__file__).parent.parent / place).exists()
