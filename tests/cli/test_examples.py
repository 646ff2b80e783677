"""The examples are sound, do what their texts say, and the chat's backend keeps its own promises."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web
from click.testing import CliRunner

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import RawWebSocket
from wsgw.cli.check import check
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.api import Api

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*/wsgw.yaml"))


def backend_module(example: str = "chat", name: str = "backend") -> Any:
    file = EXAMPLES / example / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{example.replace('-', '_')}_{name}_under_test", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def chat() -> AsyncIterator[str]:
    """The chat's backend; its address."""
    runner = web.AppRunner(backend_module().application("ws://gateway.example/chat/prod"), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def people(gateway: TestGateway, chat: str) -> TestGateway:
    """A gateway that serves the chat example over that backend."""
    gateway.deploy(backed_by(chat))
    return gateway


def backed_by(address: str) -> Api:
    (api,) = read_definitions([EXAMPLES / "chat" / "wsgw.yaml"], os.environ).apis
    stage = msgspec.structs.replace(api.stages["prod"], variables={"backend": address})
    return msgspec.structs.replace(api, stages={"prod": stage})


async def join(gateway: TestGateway, name: str, room: str = "lobby") -> tuple[RawWebSocket, dict[str, Any]]:
    """A client in a room, and its welcome."""
    client = await gateway.connect("/chat/prod")
    await client.send_json({"action": "join", "name": name, "room": room})
    return client, await client.receive_json()


def test_there_are_examples():
    assert [file.parent.name for file in FILES] == ["chat", "guarded", "hello", "pets", "two-services"]


@pytest.mark.parametrize("file", FILES, ids=[file.parent.name for file in FILES])
def test_each_definition_is_without_findings(file: Path):
    result = CliRunner().invoke(check, [str(file)])
    apis = "2 APIs" if file.parent.name == "guarded" else "1 API"
    assert (result.exit_code, result.output) == (0, f"1 file, {apis}: 0 errors, 0 warnings\n")


SHOWN = [
    block
    for block in re.findall(r"```yaml\n(.*?)```", (EXAMPLES.parent / "docs" / "definitions.md").read_text(), re.DOTALL)
    if "apis:" in block and "protocol: WEBSOCKET" not in block
]


@pytest.mark.parametrize("shown", SHOWN, ids=range(len(SHOWN)))
def test_each_definition_that_the_documentation_shows_is_without_findings(shown: str, tmp_path: Path):
    file = tmp_path / "wsgw.yaml"
    file.write_text(shown)
    # The function that one of them names.
    (tmp_path / "auth.py").write_text("async def verify(event, context): ...")
    result = CliRunner().invoke(check, [str(file)])
    *findings, summary = result.output.splitlines()
    assert (result.exit_code, "0 errors" in summary) == (0, True), result.output
    # What is shown of routes is without those who may call them: without access keys, and plans that have API keys.
    wanted = {"authorizationType: AWS_IAM": "there is no access key", "apiKeyRequired: true": "no usage plan has keys"}
    for finding, words in zip(findings, [words for key, words in wanted.items() if key in shown], strict=True):
        assert words in finding


# ---- hello


async def test_hello_answers_as_the_readme_says(gateway: TestGateway):
    file = EXAMPLES / "hello" / "wsgw.yaml"
    gateway.deploy(*read_definitions([file], os.environ).apis, base=file.parent)
    client = await gateway.connect()
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True, "you": gateway.connections[0].id}
    await client.send_json({"action": "greet", "name": "Ada"})
    assert await client.receive_text() == "one moment …"
    assert await client.receive_text() == "Hello, Ada!"


def test_the_readme_prints_the_hello_example_as_it_is():
    readme = (EXAMPLES.parent / "README.md").read_text()
    for name in ("wsgw.yaml", "hello.py"):
        lines = [line for line in (EXAMPLES / "hello" / name).read_text().splitlines() if line]
        position = 0
        for line in lines:
            position = readme.find(line, position)
            assert position >= 0, f"README.md has no {line!r} where {name} has it"


# ---- the chat, through a gateway


async def test_what_is_said_reaches_everybody_in_the_room_and_nobody_else(people: TestGateway):
    ada, _ = await join(people, "Ada")
    grace, welcome = await join(people, "Grace")
    assert welcome["people"] == ["Ada", "Grace"]
    assert (await ada.receive_json())["people"] == ["Ada", "Grace"]
    linus, _ = await join(people, "Linus", "kernel")
    for one in (ada, grace):
        told = await one.receive_json()
        assert (told["type"], told["room"], told["rooms"]) == ("joined", "kernel", {"kernel": 1, "lobby": 2})
    await grace.send_json({"action": "say", "text": "<b>hello</b>"})
    for one in (ada, grace):
        said = await one.receive_json()
        assert (said["type"], said["name"], said["text"]) == ("said", "Grace", "<b>hello</b>")
    # Nothing of it came to the other room: the next thing there is what is asked for now.
    await linus.send_json({"action": "ping"})
    assert (await linus.receive_json())["type"] == "pong"


