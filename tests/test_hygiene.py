"""A gateway that has done everything and stopped leaves nothing behind. Check R-20.

The session runs in a process of its own, in asyncio's debug mode, with unclosed resources as errors.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow

#: What CPython, asyncio and aiohttp write when something was forgotten.
COMPLAINTS = (
    "ResourceWarning",
    "RuntimeWarning",
    "never retrieved",
    "never awaited",
    "was destroyed but it is pending",
    "Exception ignored in",
    "Unclosed",
    "a step failed",
    "a request handler failed",
    "the sweep failed",
    "Unhandled exception",
)


@pytest.fixture(scope="module")
def session() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-m", "tests.harness.session"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def report(session: subprocess.CompletedProcess[str]) -> Any:
    assert session.returncode == 0, session.stderr
    return json.loads(session.stdout.splitlines()[-1])


def test_no_warning_and_no_lost_exception_is_written(session: subprocess.CompletedProcess[str]):
    assert session.returncode == 0, session.stderr
    assert [line for line in session.stderr.splitlines() if any(text in line for text in COMPLAINTS)] == []


def test_the_loop_is_told_of_no_exception_that_nobody_handles(report: Any):
    assert report["told"] == []


def test_no_task_is_left(report: Any):
    assert report["tasks"] == []


@pytest.mark.parametrize("kind", ["Connection", "Handler", "Invocation", "Lane", "threads of handlers"])
def test_nothing_of_a_stopped_gateway_is_kept(report: Any, kind: str):
    assert report["second"].get(kind, 0) == 0


@pytest.mark.parametrize("kind", ["Task", "TCPTransport", "files"])
def test_a_second_round_leaves_no_more_than_the_first(report: Any, kind: str):
    assert report["second"].get(kind, 0) <= report["first"].get(kind, 0)
