"""Who may use @connections."""

from __future__ import annotations

from typing import Any

import pytest

from tests.authorizers.sigv4_signing import CONNECTION, HOST, KEY, NOW, altered, sign, with_header
from wsgw.authorizers import grants, management
from wsgw.authorizers.iam import SignedRequest
from wsgw.authorizers.management import ManagementGuard
from wsgw.authorizers.policy import PolicyError
from wsgw.definitions.access import AccessKey
from wsgw.errors import (
    AccessDenied,
    Forbidden,
    GatewayError,
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    UnrecognizedClient,
)

BACKEND = "10.0.0.7"


def guard(*keys: AccessKey, tokens: tuple[str, ...] = (), **options: Any) -> ManagementGuard:
    settings = {"region": "eu-west-1", "account_id": "123456789012", "now": lambda: NOW, **options}
    return ManagementGuard(keys, tokens, **settings)


def key_with(*statements: dict[str, Any]) -> AccessKey:
    policies = tuple({"Version": "2012-10-17", "Statement": statement} for statement in statements)
    return AccessKey(access_key_id=KEY.access_key_id, secret=KEY.secret, principal=KEY.principal, policies=policies)


def rule(resource: str = "*", effect: str = "Allow", **members: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "execute-api:ManageConnections", "Resource": resource, **members}


def bearer(value: str) -> SignedRequest:
    return SignedRequest("POST", CONNECTION, [("Host", HOST), ("Authorization", value)], b"hello")


UNSIGNED = SignedRequest("POST", CONNECTION, [("Host", HOST)], b"hello")


def check(guard: ManagementGuard, request: SignedRequest, peer: str = BACKEND) -> str:
    return guard.check(request, peer, "chat", "prod")


# ---- keys


def test_a_key_without_policies_may_do_everything():
    assert check(guard(KEY), sign()) == KEY.principal


@pytest.mark.parametrize("peer", [BACKEND, "127.0.0.1"])
def test_an_unsigned_request_is_refused_where_keys_are_configured(peer):
    with pytest.raises(MissingAuthenticationToken) as refusal:
        check(guard(KEY), UNSIGNED, peer)
    assert refusal.value.message == "Missing Authentication Token"


def test_a_wrong_signature_is_refused_before_any_policy_is_asked():
    with pytest.raises(InvalidSignature):
        check(guard(key_with(rule(effect="Deny"))), altered(sign(), body=b"other"))


ARN = "arn:aws:execute-api:eu-west-1:123456789012:chat"
GRANTS = [
    (f"{ARN}/*", True),
    (f"{ARN}/prod/*", True),
    (f"{ARN}/prod/POST/@connections/*", True),
    (f"{ARN}/prod/POST/@connections/{{connectionId}}", True),
    ("arn:aws:execute-api:*:*:*/@connections/*", True),
    ("*", True),
    (f"{ARN}/prod/POST/@connections", False),
    (f"{ARN}/prod/POST/@connections/Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=", False),
    (f"{ARN}/prod/GET/@connections/*", False),
    (f"{ARN}/test/*", False),
    ("arn:aws:execute-api:eu-west-1:123456789012:other/*", False),
    ("arn:aws:execute-api:us-east-1:123456789012:chat/*", False),
]


@pytest.mark.parametrize(("resource", "granted"), GRANTS)
def test_these_grants_work_and_these_fail_as_recorded_on_the_service(resource, granted):
    checked = guard(key_with(rule(resource)))
    for _ in range(2):  # the second answer is remembered
        if granted:
            assert check(checked, sign()) == KEY.principal
        else:
            with pytest.raises(AccessDenied):
                check(checked, sign())


def test_an_implicit_deny_is_worded_as_the_service_words_it():
    with pytest.raises(AccessDenied) as refusal:
        check(guard(key_with(rule("arn:aws:s3:::x"))), sign("GET", body=b""))
    assert refusal.value.message == (
        "User: arn:aws:iam::000000000000:user/backend is not authorized to perform: execute-api:ManageConnections "
        "on resource: arn:aws:execute-api:eu-west-1:********9012:chat/prod/GET/@connections/{connectionId} "
        "because no identity-based policy allows the execute-api:ManageConnections action"
    )


