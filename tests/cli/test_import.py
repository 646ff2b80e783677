"""`wsgw import`: what it stores, what it refuses, and that a gateway serves it."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from aiohttp import ClientSession
from click.testing import CliRunner, Result

from tests.harness.raw_websocket import HandshakeRefused
from tests.harness.redis_server import RedisServer
from tests.harness.serving import DidNotStart, Served
from wsgw.cli.import_store import mark
from wsgw.cli.main import main
from wsgw.cli.stored_definitions import StoredDefinitions
from wsgw.settings import Settings
from wsgw.stores.document_store import document_store
from wsgw.stores.memory_documents import MemoryDocuments

CHAT = """
apis:
  %s:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      ping: {integration: {type: MOCK, responseTemplates: {$default: '%s'}}, twoWay: true}
"""
KEYS = """
accessKeys:
  AKIDREFERENCE: {secret: "${CHAT_SECRET}", sessionToken: "x${CHAT_SESSION}"}
  AKIDPLAIN: {secret: plain}
managementTokens: ["${CHAT_TOKEN}", literal]
"""


@pytest.fixture(params=["data", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path, redis: RedisServer) -> tuple[str, str]:
    """The option that says where to store: a directory, or a real Redis."""
    return ("--data", str(tmp_path / "data")) if request.param == "data" else ("--redis", redis.url)


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str, name: str = "wsgw.yaml") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


async def wsgw(*words: str, **environment: str) -> Result:
    # In a thread: the command runs a loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, main, words, env=environment, catch_exceptions=False)


async def stored(where: tuple[str, str]) -> SimpleNamespace:
    """What stands in the store, as it is."""
    settings = Settings(**{where[0].removeprefix("--"): where[1]})
    async with document_store(settings) as store:
        kinds = [await store.documents.all(kind) for kind in ("api", "accessKey", "managementToken")]
        revision = await store.documents.revision()
    apis, keys, tokens = kinds
    return SimpleNamespace(apis=apis, keys=keys, tokens=sorted(tokens.values()), revision=revision)


@asynccontextmanager
async def serving(*words: str, program: tuple[str, ...] = ("-m", "wsgw")) -> AsyncIterator[Served]:
    """`wsgw serve` with these words and no file."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, *program, "serve", "--port", "0", "--control-port", "0", *words]
    one = Served(await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe))
    try:
        await one.started()
        yield one
    finally:
        await one.close()


async def answer(gateway: Served, path: str = "/chat/prod") -> str:
    client = await gateway.connect(path)
    await client.send_json({"action": "ping"})
    text = await client.receive_text()
    await client.drop()
    return text


# ---- what is stored


async def test_it_says_what_was_stored_and_stores_the_document(where: tuple[str, str], written):
    result = await wsgw("import", written(CHAT % ("chat", "pong")), *where)
    assert (result.exit_code, result.output) == (0, "stored chat (revision 1)\n")
    found = await stored(where)
    assert list(found.apis) == ["chat"]
    document = orjson.loads(found.apis["chat"])
    assert (document["apiId"], document["protocolType"]) == ("chat", "WEBSOCKET")
    assert [route["routeKey"] for route in document["routes"]] == ["ping"]


async def test_an_api_is_replaced_whole_and_others_stay(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("chat", "old") + "      other: http://localhost/\n"), *where)
    await wsgw("import", written(CHAT % ("shop", "shop")), *where)
    result = await wsgw("import", written(CHAT % ("chat", "new")), *where)
    # The first import has also written down that there was one.
    assert result.output == "stored chat (revision 4)\n"
    found = await stored(where)
    assert sorted(found.apis) == ["chat", "shop"]
    assert [route["routeKey"] for route in orjson.loads(found.apis["chat"])["routes"]] == ["ping"]


async def test_references_to_secrets_stay_references_without_being_known_here(where: tuple[str, str], written):
    result = await wsgw("import", written(KEYS), *where)
    assert result.exit_code == 0
    assert "plain" not in result.output
    found = await stored(where)
    assert orjson.loads(found.keys["AKIDREFERENCE"])["secret"] == "${CHAT_SECRET}"
    assert orjson.loads(found.keys["AKIDREFERENCE"])["session_token"] == "x${CHAT_SESSION}"
    assert orjson.loads(found.keys["AKIDPLAIN"])["secret"] == "plain"
    assert found.tokens == [b"${CHAT_TOKEN}", b"literal"]


