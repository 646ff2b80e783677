"""Authorizers that are asked: alike behind either door, which tests/edge shows of requests: here one is enough."""

from __future__ import annotations

import pytest


@pytest.fixture
def lanes() -> bool:
    return True
