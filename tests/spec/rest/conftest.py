"""REST APIs behave alike behind either door, which tests/edge shows: here one is enough."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.lambda_endpoint import LambdaEndpoint


@pytest.fixture
def lanes() -> bool:
    return True


@pytest.fixture
async def functions(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    """The Lambda service, without functions."""
    async with LambdaEndpoint() as endpoint:
        for name, value in (
            ("AWS_ENDPOINT_URL_LAMBDA", endpoint.url),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        yield endpoint