async def test_management_tokens_are_replaced_all_together(where: tuple[str, str], written):
    await wsgw("import", written("managementTokens: [one, two]"), *where)
    await wsgw("import", written("managementTokens: [two, three]"), *where)
    assert (await stored(where)).tokens == [b"three", b"two"]


async def test_a_stage_is_stored_with_an_api_that_names_none(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("chat", "pong")), "--stage", "beta", *where)
    assert orjson.loads((await stored(where)).apis["chat"])["stages"] == [{"stageName": "beta"}]


async def test_nothing_is_stored_if_anything_is_wrong(where: tuple[str, str], written):
    sound, wrong = written(CHAT % ("chat", "pong")), written("apis: {x: {protocol: WEBSOCKT}}", "wrong.yaml")
    result = await wsgw("import", sound, wrong, *where)
    assert result.exit_code == 1
    assert "wrong.yaml:1: error: apis.x" in result.output
    assert "nothing was stored" in result.output
    assert (await stored(where)).revision == 0


async def test_routes_that_want_signatures_are_no_warning_where_a_stored_key_can_sign(where: tuple[str, str], written):
    route = "GET /: {authorizationType: AWS_IAM, integration: 'http://localhost:9/'}"
    api = written(f"apis: {{signed: {{protocol: HTTP, routes: {{{route}}}}}}}", "api.yaml")
    refused = await wsgw("import", api, *where, "--fail-on-warnings")
    assert (refused.exit_code, "there is no access key in force" in refused.output) == (1, True)
    await wsgw("import", written(KEYS), *where)
    assert (await wsgw("import", api, *where, "--fail-on-warnings")).output.startswith("stored signed (")


async def test_delete_takes_apis_keys_and_tokens_away(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("chat", "pong") + KEYS), *where)
    result = await wsgw("import", "--delete", "chat", "--delete", "AKIDPLAIN", "--delete", "managementTokens", *where)
    assert result.exit_code == 0
    assert [line.rpartition(" (")[0] for line in result.output.splitlines()] == [
        "deleted chat",
        "deleted AKIDPLAIN",
        "deleted managementTokens",
    ]
    found = await stored(where)
    assert (list(found.apis), list(found.keys), found.tokens) == ([], ["AKIDREFERENCE"], [])


async def test_deleting_what_is_not_there_changes_nothing(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("chat", "pong")), *where)
    result = await wsgw("import", "--delete", "chat", "--delete", "caht", *where)
    assert result.exit_code == 1
    assert "has no caht; nothing was changed" in result.output
    assert list((await stored(where)).apis) == ["chat"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "x.yaml"], "give --data DIR or --redis URL"),
        (["import", "--data", "d"], "name definition files, or what to --delete"),
        (["import", "x.yaml", "--redis", "localhost"], "redis: that is no URL of a Redis"),
        (
            ["import", "x.yaml", "--data", "d", "--redis", "redis://127.0.0.1:1"],
            "data: with redis all is kept in Redis",
        ),
    ],
)
async def test_wrong_use_is_told_with_the_remedy(words: list[str], said: str):
    result = await wsgw(*words)
    assert result.exit_code == 2
    assert said in result.output


async def test_a_store_that_cannot_be_used_is_one_line(tmp_path: Path, written):
    (tmp_path / "file").write_text("")
    file = written(CHAT % ("chat", "pong"))
    for option, place in (("--data", str(tmp_path / "file")), ("--redis", "redis://:hidden@127.0.0.1:1")):
        result = await wsgw("import", file, option, place)
        assert result.exit_code == 1
        assert "hidden" not in result.output
        assert len(result.output.splitlines()) == 1


# ---- what is read


