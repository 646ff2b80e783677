"""API keys and usage plans from files and stores: served, watched, imported, taken without a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from click.testing import CliRunner, Result

from tests.cli.test_import import serving, wsgw
from tests.harness.redis_server import RedisServer
from tests.harness.serving import Served
from tests.harness.until import until
from tests.harness.usage import KEYED_API as API
from tests.harness.workers import serving_with_workers
from wsgw.cli.stored_definitions import API_KEY, USAGE_PLAN
from wsgw.settings import Settings
from wsgw.stores.document_store import document_store

KEY = """
apiKeys:
  partner: {value: %s}
"""
PLAN = """
usagePlans:
  gold:
    apiStages: [{apiId: pets, stage: dev}]
    quota: {limit: %d, period: DAY}
    keys: [partner]
"""
VALUE, OTHER = "partner-value-of-30-characters-", "another-value-of-30-characters-"

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str, name: str = "wsgw.yaml") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return written


@pytest.fixture(params=["data", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path, redis: RedisServer) -> tuple[str, str]:
    return ("--data", str(tmp_path / "data")) if request.param == "data" else ("--redis", redis.url)


async def status(served: Served, value: str = VALUE) -> int:
    url = f"{served.ready['data']}/pets/dev/pets"
    async with ClientSession() as session, session.get(url, headers={"x-api-key": value}) as answer:
        return answer.status


async def becomes(served: Served, expected: int, value: str = VALUE) -> None:
    """Return once a request is answered so."""
    async with asyncio.timeout(20):
        while await status(served, value) != expected:
            await asyncio.sleep(0.05)


async def stored(where: tuple[str, str], kind: str) -> dict[str, Any]:
    async with document_store(Settings(**{where[0].removeprefix("--"): where[1]})) as store:
        return {name: json.loads(body) for name, body in (await store.documents.all(kind)).items()}


# ---- files


async def test_keys_of_a_file_are_served_and_a_saved_change_is_taken(write: Write):
    file = write(API + KEY % VALUE + PLAN % 100, "wsgw.yaml")
    async with serving(file, "--watch") as served:
        assert [await status(served, value) for value in (VALUE, OTHER)] == [200, 403]
        write(API + KEY % OTHER + PLAN % 100, "wsgw.yaml")
        await becomes(served, 200, OTHER)
        assert await status(served) == 403


async def test_a_change_that_is_wrong_leaves_the_keys_as_they_were(write: Write):
    file = write(API + KEY % VALUE + PLAN % 100, "wsgw.yaml")
    async with serving(file, "--watch") as served:
        write(API + KEY % "short" + PLAN % 100, "wsgw.yaml")
        await served.says("not deployed; what was deployed before is still served")
        assert await status(served) == 200
        assert not [line for line in served.log if "short" in line]


async def test_all_workers_take_keys_and_answer_for_usage(write: Write, own_redis: RedisServer):
    file = write(API + KEY % VALUE + PLAN % 20, "wsgw.yaml")
    async with serving_with_workers(Path(file), own_redis.url) as served:
        answers = [await status(served) for _ in range(30)]
        assert (answers.count(200), answers.count(429)) == (20, 10)
        control = served.ready["control"]

        async def used() -> int:
            result = await usage("show", "gold", "--json", "--control", control)
            return int(json.loads(result.output)["usage"][0][0])

        async with asyncio.timeout(20):
            while await used() != 20:  # the other worker hands over what it has counted within a second
                await asyncio.sleep(0.1)
        result = await usage("extend", "gold", "partner", "3", "--control", control)
        assert result.output == "partner  used 20 today  remaining 3\n"
        await becomes(served, 200)
        result = await usage("export", "gold", "--control", control)
        assert result.output.startswith("key,name,plan,customer,date,used,remaining\npartner,,gold,,")


async def usage(*words: str) -> Result:
    from wsgw.cli.main import main

    return await asyncio.to_thread(CliRunner().invoke, main, ["usage", *words], catch_exceptions=False)


# ---- what is counted survives


@asynccontextmanager
async def started(*words: str) -> AsyncIterator[Served]:
    async with serving(*words) as served:
        yield served
        served.process.terminate()
        assert await served.ended() == 0


async def test_what_was_used_survives_a_restart(write: Write, tmp_path: Path):
    """Counting survives a restart: ended as it should be, nothing is lost."""
    file, data = write(API + KEY % VALUE + PLAN % 5, "wsgw.yaml"), str(tmp_path / "data")
    async with started(file, "--data", data) as served:
        assert [await status(served) for _ in range(3)] == [200] * 3
    async with started(file, "--data", data) as served:
        result = await usage("show", "gold", "--json", "--control", served.ready["control"])
        assert json.loads(result.output)["usage"] == [[3, 2]]
        assert [await status(served) for _ in range(3)] == [200, 200, 429]


async def test_a_process_that_is_killed_loses_no_more_than_its_last_two_seconds(write: Write, tmp_path: Path):
    file, data = write(API + KEY % VALUE + PLAN % 100, "wsgw.yaml"), str(tmp_path / "data")
    async with serving(file, "--data", data) as served:
        assert [await status(served) for _ in range(3)] == [200] * 3
        await written_to(Path(data), 3)
        assert await status(served) == 200
        served.process.kill()
        await served.ended()
    async with serving(file, "--data", data) as served:
        result = await usage("show", "gold", "--json", "--control", served.ready["control"])
        ((used, remaining),) = json.loads(result.output)["usage"]
        assert used in (3, 4)
        assert remaining in (96, 97)


async def written_to(data: Path, number: int) -> None:
    """Return once both counters stand in the database."""
    import sqlite3

    def sums() -> bool:
        database = sqlite3.connect(f"file:{data / 'wsgw.sqlite'}?mode=ro", uri=True)
        try:
            return [row[0] for row in database.execute("SELECT used FROM quota")] == [number] * 2
        finally:
            database.close()

    await until(sums, 20)


# ---- imports


async def test_a_key_that_is_imported_is_good_on_gateways_that_run(where: tuple[str, str], write: Write):
    await wsgw("import", write(API, "api.yaml"), *where)
    async with serving(*where) as served:
        assert await status(served) == 403
        result = await wsgw("import", write(KEY % VALUE + PLAN % 100, "keys.yaml"), *where)
        assert result.output.splitlines() == [
            "stored API key partner (revision 3)",
            "stored usage plan gold (revision 4)",
        ]
        await becomes(served, 200)
        result = await wsgw("import", write((KEY % VALUE).replace("}", ", enabled: false}"), "k.yaml"), *where)
        assert result.exit_code == 0
        await becomes(served, 403)


async def test_what_is_stored_has_the_services_shape_and_references_stay(where: tuple[str, str], write: Write):
    await wsgw("import", write(API + KEY % '"${PARTNER}"' + PLAN % 7, "wsgw.yaml"), *where)
    assert await stored(where, API_KEY) == {
        "partner": {
            "id": "partner",
            "value": "${PARTNER}",
            "name": "",
            "description": "",
            "enabled": True,
            "customerId": "",
        }
    }
    assert (await stored(where, USAGE_PLAN))["gold"]["quota"] == {"limit": 7, "offset": 0, "period": "DAY"}


async def test_a_csv_of_keys_is_imported_into_the_plans_that_it_names(where: tuple[str, str], write: Write):
    await wsgw("import", write(API + KEY % VALUE + PLAN % 100, "wsgw.yaml"), *where)
    text = f"name,key,usageplanids\nNew,{OTHER},gold\nKnown,{VALUE},\n"
    result = await wsgw("import", write(text, "keys.csv"), *where)
    assert (result.exit_code, VALUE in result.output, OTHER in result.output) == (0, False, False)
    keys, plans = await stored(where, API_KEY), await stored(where, USAGE_PLAN)
    (new,) = keys.keys() - {"partner"}
    assert {key: (one["name"], one["value"]) for key, one in keys.items()} == {
        new: ("New", OTHER),
        "partner": ("Known", VALUE),
    }
    assert plans["gold"]["keys"] == ["partner", new]
    async with serving(*where) as served:
        assert [await status(served, value) for value in (VALUE, OTHER)] == [200, 200]


async def test_a_csv_imported_again_changes_the_same_keys(where: tuple[str, str], write: Write):
    """same key value again overwrites."""
    await wsgw("import", write(API + KEY % VALUE + PLAN % 100, "wsgw.yaml"), *where)
    for name, enabled in (("First", "true"), ("Second", "false")):
        text = f"Name,Key,Enabled,UsagePlanIds\n{name},{OTHER},{enabled},'gold'\n"
        assert (await wsgw("import", write(text, "keys.csv"), *where)).exit_code == 0
    keys, plans = await stored(where, API_KEY), await stored(where, USAGE_PLAN)
    (new,) = keys.keys() - {"partner"}
    assert (keys[new]["name"], keys[new]["enabled"]) == ("Second", False)
    assert plans["gold"]["keys"] == ["partner", new]


async def test_a_csv_and_its_plans_are_imported_together(where: tuple[str, str], write: Write):
    files = [write(API + PLAN.replace("[partner]", "[]") % 9, "wsgw.yaml")]
    files.append(write(f"Name,Key,UsagePlanIds\nNew,{OTHER},gold\n", "keys.csv"))
    assert (await wsgw("import", *files, *where)).exit_code == 0
    (new,) = await stored(where, API_KEY)
    assert (await stored(where, USAGE_PLAN))["gold"]["keys"] == [new]


async def test_a_plan_that_a_csv_names_and_nobody_knows_is_a_warning(where: tuple[str, str], write: Write):
    """answer has warnings; failonwarnings."""
    file = write(f"Name,Key,UsagePlanIds\nNew,{OTHER},silver\n", "keys.csv")
    refused = await wsgw("import", file, *where, "--fail-on-warnings")
    assert (refused.exit_code, await stored(where, API_KEY)) == (1, {})
    result = await wsgw("import", file, *where)
    assert result.exit_code == 0
    assert "keys.csv:2:1: warning: there is no usage plan 'silver'" in result.output
    assert len(await stored(where, API_KEY)) == 1


async def test_of_a_csv_with_a_bad_line_nothing_is_stored(where: tuple[str, str], write: Write):
    file = write(f"Name,Key\nNew,{OTHER}\nBad,short\n", "keys.csv")
    result = await wsgw("import", file, *where)
    assert result.exit_code == 1
    assert "keys.csv:3:1: error: API Key value should be at least 30 characters" in result.output
    assert await stored(where, API_KEY) == {}


DELETIONS = {
    "pets": "error: usagePlans.gold.apiStages[0].apiId: there is no API 'pets'",
    "partner": "error: usagePlans.gold.keys[0]: there is no API key 'partner'",
}


@pytest.mark.parametrize(("name", "message"), DELETIONS.items())
async def test_what_a_stored_plan_needs_is_not_deleted_without_it(
    where: tuple[str, str], write: Write, name: str, message: str
):
    await wsgw("import", write(API + KEY % VALUE + PLAN % 100, "wsgw.yaml"), *where)
    result = await wsgw("import", "--delete", name, *where)
    assert (result.exit_code, message in result.output) == (1, True)
    assert list(await stored(where, API_KEY)) == ["partner"]
    result = await wsgw("import", "--delete", name, "--delete", "gold", *where)
    assert result.exit_code == 0
    assert await stored(where, USAGE_PLAN) == {}


async def test_a_stage_that_a_stored_plan_has_cannot_go(where: tuple[str, str], write: Write):
    await wsgw("import", write(API + KEY % VALUE + PLAN % 100, "wsgw.yaml"), *where)
    result = await wsgw("import", write(API.replace("dev:", "prod:"), "api.yaml"), *where)
    assert result.exit_code == 1
    assert "usagePlans.gold.apiStages[0].stage: the API has no stage 'dev'" in result.output


async def test_a_key_whose_value_another_stored_one_has_is_refused(where: tuple[str, str], write: Write):
    await wsgw("import", write(KEY % VALUE, "one.yaml"), *where)
    result = await wsgw("import", write((KEY % VALUE).replace("partner:", "other:"), "two.yaml"), *where)
    assert (result.exit_code, "API Key already exists" in result.output) == (1, True)


async def test_a_stored_key_that_cannot_be_read_is_said_without_it(where: tuple[str, str], write: Write):
    await wsgw("import", write(API, "api.yaml"), *where)
    async with document_store(Settings(**{where[0].removeprefix("--"): where[1]})) as store:
        await store.documents.write(API_KEY, {"bad": b'{"id": "bad", "value": 5, "name": "' + VALUE.encode() + b'"}'})
    from tests.harness.serving import DidNotStart

    with pytest.raises(DidNotStart) as told:
        async with serving(*where):
            pass
    assert "apiKeys.bad: the stored document cannot be read (import the key again)" in told.value.said
    assert VALUE not in told.value.said
