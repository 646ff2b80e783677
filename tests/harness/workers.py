"""Supervisors as people start them: ended with their workers, whatever became of them."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.cluster import PATIENT
from tests.harness.serving import Served, serving


async def end_all(one: Served) -> None:
    """End a supervisor at once, and wait for its last worker."""
    if one.process.returncode is None:
        # Twice: at once.
        one.signal(signal.SIGTERM)
        one.signal(signal.SIGINT)
        await one.ended()
    await one.close()
    # The workers hold its other end.
    assert one.process.stdout is not None
    await one.process.stdout.read()


@asynccontextmanager
async def serving_with_workers(file: Path, redis: str, *options: str, count: int = 2) -> AsyncIterator[Served]:
    """`wsgw serve --workers` over the Redis at this URL, ready."""
    async with serving(file, "--redis", redis, *PATIENT, "--workers", str(count), *options) as one:
        try:
            yield one
        finally:
            await end_all(one)


def children(one: Served) -> list[int]:
    """The pids of the workers, the oldest first."""
    tasks = Path(f"/proc/{one.process.pid}/task").glob("*/children")
    return sorted(int(pid) for task in tasks for pid in task.read_text().split())
