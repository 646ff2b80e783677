"""Fixtures of what HTTP APIs promise: a client, functions in a Lambda, a log to read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, new_session
from tests.harness.lambda_endpoint import LambdaEndpoint, lambda_service


@pytest.fixture
async def client(gateway: TestGateway) -> AsyncIterator[Client]:
    async with new_session() as session:
        yield Client(session, gateway)


@pytest.fixture
async def lambdas(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    """A Lambda service, which integrations with functions call."""
    async with lambda_service(monkeypatch, "eu-west-1") as endpoint:
        yield endpoint
