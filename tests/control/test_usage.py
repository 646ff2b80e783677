"""Usage plans on the control port and in `wsgw usage`: shown, extended, exported."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from click.testing import CliRunner, Result

from tests.harness.gateway import TestGateway
from tests.harness.rest_api import ask, mock, rest_api
from tests.harness.usage import KEY, OTHER_KEY, OTHER_VALUE, VALUE, it_is, limit, plan, quota
from wsgw.cli.main import main
from wsgw.control import usage
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.errors import StoreUnavailable

NOON, DAY = "2026-11-18T12:00:00", "2026-11-18"  # a Wednesday
WEEKLY = plan(quota=quota(10, "WEEK"))


@pytest.fixture
def lanes() -> bool:
    """The control port has no lanes: once is enough."""
    return True


@pytest.fixture
async def served(gateway: TestGateway) -> TestGateway:
    it_is(gateway, NOON)
    gateway.deploy(rest_api(msgspec.structs.replace(mock("GET /pets"), api_key_required=True)))
    keep(gateway, WEEKLY)
    return gateway


def keep(gateway: TestGateway, *plans: UsagePlan, keys: tuple[ApiKey, ...] = (KEY, OTHER_KEY)) -> None:
    gateway.app.admit_keys(keys, plans)


async def use(gateway: TestGateway, times: int, value: str = VALUE) -> list[int]:
    return [(await ask(gateway, "GET", "/pets", f"x-api-key: {value}")).status for _ in range(times)]


async def control(gateway: TestGateway, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    async with ClientSession() as session, session.request(method, gateway.control + path, json=body) as answer:
        return answer.status, json.loads(await answer.read())


async def items(gateway: TestGateway, query: str = "", of: str = "gold") -> Any:
    status, document = await control(gateway, f"/usageplans/{of}/usage{query}")
    assert status == 200
    return document["items"]


async def wsgw(gateway: TestGateway, *words: str) -> Result:
    """Run `wsgw usage WORDS`; in a thread, because the gateway runs in this one."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["usage", *words, "--control", gateway.control])


# ---- GetUsage


async def test_a_plan_that_nobody_has_used_shows_a_day_of_nothing(served: TestGateway):
    status, document = await control(served, "/usageplans/gold/usage")
    expected = {"usagePlanId": "gold", "startDate": DAY, "endDate": DAY}
    assert (status, document) == (200, {**expected, "items": {"partner": [[0, 10]], "another": [[0, 10]]}})


async def test_what_was_used_a_moment_ago_is_shown(served: TestGateway):
    await use(served, 3)
    await use(served, 1, OTHER_VALUE)
    assert await items(served) == {"partner": [[3, 7]], "another": [[1, 9]]}
    assert await items(served, "?keyId=partner") == {"partner": [[3, 7]]}


async def test_each_day_of_a_period_leaves_less_until_the_next_begins(served: TestGateway):
    for day, times in (("2026-11-20", 2), ("2026-11-22", 3), ("2026-11-23", 1)):
        it_is(served, f"{day}T12:00:00")
        await use(served, times)
    used = (await items(served, "?startDate=2026-11-19&endDate=2026-11-23"))["partner"]
    assert used == [[0, 10], [2, 8], [0, 8], [3, 5], [1, 9]]


async def test_a_range_that_begins_within_a_period_counts_the_days_before(served: TestGateway):
    await use(served, 4)
    it_is(served, "2026-11-21T12:00:00")
    assert (await items(served, "?startDate=2026-11-19&endDate=2026-11-21"))["partner"] == [[0, 6], [0, 6], [0, 6]]


async def test_requests_that_were_refused_are_not_used(served: TestGateway):
    keep(served, plan(quota=quota(2)))
    assert await use(served, 4) == [200, 200, 429, 429]
    assert (await items(served))["partner"] == [[2, 0]]


async def test_an_offset_is_not_left_in_the_first_period(served: TestGateway):
    keep(served, plan(quota=quota(10, "WEEK", 4)))
    await use(served, 2)
    it_is(served, "2026-11-19T12:00:00")
    assert (await items(served, "?startDate=2026-11-18&endDate=2026-11-19"))["partner"] == [[2, 4], [0, 4]]


