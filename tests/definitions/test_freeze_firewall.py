"""Web ACLs as documents: either of AWS's spellings, and a problem with its place for whatever cannot be enforced."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from tests.firewall.web_acls import contains, rule, statement
from wsgw.definitions.check_firewall import check_firewall
from wsgw.definitions.firewall import (
    ByteMatch,
    Field,
    IPSet,
    RateBased,
    RateKey,
    RegexMatch,
    RuleGroupReference,
    WebAcl,
)
from wsgw.definitions.freeze_firewall import web_acl_of

A = contains("a", "UriPath")


def acl(*rules: Any, **members: Any) -> dict[str, Any]:
    return {"Name": "acl", "Rules": list(rules), **members}


def lower_first(document: Any) -> Any:
    """`document` as AWS writes it in lower camel case. Names of sets are the user's own."""
    if isinstance(document, dict):
        return {key[:1].lower() + key[1:]: lower_first(value) for key, value in document.items()}
    return list(map(lower_first, document)) if isinstance(document, list) else document


WHOLE = acl(
    rule("one", {"AndStatement": {"Statements": [A, {"NotStatement": {"Statement": A}}]}}, RuleLabels=[{"Name": "x"}]),
    rule(
        "two",
        {
            "RateBasedStatement": {
                "Limit": 100,
                "AggregateKeyType": "CUSTOM_KEYS",
                "CustomKeys": [{"Header": {"Name": "X", "TextTransformations": [{"Priority": 0, "Type": "NONE"}]}}],
                "ScopeDownStatement": {"IPSetReferenceStatement": {"ARN": "office"}},
            }
        },
        {"Block": {"CustomResponse": {"ResponseCode": 429, "CustomResponseBodyKey": "sorry"}}},
    ),
    {
        "Name": "three",
        "Statement": {"RuleGroupReferenceStatement": {"ARN": "common", "ExcludedRules": [{"Name": "first"}]}},
        "OverrideAction": {"Count": {}},
        "VisibilityConfig": {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": "m"},
    },
    DefaultAction={"Allow": {}},
    IpSets={"office": {"Addresses": ["192.0.2.0/24"], "IPAddressVersion": "IPV4"}},
    RegexPatternSets={"bad": ["a", {"RegexString": "b"}]},
    RuleGroups={"common": {"Capacity": 10, "Rules": [rule("first", A)]}},
    CustomResponseBodies={"sorry": {"ContentType": "TEXT_PLAIN", "Content": "later"}},
    AssociationConfig={"RequestBody": {"API_GATEWAY": {"DefaultSizeInspectionLimit": "KB_64"}}},
    VisibilityConfig={"SampledRequestsEnabled": True},
    ARN="arn:aws:wafv2:…",
    Id="4a1b",
    Capacity=5,
    Description="what it is for",
)


@pytest.mark.parametrize("spell", [lambda document: document, lower_first], ids=["Upper", "lower"])
def test_a_web_acl_is_read_in_either_spelling(spell: Any):
    found = web_acl_of(spell(copy.deepcopy(WHOLE)))
    assert found.problems == ()
    assert found.body_bytes == 65_536
    one, two, three = found.rules
    assert one.labels == ("x",)
    assert isinstance(two.statement, RateBased)
    assert two.statement.keys == (RateKey(kind="Header", name="x"),)
    assert two.statement.scope_down == IPSet(addresses=("192.0.2.0/24",))
    assert two.response is not None
    assert two.response.status == 429
    assert isinstance(three.statement, RuleGroupReference)
    assert [(one.name, one.action) for one in three.statement.rules] == [("first", "COUNT")]
    assert (three.action, three.sampled) == ("COUNT", False)


def test_a_web_acl_can_be_written_as_json_again():
    """A deployment's id is made from it."""
    assert msgspec.json.encode(web_acl_of(WHOLE))


SHORT: list[tuple[Any, Any]] = [
    ({"action": "BLOCK"}, ("action", "BLOCK")),
    ({"action": "allow"}, ("action", "ALLOW")),
    ({"action": {"Count": {}}}, ("action", "COUNT")),
    ({"ruleLabels": ["x"]}, ("labels", ("x",))),
]


@pytest.mark.parametrize(("members", "expected"), SHORT, ids=str)
def test_short_forms_are_read(members: dict[str, Any], expected: tuple[str, Any]):
    made = {"name": "it", "statement": A, "action": "Block", **members}
    found = web_acl_of({"rules": [made]})
    assert found.problems == ()
    assert getattr(found.rules[0], expected[0]) == expected[1]


def test_transformations_are_in_the_order_of_their_priority():
    texts = [
        {"Priority": 2, "Type": "LOWERCASE"},
        {"Priority": 1, "Type": "URL_DECODE"},
        {"Priority": 3, "Type": "NONE"},
    ]
    what = {**A["ByteMatchStatement"], "TextTransformations": texts}
    (found,) = web_acl_of(acl(rule("it", {"ByteMatchStatement": what}))).rules
    assert isinstance(found.statement, ByteMatch)
    assert found.statement.transformations == ("URL_DECODE", "LOWERCASE")
    assert found.statement.field == Field(kind="UriPath")


def test_a_search_string_may_be_base64():
    what = statement("ByteMatchStatement", "UriPath", SearchStringBase64="/w==", PositionalConstraint="EXACTLY")
    (found,) = web_acl_of(acl(rule("it", what))).rules
    assert isinstance(found.statement, ByteMatch)
    assert found.statement.search == b"\xff"


def test_sets_may_be_lists():
    sets = {"IpSets": {"a": ["192.0.2.1"]}, "RegexPatternSets": {"b": ["x"]}, "RuleGroups": {"c": [rule("r", A)]}}
    first = rule("one", {"IPSetReferenceStatement": {"ARN": "a"}})
    second = rule("two", statement("RegexPatternSetReferenceStatement", "UriPath", ARN="b"))
    third = {"Name": "three", "Statement": {"RuleGroupReferenceStatement": {"ARN": "c"}}}
    found = web_acl_of(acl(first, second, third, **sets))
    assert found.problems == ()
    assert isinstance(found.rules[1].statement, RegexMatch)


@pytest.mark.parametrize(("field", "looks"), [("Body", True), ("UriPath", False)])
def test_it_is_known_whether_a_body_is_looked_at(field: str, looks: bool):
    nested = {"NotStatement": {"Statement": {"OrStatement": {"Statements": [A, contains("b", field)]}}}}
    assert web_acl_of(acl(rule("it", nested))).inspects_body is looks
    scope = {"RateBasedStatement": {"Limit": 10, "ScopeDownStatement": contains("b", field)}}
    assert web_acl_of(acl(rule("it", scope))).inspects_body is looks
    group = {"Name": "it", "Statement": {"RuleGroupReferenceStatement": {"ARN": "g"}}}
    assert web_acl_of(acl(group, RuleGroups={"g": [rule("r", nested)]})).inspects_body is looks


# ---- what is wrong

S = "Rules[0].Statement"
STATEMENTS: list[tuple[dict[str, Any], str, str]] = [
    ({}, S, "exactly one statement"),
    ({**A, "NotStatement": {"Statement": A}}, S, "exactly one statement"),
    ({"AsnMatchStatement": {}}, f"{S}.AsnMatchStatement", "no statement that is known"),
    ({"ManagedRuleGroupStatement": {}}, f"{S}.ManagedRuleGroupStatement", "AWS's alone"),
    ({"ByteMatchStatement": 1}, f"{S}.ByteMatchStatement", "an object is expected"),
    (statement("ByteMatchStatement", "UriPath"), f"{S}.ByteMatchStatement.SearchString", "missing"),
    (contains("a", "UriPath", position="NEAR"), f"{S}.ByteMatchStatement.PositionalConstraint", "none of those"),
    (contains("a", "UriFragment"), f"{S}.ByteMatchStatement.FieldToMatch.UriFragment", "no part of a request"),
    (contains("a", {"SingleHeader": {}}), f"{S}.ByteMatchStatement.FieldToMatch.SingleHeader.Name", "missing"),
    (contains("a", "UriPath", "ROT13"), f"{S}.ByteMatchStatement.TextTransformations[0].Type", "none of those"),
    (
        contains("a", {"Headers": {"MatchPattern": {"Some": {}}, "MatchScope": "ALL", "OversizeHandling": "MATCH"}}),
        f"{S}.ByteMatchStatement.FieldToMatch.Headers.MatchPattern.Some",
        "no such pattern",
    ),
    (
        contains("a", {"JsonBody": {"MatchPattern": {"IncludedPaths": ["a"]}, "MatchScope": "ALL"}}),
        f"{S}.ByteMatchStatement.FieldToMatch.JsonBody.MatchPattern.IncludedPaths[0]",
        "no JSON pointer",
    ),
    (
        statement("ByteMatchStatement", "UriPath", SearchString="a", PositionalConstraint="EXACTLY", Negated=True),
        f"{S}.ByteMatchStatement.Negated",
        "no such member is known",
    ),
    (
        statement("ByteMatchStatement", "UriPath", SearchStringBase64="!", PositionalConstraint="EXACTLY"),
        f"{S}.ByteMatchStatement.SearchStringBase64",
        "no Base64",
    ),
    (
        statement("SizeConstraintStatement", "Body", ComparisonOperator="GT", Size=-1),
        f"{S}.SizeConstraintStatement.Size",
        "a whole number",
    ),
    (
        statement("SqliMatchStatement", "Body", SensitivityLevel="HIGH"),
        f"{S}.SqliMatchStatement.SensitivityLevel",
        "none of those",
    ),
    ({"GeoMatchStatement": {"CountryCodes": ["at"]}}, f"{S}.GeoMatchStatement.CountryCodes[0]", "no country"),
    ({"IPSetReferenceStatement": {"ARN": "x"}}, f"{S}.IPSetReferenceStatement.ARN", "not defined in this web ACL"),
    ({"IPSetStatement": {"Addresses": ["x"]}}, f"{S}.IPSetStatement.Addresses[0]", "no network"),
    ({"AndStatement": {"Statements": [A]}}, f"{S}.AndStatement.Statements", "two statements at least"),
    (
        {"NotStatement": {"Statement": {"RateBasedStatement": {"Limit": 10}}}},
        f"{S}.NotStatement.Statement.RateBasedStatement",
        "cannot stand in another",
    ),
    ({"RateBasedStatement": {"Limit": 0}}, f"{S}.RateBasedStatement.Limit", "a whole number"),
    (
        {"RateBasedStatement": {"Limit": 10, "EvaluationWindowSec": 61}},
        f"{S}.RateBasedStatement.EvaluationWindowSec",
        "none of those",
    ),
    ({"RateBasedStatement": {"Limit": 10, "AggregateKeyType": "CONSTANT"}}, f"{S}.RateBasedStatement", "add one"),
    (
        {"RateBasedStatement": {"Limit": 10, "AggregateKeyType": "FORWARDED_IP"}},
        f"{S}.RateBasedStatement",
        "which header",
    ),
    (
        {
            "RateBasedStatement": {
                "Limit": 10,
                "AggregateKeyType": "CUSTOM_KEYS",
                "CustomKeys": [{"JA3Fingerprint": {}}],
            }
        },
        f"{S}.RateBasedStatement.CustomKeys[0].JA3Fingerprint",
        "no key that is known",
    ),
    ({"RuleGroupReferenceStatement": {"ARN": "x"}}, f"{S}.RuleGroupReferenceStatement.ARN", "not defined"),
]


def places(document: Any) -> list[tuple[str, str]]:
    """Where the problems of `document` are, and their words with the remedy."""
    found = check_firewall((), web_acl_of(document))
    return [(str(one).partition(": ")[2].split(": ", 1)[0], str(one)) for one in found if one.severity == "error"]


@pytest.mark.parametrize(("what", "place", "why"), STATEMENTS, ids=lambda value: str(value)[:60])
def test_a_statement_that_cannot_be_enforced_is_a_problem_with_its_place(what: Any, place: str, why: str):
    ((found, text),) = places(acl(rule("it", what)))
    assert found == place
    assert why in text


RULES: list[tuple[dict[str, Any], str, str]] = [
    (acl({"Statement": A, "Action": "Block"}), "Rules[0].Name", "missing"),
    (acl(rule("a b", A)), "Rules[0].Name", "no name"),
    (acl({"Name": "it", "Statement": A}), "Rules[0].Action", "missing"),
    (acl(rule("it", A, "Captcha")), "Rules[0].Action.Captcha", "no action that is known"),
    (acl(rule("it", A, {"Allow": {"CustomRequestHandling": {}}})), "Rules[0].Action.Allow.Cust", "no such"),
    (acl(rule("it", A, {"Allow": False})), "Rules[0].Action.Allow", "an object is expected"),
    (acl(rule("it", A, {"Block": ""})), "Rules[0].Action.Block", "an object is expected"),
    (
        acl(
            {
                "Name": "it",
                "Statement": {"RuleGroupReferenceStatement": {"ARN": "g"}},
                "OverrideAction": {"Count": {"CustomRequestHandling": {}}},
            },
            RuleGroups={"g": [rule("r", A)]},
        ),
        "Rules[0].OverrideAction.Count.CustomRequestHandling",
        "no such member",
    ),
    (acl(rule("it", A), rule("it", A)), "Rules[1]", "another rule"),
    (acl(rule("it", A, OverrideAction={"None": {}})), "Rules[0].OverrideAction", "no such member"),
    (acl(rule("it", A, RuleLabels=[{"Name": "a b"}])), "Rules[0].RuleLabels[0]", "no name that a label"),
    (acl(DefaultAction={"Count": {}}), "DefaultAction", "allows or blocks in the end"),
    (acl(Rulez=[]), "Rulez", "no such member"),
    (acl(Rules={}), "Rules", "an array is expected"),
    (acl(IpSets=[]), "IpSets", "an object of names"),
    (acl(IpSets={"a": ["x"]}), "IpSets.a.Addresses[0]", "no network"),
    (acl(RegexPatternSets={"a": []}), "RegexPatternSets.a", "matches nothing"),
    (acl(RegexPatternSets={"a": [{"RegexString": "b", "Not": 1}]}), "RegularExpressionList[0].Not", "no such member"),
    (acl(BodyBytes=70_000), "BodyBytes", "a whole number from 1 to 65536"),
    (acl(CustomResponseBodies={"a": {"ContentType": "X", "Content": "y"}}), "CustomResponseBodies.a.C", "none of"),
    (acl(RuleGroups={"g": [rule("r", {"RuleGroupReferenceStatement": {"ARN": "g"}})]}),
     "RuleGroups.g.Rules[0].Statement.RuleGroupReferenceStatement", "cannot refer to another"),
    ("x", "error", "an object is expected"),
    (None, "error", "an object is expected"),
    (acl(name="twice"), "name", "twice"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "place", "why"), RULES, ids=lambda value: str(value)[:60])
def test_a_rule_that_cannot_be_enforced_is_a_problem_with_its_place(document: Any, place: str, why: str):
    found = places(document)
    assert len(found) == 1
    assert why in found[0][1]
    assert place in found[0][1]


RESPONSES: list[tuple[dict[str, Any], str]] = [
    ({}, "missing"),
    ({"ResponseCode": 101}, "200 to 599"),
    ({"ResponseCode": 403, "CustomResponseBodyKey": "x"}, "no custom response body"),
    ({"ResponseCode": 204, "CustomResponseBodyKey": "sorry"}, "has no body"),
    ({"ResponseCode": 403, "ResponseHeaders": [{"Name": "Content-Length", "Value": "1"}]}, "no header"),
    ({"ResponseCode": 403, "ResponseHeaders": [{"Name": "X", "Value": "a\r\nY: b"}]}, "printable"),
    ({"ResponseCode": 403, "ResponseHeaders": [{"Name": "X: Y", "Value": "a"}]}, "no header"),
]


@pytest.mark.parametrize(("custom", "why"), RESPONSES, ids=str)
def test_a_response_that_cannot_be_given_is_a_problem(custom: dict[str, Any], why: str):
    bodies = {"sorry": {"ContentType": "TEXT_PLAIN", "Content": "later"}}
    ((_, text),) = places(acl(rule("it", A, {"Block": {"CustomResponse": custom}}), CustomResponseBodies=bodies))
    assert why in text


def test_every_rule_with_a_problem_is_named():
    assert len(places(acl(rule("a", {}), rule("b", A), rule("c", {})))) == 2


def test_statements_nested_without_end_are_a_problem():
    what = A
    for _ in range(3_00):
        what = {"NotStatement": {"Statement": what}}
    ((_, text),) = places(acl(rule("it", what)))
    assert "nested deeper" in text


def test_a_default_action_that_cannot_be_read_blocks():
    assert web_acl_of(acl(DefaultAction="Captcha")).default_action == "BLOCK"


def test_a_web_acl_without_rules_is_warned_of():
    (found,) = check_firewall(("webAcl",), WebAcl())
    assert found.severity == "warning"
    assert not list(check_firewall((), WebAcl(default_action="BLOCK")))
