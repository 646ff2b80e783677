"""Authorizers that are asked: alike behind either door, which tests/edge shows of requests: here one is enough."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.lambda_endpoint import LambdaEndpoint, lambda_service


@pytest.fixture
def lanes() -> bool:
    return True


@pytest.fixture
async def functions(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    """The Lambda service, without functions."""
    async with lambda_service(monkeypatch) as endpoint:
        yield endpoint
