"""Files in S3 behind a REST API, from its OpenAPI document: paths mapped to keys, bytes as they are."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from tests.harness.aws_services import aws_environment, aws_services, client
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.finding import has_errors

FILE = Path(__file__).with_name("files.yaml")
PICTURE = b"\x89PNG" + bytes(range(256))


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_services() as url:
        yield url


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"files{time.time_ns()}"
    client("s3", aws).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


@pytest.fixture
async def url(aws: str, bucket: str, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    aws_environment(monkeypatch, aws)
    read = read_definitions([FILE], {})
    # The stage and its variables are no part of OpenAPI.
    assert not has_errors([one for one in read.findings if "stage variable" not in one.message]), read.findings
    [api] = read.apis
    [stage] = api.stages.values()
    stage = msgspec.structs.replace(stage, variables={"bucket": bucket})
    gateway.deploy(msgspec.structs.replace(api, stages={stage.name: stage}))
    return f"{gateway.url}/{api.id}/{stage.name}/files"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_picture_is_stored_and_given_as_it_is(aws, bucket, url, session):
    async with session.put(f"{url}/cat%20one.png", data=PICTURE, headers={"Content-Type": "image/png"}) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    stored = client("s3", aws).get_object(Bucket=bucket, Key="cat one.png")
    assert (stored["Body"].read(), stored["ContentType"]) == (PICTURE, "image/png")
    async with session.get(f"{url}/cat%20one.png", headers={"Accept": "image/png"}) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
        assert answer.headers["ETag"] == stored["ETag"]
        assert await answer.read() == PICTURE


async def test_an_encoded_slash_is_part_of_a_key_and_leads_nowhere_else(aws, bucket, url, session):
    async with session.put(f"{url}/a%2Fb.txt", data=b"text", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 200
    assert client("s3", aws).get_object(Bucket=bucket, Key="a/b.txt")["Body"].read() == b"text"


async def test_dots_lead_nowhere_else(url, session):
    for name in ("%2E%2E%2Fother", "..%2Fother", "a%2F..%2F..%2Fother"):
        async with session.get(URL(f"{url}/{name}", encoded=True)) as answer:
            assert answer.status in (400, 500), name


async def test_a_file_that_is_not_there_is_a_404_of_the_apis_own(url, session):
    async with session.get(f"{url}/none") as answer:
        assert (answer.status, await answer.json()) == (404, {"message": "no such file"})