async def test_secrets_are_filled_in_where_they_are_served(where: tuple[str, str], written):
    await wsgw("import", written(KEYS), *where)
    settings = Settings(**{where[0].removeprefix("--"): where[1]})
    async with document_store(settings) as store:
        definitions = StoredDefinitions(store.documents, "here")
        read = await definitions.read({"CHAT_SECRET": "s", "CHAT_SESSION": "t", "CHAT_TOKEN": "token"})
        missing = await definitions.read({})
    secrets = {key.access_key_id: (key.secret, key.session_token) for key in read.access_keys}
    assert secrets == {"AKIDREFERENCE": ("s", "xt"), "AKIDPLAIN": ("plain", None)}
    assert sorted(read.management_tokens) == ["literal", "token"]
    assert [str(finding) for finding in missing.findings] == [
        "stored in here: error: accessKeys.AKIDREFERENCE.secret: "
        "the environment variable CHAT_SECRET is not set (set CHAT_SECRET)",
        "stored in here: error: accessKeys.AKIDREFERENCE.sessionToken: "
        "the environment variable CHAT_SESSION is not set (set CHAT_SESSION)",
        "stored in here: error: managementTokens: the environment variable CHAT_TOKEN is not set (set CHAT_TOKEN)",
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[]", b"null", b'"text"', b"{}", b'{"apiId":"other"}', b'{"apiId":"chat","routes":7}'],
)
async def test_a_document_that_is_none_is_a_finding_and_the_others_are_read(body: bytes):
    documents = MemoryDocuments()
    sound = b'{"apiId":"sound","name":"sound","protocolType":"WEBSOCKET"}'
    await documents.write("api", {"chat": body, "sound": sound})
    read = await StoredDefinitions(documents, "here").read({})
    assert [document["apiId"] for document in read.documents] == ["sound"]
    assert [str(finding).partition(" (")[0] for finding in read.findings] == [
        "stored in here: error: apis.chat: the stored document cannot be read"
    ]


async def test_changed_says_whether_anything_was_stored_since_the_last_reading():
    documents = MemoryDocuments()
    definitions = StoredDefinitions(documents, "here")
    await definitions.read({})
    assert not await definitions.changed()
    await documents.write("accessKey", {"AKID": None})
    assert await definitions.changed()
    await definitions.read({})
    assert not await definitions.changed()


@pytest.mark.parametrize("writes", [0, 1, 3])
async def test_a_store_that_was_emptied_is_not_one_without_apis(writes: int):
    """Whatever else was written to it since, such as what is revoked: the revision may be lower, the same or higher."""
    documents = MemoryDocuments()
    await documents.write("api", {"chat": b"{}"})
    await mark(documents)
    definitions = StoredDefinitions(documents, "here")
    await definitions.read({})
    definitions.documents = emptied = MemoryDocuments()
    for number in range(writes):
        await emptied.write("revocation", {str(number): b"{}"})
    assert not await definitions.changed(told=True)
    await emptied.write("api", {"chat": b"{}"})
    await mark(emptied)
    assert await definitions.changed()


async def test_who_is_told_looks_though_the_revision_is_the_same():
    documents = MemoryDocuments()
    await documents.write("api", {"chat": b"{}"})
    definitions = StoredDefinitions(documents, "here")
    await definitions.read({})
    assert not await definitions.changed()
    assert await definitions.changed(told=True)


PETS = """
apis:
  pets:
    protocol: REST
    routes: {GET /health: {integration: {type: MOCK, responseTemplates: {application/json: $context.stage}}}}
  shop:
    protocol: HTTP
    routes: {$default: "http://localhost:9/"}
domainNames:
  api.example: {mappings: {/: pets/prod}}
"""


async def test_rest_and_http_apis_and_domain_names_are_stored_too(where: tuple[str, str], written):
    result = await wsgw("import", written(PETS), *where)
    assert [line.rpartition(" (")[0] for line in result.output.splitlines()] == [
        "stored pets",
        "stored shop",
        "stored domain name api.example",
    ]
    found = await stored(where)
    assert orjson.loads(found.apis["pets"])["stages"] == [{"stageName": "prod"}]
    assert orjson.loads(found.apis["shop"])["stages"] == [{"stageName": "$default"}]


