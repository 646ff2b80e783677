"""What is wrong with API keys and usage plans, in the service's words where it has some."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.harness.gateway import api, route
from tests.harness.rest_api import mock, rest_api
from tests.harness.usage import KEY, OTHER_KEY, VALUE, limit, plan, quota
from wsgw.definitions.check_usage import check_usage
from wsgw.definitions.finding import dotted
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan

PETS = rest_api(
    msgspec.structs.replace(mock("GET /pets"), api_key_required=True),
    *(mock(f"GET /{number}") for number in range(25)),
    mock("GET /"),
)
CHAT = api(route("$connect", api_key_required=True), route("send"))
SECRET = "a-secret-that-nobody-shows"


def said(keys: list[ApiKey], plans: list[UsagePlan]) -> list[tuple[str, str, str]]:
    findings = check_usage(keys, plans, [PETS, CHAT])
    assert not [one for one in findings if SECRET in str(one)]
    return [(one.severity, dotted(one.path), one.message) for one in findings]


def test_nothing_is_wrong_with_a_key_in_a_plan():
    assert said([KEY, OTHER_KEY], [plan(throttle=limit(1), quota=quota(5, offset=5))]) == []


KEYS = [
    ({"value": "x" * 19}, "value", "API Key value should be at least 20 characters"),
    ({"value": "x" * 129}, "value", "API Key value exceeds maximum size of 128 characters"),
    ({"value": "twenty characters of ä"}, "value", "no header can carry this value"),
    ({"value": " " + "x" * 20}, "value", "no header can carry this value"),
    ({"value": "x" * 20 + "\n"}, "value", "no header can carry this value"),
    ({"name": "x" * 1025}, "name", "Invalid API Key name, can be at most 1024 characters"),
    ({"description": "x" * 125_001}, "description", "Invalid API Key description specified"),
]


@pytest.mark.parametrize(("members", "where", "message"), KEYS)
def test_a_key_that_breaks_a_limit_is_an_error(members: dict[str, Any], where: str, message: str):
    key = ApiKey(**{"id": "partner", "value": VALUE, **members})
    assert said([key], []) == [("error", f"apiKeys.partner.{where}", message)]


@pytest.mark.parametrize(
    "members", [{"value": "x" * 20}, {"value": "x" * 128}, {"name": "x" * 1024}, {"description": "x" * 125_000}]
)
def test_a_key_at_its_limits_is_none(members: dict[str, Any]):
    assert said([ApiKey(**{"id": "partner", "value": VALUE, **members})], []) == []


def test_a_reference_that_is_not_filled_in_yet_says_nothing_of_the_value():
    assert said([ApiKey(id="partner", value="${SHORT}")], []) == []


def test_two_keys_of_one_value_are_an_error_that_does_not_show_it():
    """duplicate value: `API Key already exists`."""
    keys = [ApiKey(id="one", value=SECRET), ApiKey(id="two", value=SECRET)]
    assert said(keys, []) == [("error", "apiKeys.two.value", "API Key already exists")]


@pytest.mark.parametrize("id", ["a/b", "", "{x}", "a b", "x" * 65])
def test_ids_are_such_that_counters_can_have_them(id: str):
    message = "not an id that counters can have"
    assert [one[2] for one in said([ApiKey(id=id, value=VALUE)], [])] == [message]
    assert [one[2] for one in said([], [UsagePlan(id=id)])] == [message]


def staged(api_id: str = "pets", stage: str = "dev", **throttle: Any) -> PlanStage:
    return PlanStage(api_id=api_id, stage=stage, throttle=throttle)


PLANS = [
    (plan(stages=(staged("cats"),)), "apiStages[0].apiId", "there is no API 'cats'"),
    (plan(stages=(staged(), staged("chat", "dev"))), "apiStages[1].stage", "the API has no stage 'dev'"),
    (plan(stages=(staged(), staged())), "apiStages[1]", "the plan has the stage pets:dev twice"),
    (plan("partner", "unknown"), "keys[1]", "there is no API key 'unknown'"),
    (
        plan(stages=(staged(**{"GET /cats": limit(1)}),)),
        "apiStages[0].throttle./cats/GET",
        "the API has no such method",
    ),
    (
        plan(stages=(staged("chat", "prod", send=limit(1)),)),
        "apiStages[0].throttle.send",
        "the API has no such method",
    ),
]


@pytest.mark.parametrize(("one", "where", "message"), PLANS, ids=[message for _, _, message in PLANS])
def test_a_plan_that_names_what_is_not_there_is_an_error(one: UsagePlan, where: str, message: str):
    assert said([KEY, OTHER_KEY], [one]) == [("error", f"usagePlans.gold.{where}", message)]


def test_a_plan_may_limit_20_methods_of_a_stage_each():
    """at most 20 per-method entries."""
    limits = {f"GET /{number}": limit(1) for number in range(21)}
    errors = [one for one in said([KEY, OTHER_KEY], [plan(stages=(staged(**limits),))]) if one[0] == "error"]
    assert errors == [("error", "usagePlans.gold.apiStages[0].throttle", "limits for 21 methods, and 20 may have one")]
    limits.popitem()
    assert not [one for one in said([KEY, OTHER_KEY], [plan(stages=(staged(**limits),))]) if one[0] == "error"]


def test_a_limit_of_a_method_that_asks_for_no_key_is_said():
    assert said([KEY, OTHER_KEY], [plan(stages=(staged(**{"GET /": limit(1)}),))]) == [
        (
            "warning",
            "usagePlans.gold.apiStages[0].throttle.//GET",
            "the method requires no API key: nobody's requests are counted",
        )
    ]


def test_the_handshake_of_a_websocket_api_may_have_a_limit():
    assert said([KEY, OTHER_KEY], [plan(stages=(staged("chat", "prod", **{"$connect": limit(1)}),))]) == []


def test_a_key_is_in_one_plan_only_for_each_stage():
    """a key may be in several plans but in only one per API stage."""
    silver = plan("another", "partner", id="silver", stages=(staged(),))
    (finding,) = said([KEY, OTHER_KEY], [plan("partner"), silver])
    assert finding[:2] == ("error", "usagePlans.silver.keys[1]")
    assert "the plan 'gold', too, which has pets:dev" in finding[2]


@pytest.mark.parametrize(("number", "errors"), [(10, 0), (11, 1)])
def test_a_key_is_in_10_plans_at_most(number: int, errors: int):
    """≤ 10 plans per key."""
    plans = [UsagePlan(id=f"plan{n}", keys=("partner",)) for n in range(number)]
    findings = said([KEY], plans)
    assert [one[:2] for one in findings] == [("error", "usagePlans.plan10.keys[0]")] * errors


def test_a_key_named_twice_and_an_offset_over_the_limit_are_warnings():
    findings = said([KEY], [plan("partner", "partner", quota=quota(1, offset=2))])
    assert [(one[0], one[1]) for one in findings] == [
        ("warning", "usagePlans.gold.keys[1]"),
        ("warning", "usagePlans.gold.quota.offset"),
    ]
