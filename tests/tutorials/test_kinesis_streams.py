"""Kinesis behind a REST API, from its OpenAPI document: streams are listed, described and written to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.aws_services import aws_environment, aws_services, client
from wsgw.cli.definition_files import read_definitions

FILE = Path(__file__).with_name("streams.yaml")


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_services() as url:
        yield url


@pytest.fixture
def stream(aws: str) -> str:
    name = f"clicks{time.time_ns()}"
    client("kinesis", aws).create_stream(StreamName=name, ShardCount=2)
    return name


@pytest.fixture
async def url(aws: str, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    aws_environment(monkeypatch, aws)
    read = read_definitions([FILE], {})
    assert list(read.findings) == []
    gateway.deploy(*read.apis)
    return f"{gateway.url}/streams/prod/streams"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_streams_are_listed_and_described(stream, url, session):
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        assert stream in (await answer.json())["StreamNames"]
    async with session.get(f"{url}/{stream}") as answer:
        found = await answer.json()
    assert (found["name"], found["shards"]) == (stream, 2)


async def test_records_are_stored_as_the_bytes_they_were(aws, stream, url, session):
    records = [{"data": text, "partition-key": str(number)} for number, text in enumerate(["a", 'Grüße "b"', ""])]
    async with session.put(f"{url}/{stream}/records", json={"records": records}) as answer:
        assert (answer.status, await answer.json()) == (200, {"failed": 0, "stored": 3})
    kinesis = client("kinesis", aws)
    stored = []
    for shard in kinesis.describe_stream(StreamName=stream)["StreamDescription"]["Shards"]:
        place = {"StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**place)["ShardIterator"]
        stored += [one["Data"].decode() for one in kinesis.get_records(ShardIterator=iterator)["Records"]]
    assert sorted(stored) == sorted(["a", 'Grüße "b"', ""])


async def test_a_record_without_its_key_never_reaches_the_stream(stream, url, session):
    async with session.put(f"{url}/{stream}/records", json={"records": [{"data": "a"}]}) as answer:
        assert (answer.status, await answer.json()) == (400, {"message": "Invalid request body"})


async def test_a_stream_that_is_not_there_is_a_404_of_the_apis_own(url, session):
    async with session.get(f"{url}/none") as answer:
        assert (answer.status, await answer.json()) == (404, {"message": "no such stream"})
