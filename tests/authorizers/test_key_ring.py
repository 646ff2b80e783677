"""API keys in force: found by their values, with what their plans let them do on a stage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.harness.usage import KEY, OTHER_KEY, OTHER_VALUE, VALUE, limit, on_both, plan, quota
from wsgw.authorizers.key_ring import Allowance, KeyRing
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan

HERE, THERE = ("pets", "dev"), ("chat", "prod")


def test_a_key_is_found_by_its_value_with_its_id():
    held = KeyRing([KEY, OTHER_KEY], [plan()]).find(VALUE)
    assert held is not None
    assert held.key == ("partner", VALUE)


def test_nothing_is_found_by_a_part_of_a_value_or_by_an_id():
    ring = KeyRing([KEY], [plan()])
    assert [ring.find(text) for text in (VALUE[:-1], VALUE + "x", VALUE.upper(), "partner", "")] == [None] * 5


def test_a_key_that_is_not_enabled_is_not_there():
    ring = KeyRing([ApiKey(id="partner", value=VALUE, enabled=False), OTHER_KEY], [plan()])
    assert (ring.find(VALUE), len(ring)) == (None, 1)


def test_a_key_has_what_its_plan_says_on_each_stage():
    methods = {"GET /pets": limit(1)}
    held = KeyRing([KEY], [plan(throttle=limit(5), quota=quota(9), stages=on_both(**methods))]).find(VALUE)
    assert held is not None
    assert held.stages == {
        HERE: Allowance("gold", limit(5), methods, quota(9)),
        THERE: Allowance("gold", limit(5), {}, quota(9)),
    }


def test_a_key_of_several_plans_has_each_on_its_own_stage():
    gold = plan(stages=(PlanStage(api_id="pets", stage="dev"),))
    silver = plan("partner", id="silver", stages=(PlanStage(api_id="chat", stage="prod"),))
    ring = KeyRing([KEY, OTHER_KEY], [gold, silver])
    held, other = ring.find(VALUE), ring.find(OTHER_VALUE)
    assert held is not None
    assert other is not None
    assert {where: one.plan for where, one in held.stages.items()} == {HERE: "gold", THERE: "silver"}
    assert {where: one.plan for where, one in other.stages.items()} == {HERE: "gold"}


def test_of_two_plans_that_have_the_same_stage_the_first_counts():
    held = KeyRing([KEY], [plan(), plan(id="silver")]).find(VALUE)
    assert held is not None
    assert {one.plan for one in held.stages.values()} == {"gold"}


def test_keys_of_the_same_plans_share_what_these_say():
    ring = KeyRing([KEY, OTHER_KEY], [plan()])
    held, other = ring.find(VALUE), ring.find(OTHER_VALUE)
    assert held is not None
    assert other is not None
    assert held.stages is other.stages


IDS = st.sampled_from("abcdef")
PLANS = st.lists(
    st.builds(
        UsagePlan,
        id=st.uuids().map(str),
        stages=st.lists(st.builds(PlanStage, api_id=IDS, stage=st.just("dev")), max_size=3).map(tuple),
        keys=st.lists(IDS, max_size=4).map(tuple),
    ),
    max_size=5,
)


@given(PLANS, st.dictionaries(IDS, st.booleans()))
def test_a_key_is_let_on_a_stage_if_some_plan_has_both(plans: list[UsagePlan], enabled: dict[str, bool]):
    ring = KeyRing([ApiKey(id=key, value=f"value of {key}", enabled=on) for key, on in enabled.items()], plans)
    for key, on in enabled.items():
        expected = {(stage.api_id, "dev") for one in plans if key in one.keys for stage in one.stages}
        held = ring.find(f"value of {key}")
        assert (held is not None) == on
        assert held is None or held.stages.keys() == expected
