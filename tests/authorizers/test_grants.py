"""What the policies of a principal allow: decided once where nothing else decides, and not kept without end."""

from __future__ import annotations

from typing import Any

import pytest

from wsgw.authorizers import grants as module
from wsgw.authorizers.grants import Grants
from wsgw.authorizers.policy import Decision, compile_policy

INVOKE = "execute-api:Invoke"
ALLOW, SILENT = Decision.ALLOW, Decision.IMPLICIT_DENY


def policy(resource: str, **members: Any) -> Any:
    statement = {"Effect": "Allow", "Action": INVOKE, "Resource": resource, **members}
    return compile_policy({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The resources that were evaluated, each time that they were."""
    resources: list[str] = []
    evaluate = module.evaluate

    def counting(policies: Any, action: str, resource: str, *more: Any) -> Decision:
        resources.append(resource)
        return evaluate(policies, action, resource, *more)

    monkeypatch.setattr(module, "evaluate", counting)
    return resources


def facts() -> dict[str, str]:
    return {"aws:SourceIp": "192.0.2.1"}


def nothing() -> dict[str, str]:
    raise AssertionError("no policy asks for a fact")


def test_what_depends_on_the_resource_alone_is_decided_once(evaluated: list[str]):
    of_one = Grants([policy("a/*")])
    assert [of_one.decide(INVOKE, one, nothing) for one in ("a/1", "b/1", "a/1", "b/1")] == [ALLOW, SILENT] * 2
    assert evaluated == ["a/1", "b/1"]


def test_what_depends_on_the_request_is_decided_each_time(evaluated: list[str]):
    of_one = Grants([policy("a/*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})])
    given = [facts(), {"aws:SourceIp": "198.51.100.1"}, facts()]
    assert [of_one.decide(INVOKE, "a/1", lambda one=one: one) for one in given] == [ALLOW, SILENT, ALLOW]
    assert len(evaluated) == 3


def test_callers_who_make_up_paths_do_not_fill_the_memory(evaluated: list[str]):
    of_one = Grants([policy("a/*")], most=3)
    for number in range(1_000):
        assert of_one.decide(INVOKE, f"a/{number}", nothing) is ALLOW
    assert len(of_one._decisions) == 3
    # Nor do they keep out what comes after them.
    evaluated.clear()
    assert [of_one.decide(INVOKE, "a/own", nothing) for _ in range(5)] == [ALLOW] * 5
    assert evaluated == ["a/own"]
