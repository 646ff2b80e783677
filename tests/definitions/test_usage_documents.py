"""API keys and usage plans in API Gateway's shapes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.usage import KEY, limit, on_both, plan, quota
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.definitions.usage_documents import (
    api_key_document,
    api_key_of,
    method_key,
    route_key,
    usage_plan_document,
    usage_plan_of,
)

METHODS = [
    ("/pets/GET", "GET /pets"),
    ("//GET", "GET /"),
    ("/pets/{id}/ANY", "ANY /pets/{id}"),
    ("/{proxy+}/POST", "POST /{proxy+}"),
    ("$connect", "$connect"),
]


@pytest.mark.parametrize(("text", "key"), METHODS)
def test_a_method_of_a_plan_is_a_route(text: str, key: str):
    """apiStages[].throttle: "/path/VERB", root is `//VERB`."""
    assert (route_key(text), method_key(key)) == (key, text)


def test_a_plan_has_the_services_shape():
    gold = plan("partner", throttle=limit(2, 1.5), quota=quota(9, "WEEK", 4), stages=on_both(**{"GET /": limit(1, 3)}))
    assert usage_plan_document(gold) == {
        "id": "gold",
        "name": "",
        "description": "",
        "apiStages": [
            {"apiId": "pets", "stage": "dev", "throttle": {"//GET": {"burstLimit": 1, "rateLimit": 3}}},
            {"apiId": "chat", "stage": "prod"},
        ],
        "keys": ["partner"],
        "throttle": {"burstLimit": 2, "rateLimit": 1.5},
        "quota": {"limit": 9, "offset": 4, "period": "WEEK"},
    }


def test_a_quota_has_always_an_offset_and_a_period():
    """`quota` output always has offset (0) and period."""
    assert usage_plan_document(plan(quota=quota(1)))["quota"] == {"limit": 1, "offset": 0, "period": "DAY"}


@pytest.mark.parametrize("one", [plan(), plan(quota=quota(1)), plan(throttle=limit(1)), UsagePlan(id="none")])
def test_what_is_written_is_read_again(one: UsagePlan):
    assert usage_plan_of(msgspec.json.decode(msgspec.json.encode(usage_plan_document(one)))) == one


TEXT = st.text(max_size=30)


@given(st.builds(ApiKey, id=TEXT, value=TEXT, name=TEXT, enabled=st.booleans(), description=TEXT, customer_id=TEXT))
def test_a_key_that_is_written_is_read_again(key: ApiKey):
    assert api_key_of(api_key_document(key)) == key


def test_a_key_that_says_little_is_enabled():
    assert api_key_of({"id": "partner", "value": KEY.value}) == ApiKey(id="partner", value=KEY.value)


@pytest.mark.parametrize("document", [{"id": "gold", "quota": {"limit": "x"}}, {"id": "gold", "throttle": {}}])
def test_what_is_no_plan_is_refused(document: dict[str, object]):
    with pytest.raises(msgspec.ValidationError):
        usage_plan_of(document)