async def test_whoever_comes_late_gets_what_was_said_before_oldest_first(people: TestGateway):
    ada, _ = await join(people, "Ada")
    for number in range(52):
        await ada.send_json({"action": "say", "text": str(number)})
        await ada.receive_json()
    _, welcome = await join(people, "Grace")
    assert [said["text"] for said in welcome["said"]] == [str(number) for number in range(2, 52)]
    times = [said["at"] for said in welcome["said"]]
    assert times == sorted(set(times))


async def test_whoever_leaves_is_missed_by_the_others(people: TestGateway):
    ada, _ = await join(people, "Ada")
    grace, _ = await join(people, "Grace")
    await ada.receive_json()
    await grace.close()
    told = await ada.receive_json()
    assert (told["type"], told["name"], told["people"], told["rooms"]) == ("left", "Grace", ["Ada"], {"lobby": 1})


async def test_moving_to_another_room_leaves_the_first(people: TestGateway):
    ada, _ = await join(people, "Ada")
    grace, _ = await join(people, "Grace")
    await ada.receive_json()
    await grace.send_json({"action": "join", "name": "Grace", "room": "compilers"})
    assert [(told["type"], told["room"]) for told in [await ada.receive_json(), await ada.receive_json()]] == [
        ("left", "lobby"),
        ("joined", "compilers"),
    ]
    assert (await grace.receive_json())["people"] == ["Grace"]


async def test_a_name_that_is_taken_gets_a_number(people: TestGateway):
    names = [(await join(people, "Ada"))[1]["you"] for _ in range(3)]
    assert names == ["Ada", "Ada 2", "Ada 3"]
    assert (await join(people, "Ada", "elsewhere"))[1]["you"] == "Ada"


async def test_a_new_name_is_told_to_all(people: TestGateway):
    ada, _ = await join(people, "Ada")
    await ada.send_json({"action": "rename", "name": "  Countess\u202e \n Lovelace "})
    told = await ada.receive_json()
    assert (told["before"], told["name"], told["people"]) == ("Ada", "Countess Lovelace", ["Countess Lovelace"])


REFUSALS = [
    ({"action": "join", "name": " ", "room": "lobby"}, "A name and a room are needed."),
    ({"action": "join", "name": "Ada"}, "A name and a room are needed."),
    ({"action": "say", "text": "hello"}, "Join a room first."),
    ({"action": "rename", "name": "Ada"}, "A name and a room are needed."),
    ({"action": "dance"}, "There is no such action."),
    ({"text": "no action"}, "There is no such action."),
]


@pytest.mark.parametrize(("message", "refusal"), REFUSALS, ids=[str(message) for message, _ in REFUSALS])
async def test_what_cannot_be_done_is_answered_with_the_reason(people: TestGateway, message: dict, refusal: str):
    client = await people.connect("/chat/prod")
    await client.send_json(message)
    assert await client.receive_json() == {"type": "error", "message": refusal}


@pytest.mark.parametrize("text", [" ", "x" * 2001], ids=["empty", "too long"])
async def test_a_message_has_bounds(people: TestGateway, text: str):
    client, _ = await join(people, "Ada")
    await client.send_json({"action": "say", "text": text})
    assert (await client.receive_json())["message"] == "A message has 1 to 2000 characters."


async def test_a_backend_that_was_started_anew_knows_connections_again_with_their_next_message(
    gateway: TestGateway, chat: str
):
    # Without routes, so that the backend does not hear of the connection.
    gateway.deploy(msgspec.structs.replace(backed_by(chat), routes={}))
    client = await gateway.connect("/chat/prod")
    gateway.deploy(backed_by(chat))
    await client.send_json({"action": "join", "name": "Ada", "room": "lobby"})
    assert (await client.receive_json())["you"] == "Ada"


# ---- the chat's backend on its own


async def test_the_backend_wants_to_know_whose_event_it_is(chat: str):
    async with ClientSession() as session, session.post(f"{chat}/join", json={"name": "Ada"}) as answer:
        assert answer.status == 400


async def test_a_post_that_is_answered_410_removes_the_person_and_tells_the_others(chat: str, backend: Backend):
    def headers(id: str) -> dict[str, str]:
        return {"Wsgw-Connection-Id": id, "Wsgw-Callback-Url": f"{backend.url}/{id}"}

    async with ClientSession() as session:
        for id in ("ada", "grace"):
            joining = {"action": "join", "name": id, "room": "lobby"}
            async with session.post(f"{chat}/join", json=joining, headers=headers(id)) as answer:
                assert answer.status == 204
        backend.on("/grace", 410)
        async with session.post(f"{chat}/say", json={"text": "still there?"}, headers=headers("ada")) as answer:
            assert answer.status == 204

    def told(received: Received) -> tuple[str, list[str] | None]:
        message = msgspec.json.decode(received.body)
        return message["type"], message.get("people")

    assert sorted(map(told, backend.got("/ada")[2:])) == [("left", ["ada"]), ("said", None)]


