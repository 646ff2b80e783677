"""Fixtures of what HTTP APIs promise: a client, functions in a Lambda, a log to read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.aws_services import aws_environment
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, new_session
from tests.harness.lambda_endpoint import LambdaEndpoint


@pytest.fixture
async def client(gateway: TestGateway) -> AsyncIterator[Client]:
    async with new_session() as session:
        yield Client(session, gateway)


@pytest.fixture
async def lambdas(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    """A Lambda service, which integrations with functions call."""
    async with LambdaEndpoint() as endpoint:
        aws_environment(monkeypatch, region="eu-west-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint.url)
        yield endpoint