async def test_a_plan_without_a_quota_has_nothing_remaining_to_show(served: TestGateway):
    keep(served, plan(throttle=limit(5)))
    await use(served, 2)
    assert (await items(served))["partner"] == [[2, None]]


async def test_a_key_that_left_the_plan_can_still_be_asked_for(served: TestGateway):
    await use(served, 2)
    keep(served, plan("another", quota=quota(10, "WEEK")))
    assert "partner" not in await items(served)
    assert await items(served, "?keyId=partner") == {"partner": [[2, 8]]}


async def test_many_keys_come_page_by_page(served: TestGateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(usage, "_PAGE", 2)
    keys = tuple(ApiKey(id=f"key{n}", value=f"value of 20 or more {n}") for n in range(5))
    keep(served, plan(*(key.id for key in keys)), keys=keys)
    seen, query, pages = [], "", 0
    while True:
        _, document = await control(served, f"/usageplans/gold/usage{query}")
        seen += document["items"]
        pages += 1
        if "position" not in document:
            break
        query = f"?position={document['position']}"
    assert (seen, pages) == ([key.id for key in keys], 3)
    shown = (await wsgw(served, "show", "gold")).output.splitlines()
    assert [line.split()[0] for line in shown] == seen
    exported = (await wsgw(served, "export", "gold")).output.splitlines()
    assert len(exported) == 6


REFUSED = [
    ("GET", "/usageplans/silver/usage", None, 404, "Invalid Usage Plan ID specified"),
    ("GET", "/usageplans/silver/usage.csv", None, 404, "Invalid Usage Plan ID specified"),
    ("GET", "/usageplans/gold/usage?startDate=18.11.2026", None, 400, "startDate: expected a day as YYYY-MM-DD"),
    ("GET", "/usageplans/gold/usage?endDate=2026-02-30", None, 400, "endDate: expected a day as YYYY-MM-DD"),
    ("GET", "/usageplans/gold/usage?startDate=2026-11-19", None, 400, "startDate is after endDate"),
    ("GET", "/usageplans/gold/usage?startDate=2026-08-20", None, 400, "no more than 90 days can be asked for at once"),
    ("GET", "/usageplans/gold/usage?limit=0", None, 400, "limit: expected at least 1"),
    ("GET", "/usageplans/gold/usage?position=x", None, 400, "position: expected what `position` of another page said"),
    ("PATCH", "/usageplans/silver/keys/partner/usage", [], 404, "Invalid Usage Plan ID specified"),
    ("PATCH", "/usageplans/gold/keys/nobody/usage", [], 404, "Invalid API Key identifier specified"),
    ("PATCH", "/usageplans/gold/keys/partner/usage", [], 400, 'expected {"patchOperations"'),
    (
        "PATCH",
        "/usageplans/gold/keys/partner/usage",
        [{"op": "replace", "path": "/used", "value": "1"}],
        400,
        "Invalid patch path  '/used' specified for op 'replace'. Must be one of: [/remaining]",
    ),
    (
        "PATCH",
        "/usageplans/gold/keys/partner/usage",
        [{"op": "add", "path": "/remaining", "value": "1"}],
        400,
        "Invalid patch path  '/remaining' specified for op 'add'",
    ),
    *(
        (
            "PATCH",
            "/usageplans/gold/keys/partner/usage",
            [{"op": "replace", "path": "/remaining", "value": value}],
            400,
            "/remaining: expected a whole number, as text",
        )
        for value in ("-1", "1.5", "many", 5, "9" * 17)
    ),
]


@pytest.mark.parametrize(("method", "path", "patch", "status", "message"), REFUSED)
async def test_what_cannot_be_answered_says_why(
    served: TestGateway, method: str, path: str, patch: Any, status: int, message: str
):
    body = None if patch is None else {"patchOperations": patch}
    answered, document = await control(served, path, method, body)
    assert answered == status
    assert document["message"].startswith(message)


async def test_90_days_can_be_asked_for(served: TestGateway):
    """startDate, endDate (≤ 90 days)."""
    assert len((await items(served, "?startDate=2026-08-21"))["partner"]) == 90


async def test_without_its_store_usage_cannot_be_told(served: TestGateway, monkeypatch: pytest.MonkeyPatch):
    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("Redis is away")

    monkeypatch.setattr(served.app.access.quota, "used", away)
    for path in ("usage", "usage.csv"):
        status, document = await control(served, f"/usageplans/gold/{path}")
        assert (status, document) == (503, {"message": "Usage cannot be told now: Redis is away"})


# ---- UpdateUsage


async def test_more_of_a_quota_is_left_once_it_was_granted(served: TestGateway):
    """UpdateUsage `/remaining` replace grants extension for the current period."""
    keep(served, plan(quota=quota(1, "WEEK")))
    assert await use(served, 2) == [200, 429]
    patch = {"patchOperations": [{"op": "replace", "path": "/remaining", "value": "2"}]}
    status, document = await control(served, "/usageplans/gold/keys/partner/usage", "PATCH", patch)
    assert (status, document["items"]) == (200, {"partner": [[1, 2]]})
    assert await use(served, 3) == [200, 200, 429]
    it_is(served, "2026-11-23T00:00:01")
    assert await use(served, 2) == [200, 429]


async def test_a_plan_without_a_quota_has_none_to_extend(served: TestGateway):
    keep(served, plan())
    result = await wsgw(served, "extend", "gold", "partner", "5")
    assert (result.exit_code, result.output) == (
        1,
        "wsgw: 400: the usage plan gold has no quota: nothing runs out\n",
    )


# ---- wsgw usage


async def test_list_shows_each_plan_in_a_line_and_no_value(served: TestGateway):
    keep(served, plan(throttle=limit(5, 2.5), quota=quota(9, "MONTH")), UsagePlan(id="none"))
    result = await wsgw(served, "list")
    assert result.output.splitlines() == [
        "gold  pets:dev,chat:prod  keys 2  rate 2.5/s burst 5  quota 9 a month",
        "none  no stages  keys 0",
    ]
    as_json = [json.loads(line) for line in (await wsgw(served, "list", "--json")).output.splitlines()]
    assert [one["id"] for one in as_json] == ["gold", "none"]
    assert VALUE not in str(as_json)


async def test_show_extend_and_export_speak_of_days(served: TestGateway, tmp_path: Path):
    await use(served, 2)
    shown = await wsgw(served, "show", "gold", "--from", "2026-11-17", "--key", "partner", "--to", DAY)
    assert shown.output.splitlines() == [
        "partner  2026-11-17  used 0  remaining 10",
        "partner  2026-11-18  used 2  remaining 8",
    ]
    assert (await wsgw(served, "extend", "gold", "partner", "99")).output == "partner  used 2 today  remaining 99\n"
    (line,) = (await wsgw(served, "show", "gold", "--key", "partner", "--json")).output.splitlines()
    assert json.loads(line) == {"keyId": "partner", "startDate": DAY, "usage": [[2, 99]]}
    file = tmp_path / "usage.csv"
    assert (await wsgw(served, "export", "gold", "--out", str(file))).exit_code == 0
    assert list(csv.reader(io.StringIO(file.read_text(), newline=""))) == [
        ["key", "name", "plan", "customer", "date", "used", "remaining"],
        ["partner", "", "gold", "customer-1", DAY, "2", "99"],
        ["another", "", "gold", "", DAY, "0", "10"],
    ]


async def test_a_name_that_is_a_formula_is_text_in_the_export(served: TestGateway):
    keep(served, WEEKLY, keys=(msgspec.structs.replace(KEY, name="=HYPERLINK(1)"), OTHER_KEY))
    exported = (await wsgw(served, "export", "gold")).output
    assert "partner,'=HYPERLINK(1),gold" in exported


async def test_an_export_that_cannot_be_written_says_so(served: TestGateway, tmp_path: Path):
    result = await wsgw(served, "export", "gold", "--out", str(tmp_path / "no" / "file.csv"))
    assert (result.exit_code, "cannot be written: No such file or directory" in result.output) == (1, True)


async def test_no_command_shows_a_value(served: TestGateway):
    for words in (["list"], ["list", "--json"], ["show", "gold"], ["export", "gold"]):
        result = await wsgw(served, *words)
        assert result.exit_code == 0
        assert VALUE not in result.output


async def test_a_plan_that_is_not_there_ends_with_1(served: TestGateway):
    result = await wsgw(served, "show", "silver")
    assert (result.exit_code, result.output) == (1, "wsgw: 404: Invalid Usage Plan ID specified\n")