async def test_an_api_that_a_domain_name_leads_to_is_not_deleted(where: tuple[str, str], written):
    await wsgw("import", written(PETS), *where)
    result = await wsgw("import", "--delete", "pets", *where)
    said = "pets is what the domain name api.example leads to: delete that, too; nothing was changed"
    assert (result.exit_code, result.output) == (1, f"wsgw: {said}\n")
    result = await wsgw("import", "--delete", "pets", "--delete", "api.example", *where)
    assert [line.rpartition(" (")[0] for line in result.output.splitlines()] == ["deleted pets", "deleted api.example"]
    assert list((await stored(where)).apis) == ["shop"]


async def test_a_stage_that_a_domain_name_leads_to_is_not_lost(where: tuple[str, str], written):
    """Gateways could not serve what is stored then."""
    await wsgw("import", written(PETS), *where)
    api = "apis: {pets: {protocol: REST, routes: {GET /: 'http://localhost:9/'}, stages: {%s: {}}}}\n"
    lost = await wsgw("import", written(api % "dev"), *where)
    said = "the domain name api.example leads to stage prod of pets: keep it; nothing was changed"
    assert (lost.exit_code, lost.output.splitlines()[-1]) == (1, f"wsgw: {said}")
    domain = "domainNames: {api.example: {mappings: {/: pets/dev}}}\n"
    moved = await wsgw("import", written(api % "dev" + domain), *where)
    assert moved.exit_code == 0


async def test_a_domain_name_may_lead_to_an_api_that_is_stored(where: tuple[str, str], written):
    await wsgw("import", written(PETS), *where)
    another = written("domainNames:\n  b.example: {mappings: {/: pets/prod}}\n", "b.yaml")
    result = await wsgw("import", another, *where)
    assert (result.exit_code, result.output.rpartition(" (")[0]) == (0, "stored domain name b.example")
    gone = await wsgw("import", another, "--delete", "pets", "--delete", "api.example", *where)
    assert (gone.exit_code, gone.output.splitlines()[-1]) == (1, "wsgw: nothing was stored")
    wrong = await wsgw("import", written("domainNames:\n  c.example: {mappings: {/: pets/dev}}\n", "c.yaml"), *where)
    assert (wrong.exit_code, wrong.output.splitlines()[-1]) == (1, "wsgw: nothing was stored")


async def test_a_stored_domain_name_that_is_none_is_a_finding():
    documents = MemoryDocuments()
    await documents.write("domainName", {"api.example": b"{}"})
    read = await StoredDefinitions(documents, "here").read({})
    assert [str(finding).partition(" (")[0] for finding in read.findings] == [
        'stored in here: error: domainNames["api.example"]: the stored document cannot be read'
    ]


# ---- what is served


async def test_a_domain_name_that_was_imported_is_served(where: tuple[str, str], written):
    await wsgw("import", written(PETS), *where)
    async with serving(*where) as gateway, ClientSession() as session:
        found = await session.get(gateway.ready["data"] + "/health", headers={"Host": "api.example"})
        assert (found.status, await found.text()) == (200, "prod")


async def test_what_was_imported_is_served_without_files(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("chat", "imported")), *where)
    async with serving(*where) as gateway:
        assert await answer(gateway) == "imported"


async def test_files_and_what_is_stored_are_served_together(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("stored", "stored")), *where)
    async with serving(written(CHAT % ("file", "file")), *where) as gateway:
        assert [await answer(gateway, f"/{api}/prod") for api in ("stored", "file")] == ["stored", "file"]


async def test_an_api_both_stored_and_in_a_file_is_an_error_that_names_both(where: tuple[str, str], written):
    file = written(CHAT % ("chat", "pong"))
    await wsgw("import", file, *where)
    with pytest.raises(DidNotStart) as refused:
        async with serving(file, *where):
            pass
    assert refused.value.code == 1
    assert f"{file}:3: error: apis.chat: stored in {where[1]} defines it too" in refused.value.said


