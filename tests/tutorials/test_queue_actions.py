"""A queue behind an HTTP API, from its OpenAPI document: first-class actions against moto's server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.harness.aws_services import aws_environment, aws_services, client
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.finding import has_errors

FILE = Path(__file__).with_name("queue.yaml")


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_services() as url:
        yield url


@pytest.fixture
async def url(aws: str, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    aws_environment(monkeypatch, aws)
    queue = client("sqs", aws).create_queue(QueueName=f"queue{time.time_ns()}")["QueueUrl"]
    read = read_definitions([FILE], {})
    # The stage and its variables are no part of OpenAPI.
    assert not has_errors([one for one in read.findings if "stage variable" not in one.message]), read.findings
    [api] = read.apis
    [stage] = api.stages.values()
    stage = msgspec.structs.replace(stage, variables={"queue": queue})
    gateway.deploy(msgspec.structs.replace(api, stages={stage.name: stage}))
    at = "" if stage.name == "$default" else f"/{stage.name}"
    return f"{gateway.url}/{api.id}{at}/messages"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_what_is_posted_can_be_got(url, session):
    async with session.post(url, json={"text": "Grüße"}, headers={"From": "me"}) as answer:
        assert answer.status == 200, await answer.text()
        sent = await answer.json(content_type=None)
    async with session.get(f"{url}?most=5") as answer:
        assert answer.status == 200, await answer.text()
        [message] = (await answer.json(content_type=None))["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "Grüße")
    assert message["MessageAttributes"]["From"]["StringValue"] == "me"


async def test_a_message_without_its_text_is_a_bad_request(url, session):
    async with session.post(url, json={"other": 1}) as answer:
        assert (answer.status, await answer.json()) == (400, {"message": "Bad Request"})


async def test_a_parameter_that_is_no_number_is_a_bad_request(url, session):
    async with session.get(f"{url}?most=many") as answer:
        assert (answer.status, await answer.json()) == (400, {"message": "Bad Request"})