def test_an_explicit_deny_is_worded_as_the_service_words_it():
    with pytest.raises(AccessDenied) as refusal:
        check(guard(key_with(rule(), rule("*/POST/*", "Deny"))), sign())
    assert refusal.value.message == (
        "User: arn:aws:iam::000000000000:user/backend is not authorized to perform: execute-api:ManageConnections "
        "on resource: arn:aws:execute-api:eu-west-1:********9012:chat/prod/POST/@connections/{connectionId} "
        "with an explicit deny in an identity-based policy"
    )


def test_decisions_are_remembered_for_the_key_api_stage_and_method_that_they_are_of():
    other = AccessKey(access_key_id="AKIDOTHER", secret="other", policies=(rule_document("*/nothing"),))
    checked = guard(key_with(rule(f"{ARN}/prod/POST/*")), other)
    for _ in range(2):
        assert check(checked, sign()) == KEY.principal
        for request, api_id, stage in (
            (sign(key=other), "chat", "prod"),
            (sign("GET", body=b""), "chat", "prod"),
            (sign(), "other", "prod"),
            (sign(), "chat", "test"),
        ):
            with pytest.raises(AccessDenied):
                checked.check(request, BACKEND, api_id, stage)


def rule_document(resource: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [rule(resource)]}


def test_a_decision_is_made_once(monkeypatch):
    calls = []
    original = grants.outlook
    monkeypatch.setattr(grants, "outlook", lambda *args: calls.append(args) or original(*args))
    checked = guard(key_with(rule()))
    for _ in range(3):
        check(checked, sign())
    assert len(calls) == 1


def test_a_decision_that_depends_on_the_caller_is_made_each_time():
    checked = guard(key_with(rule(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})))
    assert check(checked, sign(), "10.1.2.3") == KEY.principal
    with pytest.raises(AccessDenied):
        check(checked, sign(), "203.0.113.9")
    assert check(checked, sign(), "10.1.2.3") == KEY.principal


CONDITIONS = [
    ({"DateLessThan": {"aws:CurrentTime": "2026-09-25T12:00:01Z"}}, True),
    ({"DateLessThan": {"aws:CurrentTime": "2026-09-25T12:00:00Z"}}, False),
    ({"NumericEquals": {"aws:EpochTime": NOW}}, True),
    ({"StringEquals": {"aws:username": "backend"}}, True),
    ({"StringEquals": {"aws:PrincipalAccount": "000000000000"}}, True),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}, True),
    ({"StringLike": {"aws:UserAgent": "pusher/*"}}, True),
    ({"StringLike": {"aws:UserAgent": "other/*"}}, False),
    ({"Null": {"aws:Referer": "true"}}, True),
]


@pytest.mark.parametrize(("condition", "granted"), CONDITIONS)
def test_conditions_see_the_request(condition, granted):
    request = with_header(sign(), "User-Agent", "pusher/1.0")
    checked = guard(key_with(rule(Condition=condition)))
    if granted:
        assert check(checked, request) == KEY.principal
    else:
        with pytest.raises(AccessDenied):
            check(checked, request)


def test_a_malformed_policy_is_refused_with_the_key_it_is_of():
    with pytest.raises(PolicyError) as refused:
        guard(key_with(rule(), rule(effect="Permit")))
    assert refused.value.faults == ("AKIDEXAMPLE.policies[1].Statement.Effect: expected Allow or Deny",)


# ---- tokens


