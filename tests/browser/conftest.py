"""How long pages may take here."""

from __future__ import annotations

from playwright.async_api import expect

from tests.harness.pace import SLOWER

expect.set_options(timeout=10_000 * SLOWER)
