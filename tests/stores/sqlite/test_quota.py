"""Counters in a data directory: what a restart finds, and what a disk that takes nothing costs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.until import until
from wsgw.stores.sqlite import quota as quota_module
from wsgw.stores.sqlite.database import Database
from wsgw.stores.sqlite.quota import SqliteQuota

MONTH, LATER = "2026-11", 5_000_000_000.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    one = Database(tmp_path)
    await one.open()
    yield one
    await one.close()


async def opened(database: Database, now: float = 0.0) -> SqliteQuota:
    store = SqliteQuota(database, lambda: now)
    await store.open()
    return store


def written(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT coalesce(sum(used), 0) FROM quota").fetchone()[0])


async def test_what_was_counted_is_there_after_a_restart(database: Database):
    before = await opened(database)
    for _ in range(10):
        await before.add("key", MONTH, 3, LATER)
    await before.close()
    after = await opened(database)
    assert await after.used(["key"], MONTH) == {"key": 30}
    assert await after.add("key", MONTH, 1, LATER) == 31
    await after.close()


async def test_what_has_expired_is_not_read_again_and_leaves_the_disk(database: Database):
    before = await opened(database)
    await before.add("key", "2026-10", 5, expires=100)
    await before.close()
    after = await opened(database, now=200)
    assert await after.used(["key"], "2026-10") == {"key": 0}
    await after.add("key", MONTH, 1, LATER)
    await after.close()
    assert await database.read(lambda db: db.execute("SELECT period FROM quota").fetchall()) == [(MONTH,)]


async def test_counts_are_written_within_the_interval_and_in_one_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quota_module, "_EVERY", 0.05)
    store = await opened(database)
    commits: list[str] = []
    await database.write(lambda db: db.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else 0))
    commits.clear()
    for _ in range(1000):
        await store.add("key", MONTH, 1, LATER)
    async with asyncio.timeout(5):
        while await database.read(written) < 1000:
            await asyncio.sleep(0.001)
    assert len(commits) <= 2
    await store.close()


async def test_counting_goes_on_while_nothing_can_be_written_and_is_written_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quota_module, "_EVERY", 0.01)
    store = await opened(database)
    await database.write(lambda db: db.execute("PRAGMA max_page_count = 1"))
    for number in range(2000):
        await store.add(f"key{number}", MONTH, 1, LATER)
    await until(lambda: store._writing is not None)
    await until(lambda: store._writing is None)
    assert await store.add("key0", MONTH, 1, LATER) == 2
    assert await database.read(written) == 0
    await database.write(lambda db: db.execute("PRAGMA max_page_count = 100000"))
    async with asyncio.timeout(5):
        while await database.read(written) < 2001:
            await asyncio.sleep(0.001)
    await store.close()