async def test_a_gateway_that_runs_takes_what_is_imported_and_closes_nobody(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("chat", "first")), *where)
    async with serving(*where) as gateway:
        client = await gateway.connect("/chat/prod")
        await wsgw("import", written(CHAT % ("chat", "second")), *where)
        await gateway.says("wsgw: deployed")
        await client.send_json({"action": "ping"})
        assert await client.receive_text() == "second"
        await wsgw("import", "--delete", "chat", *where)
        await gateway.says("wsgw: deployed", 2)
        with pytest.raises(HandshakeRefused):
            await gateway.connect("/chat/prod")


#: The command of a gateway that does not look by itself whether something new is stored.
WAITS_TO_BE_TOLD = """
from wsgw.cli import main, stored_following
stored_following._EVERY = 3600
main.main(prog_name="wsgw")
"""


async def test_nodes_that_share_a_redis_take_an_import_within_a_second(redis: RedisServer, written):
    where, program = ("--redis", redis.url, "--cluster-secret", "secret"), ("-c", WAITS_TO_BE_TOLD)
    async with serving(*where, program=program) as one, serving(*where, program=program) as other:
        seconds = []
        for number in range(5):
            await wsgw("import", written(CHAT % ("chat", number)), *where)
            began = time.monotonic()
            await one.says("wsgw: deployed", number + 1)
            await other.says("wsgw: deployed", number + 1)
            seconds.append(time.monotonic() - began)
        # Both were told, time after time; how soon, a busy machine shows once in a while only.
        assert min(seconds) < 1, seconds
        assert [await answer(node) for node in (one, other)] == ["4", "4"]


async def test_what_was_stored_is_served_on_when_redis_is_emptied(own_redis: RedisServer, written):
    where = ("--redis", own_redis.url)
    await wsgw("import", written(CHAT % ("chat", "first") + 'managementTokens: ["token"]'), *where)
    async with serving(*where) as gateway:
        client = await gateway.connect("/chat/prod")
        await own_redis.flush()
        await gateway.says("is not there any more")
        await client.send_json({"action": "ping"})
        assert await client.receive_text() == "first"
        assert await answer(gateway) == "first"
        await wsgw("import", written(CHAT % ("chat", "second")), *where)
        await gateway.says("wsgw: deployed")
        assert await answer(gateway) == "second"


async def test_a_stored_definition_that_is_bad_leaves_the_old_one_serving_and_says_why(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("chat", "sound")), *where)
    async with serving(*where) as gateway:
        await wsgw("import", written('managementTokens: ["${NOBODY_HAS_SET_THIS}"]'), *where)
        await gateway.says("the environment variable NOBODY_HAS_SET_THIS is not set")
        await gateway.says("what was deployed before is still served")
        assert await answer(gateway) == "sound"
        await wsgw("import", "--delete", "managementTokens", *where)
        await gateway.says("wsgw: deployed")


async def test_a_gateway_killed_with_9_serves_what_was_stored_again(where: tuple[str, str], written):
    await wsgw("import", written(CHAT % ("chat", "kept")), *where)
    async with serving(*where) as gateway:
        gateway.signal(signal.SIGKILL)
        await gateway.ended()
    async with serving(*where) as gateway:
        assert await answer(gateway) == "kept"


async def test_two_gateways_cannot_serve_from_one_directory(tmp_path: Path):
    where = ("--data", str(tmp_path / "data"))
    async with serving(*where) as first:
        with pytest.raises(DidNotStart) as refused:
            async with serving(*where):
                pass
        assert refused.value.code == 1
        assert f"the data directory {where[1]} is in use by another gateway" in refused.value.said
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0
    async with serving(*where):
        pass


@pytest.mark.slow
async def test_all_workers_serve_what_is_stored_and_take_what_is_imported(redis: RedisServer, written):
    where = ("--redis", redis.url)
    await wsgw("import", written(CHAT % ("chat", "first")), *where)
    async with serving(*where, "--workers", "2", "--drain-seconds", "0") as gateway:
        assert {await answer(gateway) for _ in range(10)} == {"first"}
        await wsgw("import", written(CHAT % ("chat", "second")), *where)
        await gateway.says("wsgw: deployed", 2)
        assert {await answer(gateway) for _ in range(10)} == {"second"}
        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 0
