"""Slips in resource policies that compile: each is said with its place."""

from __future__ import annotations

from typing import Any

import pytest

from wsgw.authorizers.facts import _READERS, KEYS
from wsgw.authorizers.iam_identity import SESSION_ARN, facts_of_key, identity_of
from wsgw.authorizers.policy_words import without_effect
from wsgw.definitions.access import AccessKey

DENY = {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}


def said(**members: Any) -> list[str]:
    return [f"{message} ({remedy})" for message, remedy in without_effect({"Statement": {**DENY, **members}})]


@pytest.mark.parametrize(
    "action", ["execute-api:Invoke", "EXECUTE-API:invoke", "execute-api:*", "*", "execute-api:Inv*"]
)
def test_what_requests_are_asked_about_is_not_remarked_on(action: str):
    condition = {"IpAddress": {"AWS:SourceIP": "192.0.2.0/24"}, "StringEquals": {"aws:PrincipalTag/team": "blue"}}
    assert said(Action=[action], Condition=condition) == []


@pytest.mark.parametrize("action", ["execute-api:Invok", "execute-api:Invoke ", "s3:GetObject", "invoke"])
def test_an_action_that_no_request_is_asked_about_is_remarked_on(action: str):
    (one,) = said(Action=["execute-api:Invoke", action])
    assert one.startswith(f"Statement.Action: no request is asked about {action} (there are: execute-api:Invoke, ")


def test_a_key_that_no_request_has_is_remarked_on():
    (one,) = said(Condition={"IpAddress": {"aws:SorceIp": "192.0.2.0/24"}})
    assert one.startswith("Statement.Condition.IpAddress.aws:SorceIp: no request has this key here")
    assert one.endswith("(did you mean aws:SourceIp?)")


def test_every_key_that_a_request_can_have_is_known():
    key = AccessKey(access_key_id="A", secret="s", principal="arn:aws:iam::1:user/ada", organization_id="o-1")
    assert {*_READERS, *facts_of_key(key, identity_of(key))} - {SESSION_ARN} == {*KEYS}
