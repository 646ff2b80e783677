"""A queue behind a REST API, from its Swagger document: the body goes into the queue by a form of the template's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.aws_services import aws_environment, aws_services, client
from wsgw.cli.definition_files import read_definitions

FILE = Path(__file__).with_name("tasks.yaml")


@pytest.fixture
def aws() -> Iterator[str]:
    with aws_services() as url:
        yield url


async def test_a_body_becomes_a_message(aws: str, gateway: Any, monkeypatch: pytest.MonkeyPatch):
    aws_environment(monkeypatch, aws)
    sqs = client("sqs", aws)
    queue = sqs.create_queue(QueueName="tasks")["QueueUrl"]
    read = read_definitions([FILE], {})
    assert list(read.findings) == []
    gateway.deploy(*read.apis)
    body = {"task": "müll & mehr=100%", "n": 1}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{gateway.url}/prod/tasks", json=body) as answer:
            assert answer.status == 202, await answer.text()
            sent = await answer.json()
        [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
        assert (message["MessageId"], json.loads(message["Body"])) == (sent["id"], body)
        async with session.post(f"{gateway.url}/prod/tasks", skip_auto_headers=["Content-Type"]) as answer:
            assert answer.status == 202
        # API Gateway reads no body as an empty object.
        assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "{}"
