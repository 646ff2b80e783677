"""The pet store that API Gateway's console offers as a first REST API, from OpenAPI 3 and from Swagger 2."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from tests.harness.serving import serving
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.finding import has_errors
from wsgw.formats.parse import parse

HERE = Path(__file__).parent
FILES = ["petstore.yaml", "petstore.json"]
PETS = [{"id": 1, "type": "dog", "price": 249.99}, {"id": 2, "type": "cat", "price": 124.99}]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def service(backend: Backend) -> None:
    """The pets' HTTP service, which answers as the public one does: with headers that nobody else need see."""
    headers = {"X-Powered-By": "Express"}

    def pets(request: Received) -> web.Response:
        if request.method == "POST":
            body = {"pet": json.loads(request.body), "message": "success"}
            return web.json_response(body, status=201, headers=headers)
        return web.json_response(PETS, headers=headers)

    backend.answer("/petstore/pets", pets)
    backend.on("/petstore/pets/1", 200, json.dumps(PETS[0]), {"Content-Type": "application/json"})
    backend.on("/petstore/pets/-1", 400, '{"errors": [{"key": "GetPet"}]}', {"Content-Type": "application/json"})


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, backend: Backend, tmp_path: Path) -> Path:
    """The definition, whose HTTP service is the backend."""
    service(backend)
    text = (HERE / request.param).read_text()
    assert text.count("http://petstore.example/") == 3
    file = tmp_path / request.param
    file.write_text(text.replace("http://petstore.example", backend.url))
    return file


@pytest.fixture
async def url(file: Path, gateway: TestGateway) -> str:
    read = read_definitions([file], {})
    assert list(read.findings) == []
    gateway.deploy(*read.apis)
    return f"{gateway.url}/petstore/prod"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_the_root_is_a_page_that_the_gateway_makes_itself(url, session, backend):
    async with session.get(f"{url}/") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html")
        text = await answer.text()
    assert text.startswith("<!DOCTYPE html>\n<html>\n")
    # Velocity leaves alone what only looks like its own: colours, names, a dollar.
    assert "body {color: #333; background: #fff1e5} #pets {margin: 2em auto}" in text
    assert '<a id="pets" href="prod/pets">the pets</a>: each costs some $.' in text
    assert backend.requests == []


async def test_query_parameters_are_mapped_and_no_others_pass(url, session, backend):
    async with session.get(f"{url}/pets?type=cat&page=2&admin=1", headers={"X-Secret": "1"}) as answer:
        assert (answer.status, await answer.json()) == (200, PETS)
    [received] = backend.got("/petstore/pets")
    assert sorted(received.query.split("&")) == ["page=2", "type=cat"]
    assert (received.method, received.header("X-Secret"), received.header("Accept")) == (
        "GET",
        None,
        "application/json",
    )
    assert received.header("User-Agent") == "AmazonAPIGateway_petstore"


async def test_a_parameter_that_is_not_there_is_not_sent(url, session, backend):
    async with session.get(f"{url}/pets?page=2") as answer:
        assert answer.status == 200
    assert backend.got("/petstore/pets")[0].query == "page=2"


async def test_of_the_service_s_headers_only_the_mapped_ones_pass(url, session):
    async with session.get(f"{url}/pets") as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Content-Type"] == "application/json"
        assert "X-Powered-By" not in answer.headers


async def test_a_new_pet_gets_the_integration_response_s_status(url, session, backend):
    pet = {"type": "gecko", "price": 1.5}
    async with session.post(f"{url}/pets", json=pet) as answer:
        # The service said 201; the only integration response is 200.
        assert (answer.status, await answer.json()) == (200, {"pet": pet, "message": "success"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    [received] = backend.got("/petstore/pets")
    assert (received.method, json.loads(received.body)) == ("POST", pet)
    assert received.header("Content-Type") == "application/json"


async def test_without_a_request_validator_the_model_refuses_nothing(url, session):
    async with session.post(f"{url}/pets", json={"type": "dragon"}) as answer:
        assert answer.status == 200


async def test_a_path_variable_is_mapped(url, session, backend):
    async with session.get(f"{url}/pets/1") as answer:
        assert (answer.status, await answer.json()) == (200, PETS[0])
    assert [one.target for one in backend.requests] == ["/petstore/pets/1"]


async def test_the_service_s_refusal_becomes_a_200_where_there_is_no_other_response(url, session):
    async with session.get(f"{url}/pets/-1") as answer:
        assert (answer.status, await answer.json()) == (200, {"errors": [{"key": "GetPet"}]})


@pytest.mark.parametrize(("path", "methods"), [("/pets", "POST,GET,OPTIONS"), ("/pets/1", "GET,OPTIONS")])
async def test_options_are_mocks_that_allow_other_origins(url, session, backend, path, methods):
    headers = {"Origin": "http://page.example", "Access-Control-Request-Method": "GET"}
    async with session.options(url + path, headers=headers) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["Access-Control-Allow-Methods"] == methods
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "X-Api-Key" in answer.headers["Access-Control-Allow-Headers"]
    assert backend.requests == []


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/pets"), ("GET", "/pets/1/toys"), ("POST", "/"), ("GET", "/x")]
)
async def test_what_is_not_there_is_api_gateway_s_403(url, session, method, path):
    async with session.request(method, url + path) as answer:
        assert (answer.status, await answer.json()) == (403, {"message": "Missing Authentication Token"})
        assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


async def test_a_service_that_is_down_is_a_500(file, gateway, session, backend):
    gateway.deploy(*read_definitions([file], {}).apis)
    await backend.stop()
    async with session.get(f"{gateway.url}/petstore/prod/pets") as answer:
        assert answer.status in (500, 504)
        assert set(await answer.json()) == {"message"}


def test_both_files_say_the_same():
    found = []
    for name in FILES:
        parsed = parse((HERE / name).read_bytes(), name, {})
        assert not has_errors(parsed.findings)
        found.append(without_ids(parsed.documents[0]))
    assert {name: found[0].get(name) == found[1].get(name) for name in found[0]} == dict.fromkeys(found[0], True)


def without_ids(document: Any) -> Any:
    """A document without what its own order makes: ids of resources and models."""
    if isinstance(document, dict):
        return {
            name: without_ids(value) for name, value in document.items() if name not in ("id", "parentId", "x-wsgw")
        }
    return [without_ids(one) for one in document] if isinstance(document, list) else document


@pytest.mark.slow
async def test_it_is_served_by_the_command(file, session):
    async with serving(file) as served, session.get(f"{served.ready['data']}/prod/pets/1") as answer:
        assert (answer.status, await answer.json()) == (200, PETS[0])


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")
async def test_a_browser_shows_the_page_and_follows_its_link(file, gateway, backend):
    from playwright.async_api import async_playwright

    gateway.deploy(*read_definitions([file], {}).apis)
    backend.on("/page", 200, "<title>page</title>", {"Content-Type": "text/html"})
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(f"{gateway.url}/prod")
        assert await page.title() == "The pet store"
        await page.click("#pets")
        assert json.loads(await page.inner_text("body")) == PETS
        # From a page of another origin; JSON needs a preflight.
        await page.goto(f"{backend.url}/page")
        created = await page.evaluate(
            """async url => (await fetch(url, {method: "POST", headers: {"Content-Type": "application/json"},
                                               body: '{"type": "cat"}'})).json()""",
            f"{gateway.url}/petstore/prod/pets",
        )
        assert created == {"pet": {"type": "cat"}, "message": "success"}
        await browser.close()
