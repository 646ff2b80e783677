"""Waiting for connections to backends to be free again."""

from __future__ import annotations

from tests.harness.pace import SLOWER
from tests.harness.until import until
from wsgw.integrations.http_pool import HttpPool


async def quiet(pool: HttpPool) -> None:
    """Return once no connection of `pool` is busy, and nobody waits for one; fails after two seconds."""
    await until(lambda: pool.counts().open == pool.counts().idle and not pool.counts().waiting, 2 * SLOWER)
