"""A DynamoDB table behind a REST API, from its OpenAPI document: POST and GET through mapping templates."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import msgspec
import pytest

from tests.harness.aws_services import aws_environment, aws_services, client
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.finding import has_errors

FILE = Path(__file__).with_name("guestbook.yaml")


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_services() as url:
        client("dynamodb", url).create_table(
            TableName="Guestbook",
            KeySchema=[{"AttributeName": "page", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "page", "AttributeType": "S"},
                {"AttributeName": "id", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield url


@pytest.fixture
async def served(aws, gateway, monkeypatch):
    """The gateway's URL for the API, by its stage variable `table`."""
    aws_environment(monkeypatch, aws)
    read = read_definitions([FILE], {})
    assert not has_errors(read.findings), read.findings

    def serve(table: str = "Guestbook") -> str:
        [api] = read.apis
        [stage] = api.stages.values()
        stage = msgspec.structs.replace(stage, variables={"table": table})
        gateway.deploy(msgspec.structs.replace(api, stages={stage.name: stage}))
        return f"{gateway.url}/{api.id}/{stage.name}"

    return serve


async def test_what_is_posted_is_there_to_get(served):
    url = served()
    page = f'a "page" {time.time_ns()}'
    async with aiohttp.ClientSession() as session:
        entry = {"page": page, "author": "Zoë", "stars": 5}
        async with session.post(f"{url}/entries", json=entry) as answer:
            assert (answer.status, answer.headers["Location"]) == (201, "/entries")
            assert (await answer.json())["id"] == answer.headers["x-amzn-RequestId"]
        async with session.post(f"{url}/entries", json={**entry, "author": "Bob", "stars": 1}) as answer:
            assert answer.status == 201
        async with session.get(f"{url}/entries/{quote(page)}") as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
            text = await answer.text()
    found = json.loads(text)
    assert found["count"] == 2
    assert sorted(found["entries"], key=lambda one: one["stars"]) == [
        {"author": "Bob", "stars": 1},
        {"author": "Zoë", "stars": 5},
    ]


async def test_a_page_without_entries_has_none(served):
    async with aiohttp.ClientSession() as session, session.get(f"{served()}/entries/none") as answer:
        assert await answer.json() == {"count": 0, "entries": []}


async def test_what_the_model_does_not_allow_never_reaches_the_table(served, aws):
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{served()}/entries", json={"page": "p", "stars": "many"}) as answer:
            assert (answer.status, await answer.json()) == (400, {"message": "Invalid request body"})
        async with session.post(f"{served()}/entries", data=b"<a/>", headers={"Content-Type": "text/xml"}) as answer:
            assert answer.status == 415
    query = {":page": {"S": "p"}}
    found = client("dynamodb", aws).query(
        TableName="Guestbook", KeyConditionExpression="page = :page", ExpressionAttributeValues=query
    )
    assert found["Count"] == 0


async def test_the_tables_refusal_is_chosen_by_its_status(served):
    entry = {"page": "p", "author": "a", "stars": 1}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served('Nowhere')}/entries", json=entry) as answer,
    ):
        assert answer.status == 400
        assert "ResourceNotFoundException" in (await answer.json())["problem"]


async def test_without_credentials_the_client_learns_nothing(served, monkeypatch):
    url = served()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with aiohttp.ClientSession() as session, session.get(f"{url}/entries/p") as answer:
        assert (answer.status, await answer.json()) == (500, {"message": "Internal server error"})
