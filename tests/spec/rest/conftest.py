"""REST APIs behave alike behind either door, which tests/edge shows: here one is enough."""

from __future__ import annotations

import pytest


@pytest.fixture
def lanes() -> bool:
    return True
