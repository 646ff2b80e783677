"""A web ACL as a whole: which rule decides, what is counted, what a refusal says, what is kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.firewall.web_acls import blocking, contains, is_blocked, ready, rule, statement, web_acl
from tests.mapping.request_samples import request
from wsgw.definitions.firewall import CustomResponse
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.errors import GatewayError, WafFiltered
from wsgw.firewall.compile import proved
from wsgw.firewall.firewalls import Firewalls

A, B = contains("a=1", "QueryString"), contains("b=1", "QueryString")


def tallies(firewalls: Firewalls) -> dict[tuple[str, str], float]:
    return {(rule, action): number for (_, _, rule, action), number in firewalls.tallies()}


# ---- which rule decides


def test_without_a_match_the_default_action_decides():
    assert not is_blocked(ready(web_acl(rule("it", A))))
    assert is_blocked(ready(web_acl(rule("it", A, "Allow"), DefaultAction={"Block": {}})))


def test_the_first_rule_by_priority_that_allows_or_blocks_decides():
    allow, block = rule("allow", A, "Allow", Priority=1), rule("block", A, "Block", Priority=2)
    assert not is_blocked(ready(web_acl(block, allow)), raw_query="a=1")
    allow["Priority"] = 3
    assert is_blocked(ready(web_acl(block, allow)), raw_query="a=1")


def test_a_rule_that_counts_lets_the_next_decide():
    firewalls = Firewalls(lambda: 0.0)
    firewall = ready(web_acl(rule("count", A, "Count"), rule("block", B)), firewalls=firewalls)
    assert is_blocked(firewall, raw_query="a=1&b=1")
    assert not is_blocked(firewall, raw_query="a=1")
    assert tallies(firewalls) == {("count", "count"): 2, ("block", "block"): 1, ("Default_Action", "allow"): 1}


@pytest.mark.parametrize(
    ("query", "action"), [("", "ALLOW"), ("a=1", "COUNT"), ("b=1", "BLOCK"), ("a=1&b=1", "BLOCK"), ("c=1", "ALLOW")]
)
def test_the_invocation_learns_what_was_decided(query: str, action: str):
    acl = web_acl(rule("a", A, "Count"), rule("b", B), rule("c", contains("c=1", "QueryString"), "Allow"))
    made = request(raw_query=query)
    is_blocked(ready(acl), made)
    assert made.waf_action == action


def test_a_rule_that_fails_lets_nobody_pass():
    """A file of countries may be damaged where nobody has looked before."""

    def damaged(address: str) -> str:
        raise RuntimeError("the data section is corrupt")

    failing = rule("it", {"GeoMatchStatement": {"CountryCodes": ["DE"]}})
    with pytest.raises(GatewayError) as caught:
        ready(web_acl(failing), countries=damaged)(request())
    assert (caught.value.status, caught.value.detail) == (500, "web ACL: unexpected RuntimeError")


def test_a_refusal_names_its_rule_to_the_operator_alone():
    with pytest.raises(WafFiltered) as caught:
        ready(blocking(A))(request(raw_query="a=1"))
    assert caught.value.detail == "web ACL rule it"
    assert caught.value.message == "Forbidden"
    assert caught.value.response is None


def test_a_rule_may_say_what_is_answered():
    bodies = {"sorry": {"ContentType": "APPLICATION_JSON", "Content": '{"sorry": true}'}}
    custom = {"ResponseCode": 429, "CustomResponseBodyKey": "sorry", "ResponseHeaders": [{"Name": "X", "Value": "y"}]}
    action = {"Block": {"CustomResponse": custom}}
    with pytest.raises(WafFiltered) as caught:
        ready(web_acl(rule("it", A, action), CustomResponseBodies=bodies))(request(raw_query="a=1"))
    headers = (("Content-Type", "application/json"), ("X", "y"))
    assert caught.value.response == CustomResponse(status=429, headers=headers, body='{"sorry": true}')


# ---- rule groups

GROUP = {"common": {"Rules": [rule("first", A, RuleLabels=[{"Name": "bad"}]), rule("second", B, "Allow")]}}


def refer(name: str = "group", override: str = "None", **members: Any) -> dict[str, Any]:
    made = {"ARN": "common", **members}
    return {"Name": name, "Statement": {"RuleGroupReferenceStatement": made}, "OverrideAction": {override: {}}}


def test_the_rules_of_a_group_decide_as_if_they_stood_there():
    firewalls = Firewalls(lambda: 0.0)
    firewall = ready(web_acl(refer(), DefaultAction={"Block": {}}, RuleGroups=GROUP, Name="acl"), firewalls=firewalls)
    assert [is_blocked(firewall, raw_query=query) for query in ("a=1", "b=1", "")] == [True, False, True]
    assert tallies(firewalls) == {
        ("group/first", "block"): 1,
        ("group/second", "allow"): 1,
        ("Default_Action", "block"): 1,
    }


def test_a_group_that_counts_decides_nothing():
    firewalls = Firewalls(lambda: 0.0)
    firewall = ready(web_acl(refer(override="Count"), RuleGroups=GROUP), firewalls=firewalls)
    assert not is_blocked(firewall, raw_query="a=1")
    assert tallies(firewalls) == {("group", "count"): 1, ("Default_Action", "allow"): 1}


@pytest.mark.parametrize(
    "members",
    [
        {"ExcludedRules": [{"Name": "first"}]},
        {"RuleActionOverrides": [{"Name": "first", "ActionToUse": {"Count": {}}}]},
    ],
    ids=["excluded", "overridden"],
)
def test_single_rules_of_a_group_may_count_only(members: dict[str, Any]):
    assert not is_blocked(ready(web_acl(refer(**members), RuleGroups=GROUP)), raw_query="a=1")


def test_labels_of_a_group_are_seen_by_their_whole_name():
    counted = refer(RuleActionOverrides=[{"Name": "first", "ActionToUse": {"Count": {}}}])
    whole = {"LabelMatchStatement": {"Scope": "LABEL", "Key": "awswaf:123456789012:rulegroup:common:bad"}}
    short = {"LabelMatchStatement": {"Scope": "LABEL", "Key": "bad"}}
    assert is_blocked(ready(web_acl(counted, rule("it", whole), RuleGroups=GROUP)), raw_query="a=1")
    assert not is_blocked(ready(web_acl(counted, rule("it", short), RuleGroups=GROUP)), raw_query="a=1")


# ---- samples


def test_what_rules_have_matched_is_kept_the_latest_first():
    firewall = ready(web_acl(rule("a", A), rule("b", B)))
    for number, query in enumerate(("a=1", "b=1", "c=1")):
        is_blocked(firewall, raw_query=query, request_time=1_000 * number, method="POST")
    assert [(one["rule"], one["action"]) for one in firewall.samples()] == [
        ("Default_Action", "ALLOW"),
        ("b", "BLOCK"),
        ("a", "BLOCK"),
    ]
    (sample,) = firewall.samples("a")
    assert sample["request"]["clientIP"] == "203.0.113.9"
    assert sample["request"]["method"] == "POST"
    assert sample["request"]["uri"] == "/dev/pets/42"
    assert sample["timestamp"] == "1970-01-01T00:00:00.000Z"


def test_a_flood_keeps_a_hundred_samples_twenty_a_second_at_most():
    firewall = ready(blocking(A))
    for milliseconds in range(0, 20_000, 10):
        is_blocked(firewall, raw_query="a=1", request_time=milliseconds)
    found = firewall.samples("it")
    assert len(found) == 100
    assert found[0]["timestamp"] == "1970-01-01T00:00:19.950Z"
    assert found[-1]["timestamp"] == "1970-01-01T00:00:15.000Z"


def test_a_rule_may_keep_none():
    silent = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": "it"}
    firewall = ready(web_acl(rule("it", A, VisibilityConfig=silent)))
    assert is_blocked(firewall, raw_query="a=1")
    assert firewall.samples() == []
    assert not is_blocked(firewall)
    assert len(firewall.samples()) == 1
    firewall = ready(web_acl(VisibilityConfig=silent))
    assert not is_blocked(firewall)
    assert firewall.samples() == []


SECRET = "5ECRET"
SECRETS: list[dict[str, Any]] = [
    {"headers": [("Authorization", f"Bearer {SECRET}")]},
    {"headers": [("Cookie", f"sid={SECRET}")]},
    {"headers": [("X-Api-Key", SECRET)]},
    {"headers": [("X-Amz-Security-Token", SECRET)]},
    {"headers": [("Sec-WebSocket-Protocol", f"wsgw.auth.{SECRET}")]},
    {"headers": [("X-Anything", SECRET)]},
    {"headers": [("Referer", f"https://a.example/?token={SECRET}")]},
    {"raw_query": f"a=1&token={SECRET}"},
    {"raw_query": f"a=1&{SECRET}"},
    {"body": SECRET.encode()},
]


@pytest.mark.parametrize("members", SECRETS, ids=str)
def test_samples_hold_no_secrets(members: dict[str, Any]):
    firewall = ready(web_acl(DefaultAction={"Block": {}}))
    assert is_blocked(firewall, **members)
    (sample,) = firewall.samples()
    assert SECRET not in str(sample)


def test_samples_are_of_bounded_size():
    firewall = ready(web_acl(DefaultAction={"Block": {}}))
    head = [(f"User-Agent{'x' * 9_000}", "y" * 9_000)] * 200 + [("Host", "z" * 9_000)]
    assert is_blocked(firewall, headers=head, raw_query="&".join(f"{'n' * 3000}=1" for _ in range(100)))
    assert len(str(firewall.samples())) < 70_000


# ---- what cannot be served


def test_a_web_acl_with_problems_is_not_made_ready():
    acl = web_acl_of({"Name": "acl", "Rules": [rule("it", {"AsnMatchStatement": {"AsnList": [1]}})]})
    with pytest.raises(ValueError, match=r"Rules\[0\]\.Statement\.AsnMatchStatement: no statement that is known here"):
        ready(acl)


def test_all_rules_that_cannot_be_made_ready_are_named():
    bad = statement("RegexMatchStatement", "UriPath", RegexString="(")
    with pytest.raises(ValueError, match=r"rule a: .*rule b: "):
        ready(web_acl(rule("a", bad), rule("b", bad)))


def test_what_is_wrong_on_any_machine_is_found_without_files_and_libraries():
    proved(blocking({"GeoMatchStatement": {"CountryCodes": ["AT"]}}), "pets", "dev")
    proved(blocking(statement("SqliMatchStatement", "QueryString")), "pets", "dev")
    with pytest.raises(ValueError, match="pattern"):
        proved(blocking(statement("RegexMatchStatement", "UriPath", RegexString="(")), "pets", "dev")


def test_the_arn_names_the_web_acl_and_stays_the_same():
    first, second = ready(blocking(A)), ready(blocking(B))
    assert first.arn.startswith("arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/acl/")
    assert first.arn == second.arn