@pytest.mark.parametrize("value", ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "])
def test_a_token_opens_whatever_the_case_of_its_scheme(value):
    checked = guard(tokens=("other", "s3cret"))
    assert [check(checked, bearer(value)) for _ in range(2)] == ["token", "token"]


@pytest.mark.parametrize(
    "value", ["Bearer s3cre", "Bearer s3cret2", "Bearer S3CRET", "Bearer ", "Bearer", "Bearer ü\ud800"]
)
def test_a_wrong_token_is_refused(value):
    checked = guard(tokens=("s3cret",))
    assert check(checked, bearer("Bearer s3cret")) == "token"
    for _ in range(2):
        with pytest.raises(UnrecognizedClient):
            check(checked, bearer(value), "127.0.0.1")


def test_a_token_in_another_scheme_is_none():
    with pytest.raises(IncompleteSignature):
        check(guard(tokens=("s3cret",)), bearer("Basic s3cret"))


def test_two_authorization_headers_are_refused():
    request = bearer("Bearer s3cret")
    twice = altered(request, headers=[*request.headers, ("authorization", "Bearer s3cret")])
    with pytest.raises(GatewayError):
        check(guard(tokens=("s3cret",)), twice)


def test_an_unsigned_request_is_refused_where_tokens_are_configured():
    with pytest.raises(MissingAuthenticationToken):
        check(guard(tokens=("s3cret",)), UNSIGNED, "127.0.0.1")


def test_a_signed_request_is_refused_where_only_tokens_are_configured():
    with pytest.raises(UnrecognizedClient):
        check(guard(tokens=("s3cret",)), sign())


def test_keys_and_tokens_open_side_by_side():
    checked = guard(KEY, tokens=("s3cret",))
    assert check(checked, sign()) == KEY.principal
    assert check(checked, bearer("Bearer s3cret")) == "token"


def test_a_token_is_an_incomplete_signature_where_none_is_configured():
    with pytest.raises(IncompleteSignature, match="missing equal-sign"):
        check(guard(KEY), bearer("Bearer s3cret"))


def test_an_empty_token_in_the_settings_opens_nothing():
    checked = guard(KEY, tokens=("",))
    with pytest.raises(IncompleteSignature):
        check(checked, bearer("Bearer "))


def test_wrong_tokens_and_spellings_are_not_collected():
    checked = guard(tokens=("s3cret",))
    for number in range(200):
        check(checked, bearer("Bearer " + " " * number + "s3cret"))
        with pytest.raises(UnrecognizedClient):
            check(checked, bearer(f"Bearer {number}"))
    assert len(checked._token_headers) == management._TOKEN_HEADERS_KEPT


def test_refusals_hold_no_token():
    """S-11."""
    for checked in (guard(tokens=("s3cret",)), guard(KEY), guard()):
        with pytest.raises(GatewayError) as refusal:
            check(checked, bearer("Bearer canary"), "203.0.113.9")
        assert "canary" not in str(refusal.value)


# ---- neither keys nor tokens


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("request_", [UNSIGNED, bearer("Bearer x"), sign()])
def test_callers_on_this_machine_are_let_in_signed_or_not(peer, request_):
    assert check(guard(), request_, peer) == "loopback"


@pytest.mark.parametrize(
    "peer", ["10.0.0.7", "203.0.113.9", "::", "::ffff:10.0.0.7", "fe80::1", "localhost", "", "0.0.0.0"]
)
@pytest.mark.parametrize("request_", [UNSIGNED, sign()])
def test_callers_from_elsewhere_are_not(peer, request_):
    with pytest.raises(Forbidden) as refusal:
        check(guard(), request_, peer)
    assert refusal.value.message == "Forbidden"


def test_callers_behind_a_proxy_are_not_on_this_machine():
    with pytest.raises(Forbidden):
        guard().check(UNSIGNED, "127.0.0.1", "chat", "prod", proxied=True)
    assert guard(KEY).check(sign(), "127.0.0.1", "chat", "prod", proxied=True) == KEY.principal


@pytest.mark.parametrize("checked", [guard(KEY), guard(tokens=("s3cret",))], ids=["key", "token"])
def test_one_key_or_token_ends_the_loopback_rule(checked):
    with pytest.raises(MissingAuthenticationToken):
        check(checked, UNSIGNED, "127.0.0.1")