# ---- pets, a REST API


@contextlib.asynccontextmanager
async def listening(*applications: web.Application) -> AsyncIterator[list[str]]:
    """The addresses of these, while they are served."""
    runners = [web.AppRunner(application, shutdown_timeout=0.1) for application in applications]
    try:
        for runner in runners:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield [f"http://127.0.0.1:{runner.addresses[0][1]}" for runner in runners]
    finally:
        for runner in runners:
            await runner.cleanup()


def with_variables(example: str, **variables: str) -> Api:
    """The example's API, whose one stage has these variables."""
    (api,) = read_definitions([EXAMPLES / example / "wsgw.yaml"], os.environ).apis
    (stage,) = api.stages.values()
    return msgspec.structs.replace(
        api, stages={stage.name: msgspec.structs.replace(stage, variables={**stage.variables, **variables})}
    )


@pytest.fixture
async def pets(gateway: TestGateway) -> AsyncIterator[str]:
    """The address of the pets API's stage."""
    async with listening(backend_module("pets").application()) as (address,):
        gateway.deploy(with_variables("pets", backend=address))
        yield f"{gateway.url}/pets/prod"


async def test_the_gateway_answers_a_mock_itself(pets: str):
    async with ClientSession() as session, session.get(f"{pets}/health") as answer:
        assert (answer.status, await answer.json()) == (200, {"ok": True, "stage": "prod"})


async def test_a_proxied_answer_comes_as_it_is_and_the_query_goes_along(pets: str):
    async with ClientSession() as session, session.get(f"{pets}/photos/rex?width=100") as answer:
        assert (answer.status, await answer.text()) == (200, "a photo of rex, 100 wide")


async def test_a_template_rewrites_what_the_backend_says(pets: str):
    async with ClientSession() as session:
        async with session.get(f"{pets}/pets/1") as answer:
            assert answer.status == 200
            assert await answer.json() == {"id": 1, "name": "Rex", "kind": "dog", "cents": 24999}
            assert answer.headers["Cache-Control"] == "max-age=60"
        async with session.get(f"{pets}/pets/7") as answer:
            assert (answer.status, await answer.json()) == (404, {"message": "There is no pet 7"})


async def test_a_pet_that_the_model_does_not_allow_never_reaches_the_backend(pets: str):
    async with ClientSession() as session:
        async with session.post(f"{pets}/pets", json={"name": "Tom", "kind": "cat"}) as answer:
            assert (answer.status, await answer.json()) == (201, {"id": 2})
            assert answer.headers["Location"] == "/pets/2"
        async with session.get(f"{pets}/pets/2") as answer:
            assert await answer.json() == {"id": 2, "name": "Tom", "kind": "cat", "cents": 0}
        async with session.post(f"{pets}/pets", json={"name": "Tom", "kind": "dragon"}) as answer:
            refusal = {"message": "Invalid request body", "requestId": answer.headers["x-amzn-RequestId"]}
            assert (answer.status, await answer.json()) == (422, refusal)
        async with session.get(f"{pets}/pets/3") as answer:
            assert answer.status == 404


# ---- two services, an HTTP API


@pytest.fixture
async def shop(gateway: TestGateway) -> AsyncIterator[str]:
    """The address of the shop's stage."""
    services = backend_module("two-services", "services")
    async with listening(services.catalogue(), services.orders()) as (catalogue, orders):
        gateway.deploy(with_variables("two-services", catalogue=catalogue, orders=orders))
        yield f"{gateway.url}/shop/$default"


async def test_each_service_has_its_paths_of_the_one_address(shop: str):
    async with ClientSession() as session:
        async with session.get(f"{shop}/items?most=5") as answer:
            assert (answer.status, await answer.json()) == (200, ["tea"])
        async with session.get(f"{shop}/items/cup") as answer:
            assert await answer.json() == {"name": "cup", "price": 9}
        async with session.post(f"{shop}/orders/new", data="a cup") as answer:
            assert await answer.json() == {"ordered": "a cup", "requestId": answer.headers["apigw-requestid"]}
        async with session.get(f"{shop}/customers") as answer:
            assert (answer.status, await answer.json()) == (404, {"message": "Not Found"})


async def test_a_service_s_404_is_mapped_to_another_status(shop: str):
    async with ClientSession() as session, session.get(f"{shop}/orders/old") as answer:
        assert answer.status == 410
        assert answer.headers["x-request-id"] == answer.headers["apigw-requestid"]


async def test_pages_of_the_allowed_origin_may_use_both(shop: str):
    asking = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    async with ClientSession() as session:
        async with session.options(f"{shop}/orders/new", headers=asking) as answer:
            assert answer.status == 204
            assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        async with session.get(f"{shop}/items", headers={"Origin": "http://elsewhere.example"}) as answer:
            assert answer.status == 200
            assert "access-control-allow-origin" not in answer.headers
