"""What the policies of a principal allow: found out once for each route, and not kept without end."""

from __future__ import annotations

from typing import Any

import pytest

from wsgw.authorizers import grants as module
from wsgw.authorizers.grants import Grants
from wsgw.authorizers.policy import Decision, Names, compile_policy

INVOKE = "execute-api:Invoke"
ALLOW, DENY, SILENT = Decision.ALLOW, Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY


OFFICE = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
ELSEWHERE = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}


def policy(resource: str, **members: Any) -> Any:
    statement = {"Effect": "Allow", "Action": INVOKE, "Resource": resource, **members}
    return compile_policy({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The resources whose names policies were compared with, each time that they were."""
    resources: list[str] = []
    outlook = module.outlook

    def counting(policies: Any, action: str, resource: str, *more: Any) -> Any:
        resources.append(resource)
        return outlook(policies, action, resource, *more)

    monkeypatch.setattr(module, "outlook", counting)
    return resources


def facts() -> dict[str, str]:
    return {"aws:SourceIp": "192.0.2.1"}


def nothing() -> dict[str, str]:
    raise AssertionError("no policy asks for a fact")


def test_what_depends_on_the_resource_alone_is_decided_once(looked_at: list[str]):
    of_one = Grants([policy("a/*")])
    assert [of_one.decide(INVOKE, one, nothing) for one in ("a/1", "b/1", "a/1", "b/1")] == [ALLOW, SILENT] * 2
    assert looked_at == ["a/1", "b/1"]


def test_what_depends_on_the_request_is_decided_each_time(looked_at: list[str]):
    of_one = Grants([policy("a/*", Condition=OFFICE)])
    given = [facts(), {"aws:SourceIp": "198.51.100.1"}, facts()]
    assert [of_one.decide(INVOKE, "a/1", lambda one=one: one) for one in given] == [ALLOW, SILENT, ALLOW]
    assert looked_at == ["a/1"]


def test_names_with_variables_are_compared_each_time(looked_at: list[str]):
    of_one = Grants([policy("a/${aws:username}")])
    given = [{"aws:username": name} for name in ("ann", "bob", "ann")]
    assert [of_one.decide(INVOKE, "a/ann", lambda one=one: one) for one in given] == [ALLOW, SILENT, ALLOW]
    assert looked_at == ["a/ann"] * 3
    assert not of_one._outlooks


def test_facts_are_not_asked_for_where_no_fact_makes_a_difference():
    denied = policy("a/closed", Effect="Deny")
    of_one = Grants(
        [policy("a/*"), denied, policy("a/*", Condition=OFFICE), policy("a/office", Effect="Deny", Condition=ELSEWHERE)]
    )
    assert of_one.decide(INVOKE, "a/1", nothing) is ALLOW
    assert of_one.decide(INVOKE, "a/closed", nothing) is DENY
    assert of_one.decide(INVOKE, "b/1", nothing) is SILENT
    with pytest.raises(AssertionError):
        of_one.decide(INVOKE, "a/office", nothing)
    assert of_one.decide(INVOKE, "a/office", facts) is ALLOW
    assert of_one.decide(INVOKE, "a/office", lambda: {"aws:SourceIp": "198.51.100.1"}) is DENY


def test_other_names_of_a_resource_are_asked_for_once():
    asked: list[str] = []

    def names(resource: str) -> Names:
        asked.append(resource)
        return Names((resource,), (resource, "a/closed"))

    of_one = Grants([policy("a/*"), policy("a/closed", Effect="Deny")])
    assert [of_one.decide(INVOKE, "a/%63losed", nothing, names) for _ in range(3)] == [DENY] * 3
    assert asked == ["a/%63losed"]


def test_callers_who_make_up_paths_do_not_fill_the_memory(looked_at: list[str]):
    of_one = Grants([policy("a/*")], most=3)
    for number in range(1_000):
        assert of_one.decide(INVOKE, f"a/{number}", nothing) is ALLOW
    assert len(of_one._outlooks) == 3
    # Nor do they keep out what comes after them.
    looked_at.clear()
    assert [of_one.decide(INVOKE, "a/own", nothing) for _ in range(5)] == [ALLOW] * 5
    assert looked_at == ["a/own"]
