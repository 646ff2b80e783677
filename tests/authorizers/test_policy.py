"""IAM policies: each element by table, the whole against a naive evaluator."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.pace import SLOWER
from wsgw.authorizers.patterns import Context, Pattern, Wild, matcher
from wsgw.authorizers.policy import Decision, Names, PolicyError, compile_policy, evaluate, outlook

ARN = "arn:aws:execute-api:us-east-1:000000000000:chat/prod/POST/@connections/{connectionId}"
ALLOW, DENY, NOTHING = Decision.ALLOW, Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY


def statement(**members: Any) -> dict[str, Any]:
    """An Allow for everything, but for `members`; None takes one away."""
    whole = {"Effect": "Allow", "Action": "*", "Resource": "*", **members}
    return {name: value for name, value in whole.items() if value is not None}


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


def decide(*statements: dict[str, Any], action: str = "s:Act", resource: str = ARN, **context: Any) -> Decision:
    """What the statements say. Context keys are given with `_` for `:`."""
    facts = {name.replace("_", ":", 1): value for name, value in context.items()}
    return evaluate([compile_policy(document(*statements))], action, resource, facts)


def holds(operator: str, value: Any, given: Any) -> bool:
    """Whether a Condition holds for what the context has (None: nothing)."""
    context = {} if given is None else {"aws_key": given}
    return decide(statement(Condition={operator: {"aws:key": value}}), **context) is ALLOW


# ---- patterns

PATTERNS = [
    ("", "", True),
    ("", "a", False),
    ("a", "a", True),
    ("a", "ab", False),
    ("*", "", True),
    ("*", "a/b:c\nd", True),
    ("?", "", False),
    ("?", "/", True),
    ("a?b", "a\nb", True),
    ("?", "ab", False),
    ("a*", "a", True),
    ("*a", "ba", True),
    ("*a", "ab", False),
    ("a*b", "ab", True),
    ("ab*ba", "aba", False),
    ("a*b*c", "a1b2b3c", True),
    ("a*b*c", "acb", False),
    ("*ab*ab*", "abab", True),
    ("*ab*ab*", "abaab", True),
    ("*ab*ab*", "aba", False),
    ("**a**", "a", True),
    ("a?c", "abc", True),
    ("a?*c", "ac", False),
    ("a?*c", "abbc", True),
    ("*?b?*", "aab", False),
    ("*?b?*", "abba", True),
    ("a.c", "abc", False),
    ("[ab]", "a", False),
    ("*/POST/*", "chat/prod/POST/x", True),
    ("chat/*/post/*", "chat/prod/POST/x", False),
]


@pytest.mark.parametrize(("pattern", "text", "matches"), PATTERNS)
def test_a_pattern_matches_whole_texts(pattern, text, matches):
    test = Pattern(pattern, variables=False).fixed
    assert test is not None
    assert test(text) is matches


def naive_match(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naive_match(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and naive_match(pattern[1:], text[1:])


@given(st.text("ab*?", max_size=9), st.text("ab", max_size=12))
def test_patterns_match_as_the_definition_says(pattern, text):
    test = Pattern(pattern, variables=False).fixed
    assert test is not None
    assert test(text) is naive_match(pattern, text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_pattern_made_by_cutting_holes_into_a_text_matches_it(head, tail):
    for hole in (Wild.MANY, Wild.ONE):
        assert matcher([head, hole, tail])(f"{head}x{tail}")
    assert matcher([head, tail])(head + tail)


@pytest.mark.parametrize("pattern", ["a*" * 200 + "b", "*a?a" * 100 + "b", "?" * 100 + "*" + "a?" * 200 + "b"])
def test_no_pattern_is_slow(pattern):
    """A backtracking matcher would not end; these take milliseconds. The bound leaves room for a busy machine."""
    test = Pattern(pattern, variables=False).fixed
    assert test is not None
    began = time.process_time()
    assert not test("a" * 2000)
    assert time.process_time() - began < 2 * SLOWER


VARIABLES = [
    ("user/${aws:username}", {"aws:username": "ann"}, "user/ann", True),
    ("user/${AWS:UserName}", {"aws:username": "ann"}, "user/ann", True),
    ("user/${aws:username}", {"aws:username": "*"}, "user/ann", False),
    ("user/${aws:username}", {"aws:username": "*"}, "user/*", True),
    ("user/${aws:username}/*", {"aws:username": "a?n"}, "user/ann/x", False),
    ("user/${aws:username}", {}, "user/", False),
    ("user/${aws:username}", {"aws:username": ["ann", "bob"]}, "user/ann", False),
    ("user/${aws:username}", {"aws:username": ["ann"]}, "user/ann", True),
    ("user/${aws:username, 'nobody'}", {}, "user/nobody", True),
    ("user/${aws:username,'nobody'}", {"aws:username": "ann"}, "user/ann", True),
    ("${*}${?}${$}", {}, "*?$", True),
    ("${*}", {}, "a", False),
    ("${aws:PrincipalTag/team name}", {"aws:principaltag/Team Name": "x"}, "x", True),
    ("$user", {}, "$user", True),
    ("${aws:username}", {"aws:username": "${aws:userid}", "aws:userid": "1"}, "${aws:userid}", True),
]


@pytest.mark.parametrize(("pattern", "context", "text", "matches"), VARIABLES)
def test_policy_variables_take_their_value_from_the_context(pattern, context, text, matches):
    test = Pattern(pattern, variables=True).ready(Context(context))
    assert (test is not None and test(text)) is matches


def test_variables_have_no_meaning_in_policies_of_2008():
    old = document(statement(Resource="${aws:username}"), version="2008-10-17")
    context = {"aws:username": "ann"}
    assert evaluate([compile_policy(old)], "s:Act", "ann", context) is NOTHING
    assert evaluate([compile_policy(old)], "s:Act", "${aws:username}", context) is ALLOW
    del old["Version"]
    assert evaluate([compile_policy(old)], "s:Act", "${aws:username}", context) is ALLOW


# ---- statements

STATEMENTS = [
    ([], NOTHING),
    ([statement()], ALLOW),
    ([statement(Effect="Deny")], DENY),
    ([statement(), statement(Effect="Deny")], DENY),
    ([statement(Effect="Deny"), statement()], DENY),
    ([statement(Action="S:aCT")], ALLOW),
    ([statement(Action="s:*")], ALLOW),
    ([statement(Action="s:A?t")], ALLOW),
    ([statement(Action=["t:Act", "s:Act"])], ALLOW),
    ([statement(Action="t:Act")], NOTHING),
    ([statement(Action=None, NotAction="s:Act")], NOTHING),
    ([statement(Action=None, NotAction=["t:*", "u:*"])], ALLOW),
    ([statement(Resource=ARN)], ALLOW),
    ([statement(Resource=ARN.upper())], NOTHING),
    ([statement(Resource=["x", "arn:*"])], ALLOW),
    ([statement(Resource=None, NotResource=ARN)], NOTHING),
    ([statement(Resource=None, NotResource="x")], ALLOW),
    ([statement(), statement(Effect="Deny", Resource=None, NotResource="arn:aws:execute-api:*")], ALLOW),
    ([statement(), statement(Effect="Deny", Resource=None, NotResource="arn:aws:s3:*")], DENY),
]


@pytest.mark.parametrize(("statements", "decision"), STATEMENTS)
def test_statements_together_decide(statements, decision):
    assert decide(*statements) is decision


def test_a_deny_in_one_policy_beats_an_allow_in_another():
    allow, deny = compile_policy(document(statement())), compile_policy(document(statement(Effect="Deny")))
    assert evaluate([allow, deny], "s:Act", ARN, {}) is DENY
    assert evaluate([deny, allow], "s:Act", ARN, {}) is DENY
    assert evaluate([allow], "s:Act", ARN, {}) is ALLOW
    assert evaluate([], "s:Act", ARN, {}) is NOTHING


def test_one_statement_may_stand_without_a_list():
    policy = compile_policy({"Version": "2012-10-17", "Id": "x", "Statement": statement(Sid="y")})
    assert evaluate([policy], "s:Act", ARN, {}) is ALLOW


def test_an_exception_that_cannot_be_told_allows_nothing_and_denies_all():
    """NotResource with a variable that has no value."""
    excepted = {"Resource": None, "NotResource": "${aws:username}"}
    assert decide(statement(**excepted)) is NOTHING
    assert decide(statement(), statement(Effect="Deny", **excepted)) is DENY
    assert decide(statement(**excepted), aws_username="ann") is ALLOW


PRINCIPALS = [
    ("*", {}, True),
    ({"AWS": "*"}, {}, True),
    ({"AWS": "arn:aws:iam::111122223333:user/ann"}, {"aws_PrincipalArn": "arn:aws:iam::111122223333:user/ann"}, True),
    ({"AWS": "arn:aws:iam::111122223333:user/ann"}, {"aws_PrincipalArn": "arn:aws:iam::111122223333:user/bob"}, False),
    ({"AWS": ["444455556666", "111122223333"]}, {"aws_PrincipalArn": "arn:aws:iam::111122223333:user/ann"}, True),
    ({"AWS": "arn:aws:iam::111122223333:root"}, {"aws_PrincipalArn": "arn:aws:iam::111122223333:user/ann"}, True),
    ({"AWS": "arn:aws:iam::111122223333:root"}, {"aws_PrincipalArn": "arn:aws:iam::444455556666:user/ann"}, False),
    ({"AWS": "111122223333"}, {"aws_PrincipalAccount": "111122223333"}, True),
    ({"AWS": "111122223333"}, {}, False),
    ({"Service": "apigateway.amazonaws.com"}, {"aws_PrincipalServiceName": "apigateway.amazonaws.com"}, True),
    ({"Service": "apigateway.amazonaws.com"}, {"aws_PrincipalArn": "apigateway.amazonaws.com"}, False),
    ({"AWS": "AIDAEXAMPLEEXAMPLE77"}, {"aws_userid": "AIDAEXAMPLEEXAMPLE77"}, True),
    ({"AWS": "AROAEXAMPLEEXAMPLE77"}, {"aws_userid": "AROAEXAMPLEEXAMPLE77:session"}, True),
    ({"AWS": "AROAEXAMPLEEXAMPLE77"}, {"aws_userid": "AROAEXAMPLEEXAMPLE778:session"}, False),
    ({"Federated": "accounts.google.com", "AWS": "111122223333"}, {"aws_PrincipalAccount": "111122223333"}, True),
]


@pytest.mark.parametrize(("principal", "context", "matches"), PRINCIPALS)
def test_a_principal_is_matched_and_its_negation_is_not(principal, context, matches):
    assert decide(statement(Principal=principal), **context) is (ALLOW if matches else NOTHING)
    assert decide(statement(NotPrincipal=principal), **context) is (NOTHING if matches else ALLOW)


# ---- conditions: operator, value of the policy, value of the request, holds

CONDITIONS = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "*", "a", False),
    ("StringEquals", "a", None, False),
    ("StringEquals", 5, "5", True),
    ("StringEquals", True, "true", True),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", "a", None, True),
    ("StringEqualsIgnoreCase", "aB", "Ab", True),
    ("StringNotEqualsIgnoreCase", "aB", "Ab", False),
    ("StringLike", "a*", "abc", True),
    ("StringLike", "a?", "abc", False),
    ("StringNotLike", "a*", "abc", False),
    ("StringNotLike", ["x*", "y*"], "abc", True),
    ("stringlike", "a*", "abc", True),
    ("NumericEquals", "5", "5.0", True),
    ("NumericEquals", 5, "5", True),
    ("NumericEquals", "0.1", "0.10000000000000000001", False),
    ("NumericEquals", "5", "five", False),
    ("NumericEquals", "1", "1_0", False),
    ("NumericEquals", "1", "NaN", False),
    ("NumericNotEquals", "5", "6", True),
    ("NumericNotEquals", "5", "5", False),
    ("NumericLessThan", "10", "9", True),
    ("NumericLessThan", "10", "10", False),
    ("NumericLessThanEquals", "10", "10", True),
    ("NumericGreaterThan", "-1", "0", True),
    ("NumericGreaterThan", "0", "0", False),
    ("NumericGreaterThanEquals", "0", "0", True),
    ("DateEquals", "2026-09-25T12:00:00Z", "1790337600", True),
    ("DateEquals", "2026-09-25", "2026-09-25T00:00:00+00:00", True),
    ("DateNotEquals", "2026-09-25", "2026-09-26", True),
    ("DateLessThan", "2026-09-25T12:00:00Z", "2026-09-25T13:59:59+02:00", True),
    ("DateLessThan", "2026-09-25T12:00:00Z", "2026-09-25T12:00:00Z", False),
    ("DateLessThanEquals", "2026-09-25T12:00:00Z", "2026-09-25T12:00:00Z", True),
    ("DateGreaterThan", "2026-09-25T12:00:00Z", "2026-09-25T12:00:00.5Z", True),
    ("DateGreaterThanEquals", "0001-01-01T00:00:00+14:00", "1970-01-01", True),
    ("DateGreaterThan", "2026-09-25T12:00:00Z", "tomorrow", False),
    ("Bool", "true", "true", True),
    ("Bool", True, "TRUE", True),
    ("Bool", "false", "true", False),
    ("Bool", "true", None, False),
    ("Bool", "true", "yes", False),
    ("BinaryEquals", "AAEC", "AAEC", True),
    ("BinaryEquals", "AAEC", "AAED", False),
    ("BinaryEquals", "AAEC", "not base64", False),
    ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
    ("IpAddress", "203.0.113.7", "203.0.113.9", False),
    ("IpAddress", "203.0.113.9/24", "203.0.113.1", True),
    ("IpAddress", "203.0.113.0/24", "::ffff:203.0.113.9", True),
    ("IpAddress", "2001:db8::/32", "2001:DB8:0:0::1", True),
    ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
    ("IpAddress", "203.0.113.0/24", "nowhere", False),
    ("NotIpAddress", "203.0.113.0/24", "203.0.113.9", False),
    ("NotIpAddress", ["203.0.113.0/24", "198.51.100.0/24"], "192.0.2.1", True),
    ("NotIpAddress", "203.0.113.0/24", "::ffff:203.0.113.9", False),
    ("ArnEquals", "arn:aws:s3:::bucket", "arn:aws:s3:::bucket", True),
    ("ArnLike", "arn:aws:sns:*:123:t*", "arn:aws:sns:eu-west-1:123:topic:x", True),
    ("ArnEquals", "arn:aws:sns:*:123:t*", "arn:aws:sns:eu-west-1:123:topic", True),
    ("ArnLike", "arn:aws:sns:*:123:a:b", "arn:aws:sns:eu:123:a:b", True),
    ("ArnLike", "arn:aws:*:topic", "arn:aws:sns:eu:1:topic", None),
    ("ArnLike", "arn:aws:sns:*:*:topic", "arn:aws:sns:eu:1:2:topic", False),
    ("ArnLike", "arn:*:sns:*:123:topic", "topic", False),
    ("ArnNotEquals", "arn:aws:s3:::bucket", "arn:aws:s3:::bucket", False),
    ("ArnNotLike", "arn:aws:s3:::b*", "arn:aws:s3:::cup", True),
    ("Null", "true", None, True),
    ("Null", "true", "x", False),
    ("Null", "false", "x", True),
    ("Null", False, None, False),
    ("Null", "true", [], True),
    # IfExists
    ("StringEqualsIfExists", "a", None, True),
    ("StringEqualsIfExists", "a", "b", False),
    ("StringNotEqualsIfExists", "a", "a", False),
    ("NumericLessThanIfExists", "5", None, True),
    ("BoolIfExists", "true", None, True),
    ("IpAddressIfExists", "203.0.113.0/24", None, True),
    ("ForAnyValue:StringEqualsIfExists", "a", None, True),
    # several values of the request
    ("StringEquals", "a", ["b", "a"], True),
    ("StringEquals", "a", [], False),
    ("StringNotEquals", "a", ["b", "a"], False),
    ("StringNotEquals", "a", ["b", "c"], True),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "b", "a"], True),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
    ("ForAllValues:StringEquals", ["a", "b"], None, True),
    ("ForAllValues:StringEquals", ["a", "b"], [], True),
    ("ForAllValues:StringLike", "a*", ["ab", "ac"], True),
    ("ForAllValues:StringNotEquals", ["a", "b"], ["c", "d"], True),
    ("ForAllValues:StringNotEquals", ["a", "b"], ["c", "a"], False),
    ("ForAnyValue:StringEquals", ["a", "b"], ["c", "a"], True),
    ("ForAnyValue:StringEquals", ["a", "b"], ["c", "d"], False),
    ("ForAnyValue:StringEquals", ["a", "b"], None, False),
    ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "c"], True),
    ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "b"], False),
    ("ForAnyValue:StringNotEquals", ["a", "b"], None, False),
    ("ForAnyValue:IpAddress", "203.0.113.0/24", ["192.0.2.1", "203.0.113.9"], True),
]


@pytest.mark.parametrize(("operator", "value", "given", "expected"), CONDITIONS)
def test_an_operator_holds(operator, value, given, expected):
    if expected is None:
        with pytest.raises(PolicyError, match="fewer than six parts"):
            holds(operator, value, given)
    else:
        assert holds(operator, value, given) is expected


def test_all_operators_and_all_their_keys_must_hold():
    condition = {"StringEquals": {"aws:a": "1", "aws:b": "2"}, "Bool": {"aws:SecureTransport": "true"}}
    right = {"aws_a": "1", "AWS_B": "2", "aws_securetransport": "true"}
    assert decide(statement(Condition=condition), **right) is ALLOW
    for name in right:
        assert decide(statement(Condition=condition), **{**right, name: "other"}) is NOTHING


CONDITION_VARIABLES = [
    ("StringEquals", "${aws:username}", {"aws_username": "x"}, True),
    ("StringEquals", "${aws:username}", {}, False),
    ("StringNotEquals", "${aws:username}", {}, True),
    ("StringLike", "${aws:username}*", {"aws_username": "*"}, False),
    ("StringLike", "${aws:username}*", {"aws_username": ""}, True),
    ("StringEquals", ["${aws:username}", "x"], {}, True),
    ("ArnLike", "${aws:username}", {"aws_username": "x"}, False),
]


@pytest.mark.parametrize(("operator", "value", "context", "expected"), CONDITION_VARIABLES)
def test_variables_stand_in_conditions(operator, value, context, expected):
    rule = statement(Condition={operator: {"aws:key": value}})
    assert (decide(rule, aws_key="x", **context) is ALLOW) is expected


def test_variables_stand_in_arns():
    rule = statement(Condition={"ArnLike": {"aws:key": "arn:aws:sns:${aws:region}:*:${aws:username}/*"}})
    given = {"aws_key": "arn:aws:sns:eu:1:ann/x"}
    assert decide(rule, aws_region="eu", aws_username="ann", **given) is ALLOW
    assert decide(rule, aws_region="us", aws_username="ann", **given) is NOTHING
    assert decide(rule, aws_username="ann", **given) is NOTHING
    assert decide(rule, aws_region="*", aws_username="ann", **given) is NOTHING


# ---- against a naive evaluator

_TEXT = st.text("ab/", max_size=4)
_GLOB = st.text("ab/*?", min_size=1, max_size=4)
_GLOBS = _GLOB | st.lists(_GLOB, min_size=1, max_size=3)
_STRINGS = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"]
_OPERATOR = st.builds(
    lambda quantifier, name, if_exists: quantifier + name + if_exists,
    st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]),
    st.sampled_from(_STRINGS),
    st.sampled_from(["", "IfExists"]),
)
_CONDITION = st.dictionaries(
    _OPERATOR, st.dictionaries(st.sampled_from(["k:1", "k:2"]), _GLOBS, max_size=2), max_size=2
)


@st.composite
def _statements(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "Effect": draw(st.sampled_from(["Allow", "Deny"])),
        draw(st.sampled_from(["Action", "NotAction"])): draw(_GLOBS),
        draw(st.sampled_from(["Resource", "NotResource"])): draw(_GLOBS),
        "Condition": draw(_CONDITION),
    }


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def naive_condition(operator: str, wanted: list[str], given: list[str]) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if not given and name.endswith("IfExists"):
        return True
    name = name.removesuffix("IfExists")
    negated = "Not" in name

    def one(value: str) -> bool:
        if "Like" in name:
            found = any(naive_match(pattern, value) for pattern in wanted)
        elif "IgnoreCase" in name:
            found = value.lower() in [text.lower() for text in wanted]
        else:
            found = value in wanted
        return not found if negated else found

    if quantifier == "ForAllValues":
        return all(one(value) for value in given)
    if quantifier == "ForAnyValue":
        return any(one(value) for value in given)
    if negated:
        return all(one(value) for value in given)
    return any(one(value) for value in given)


def naive_evaluate(
    statements: list[dict[str, Any]], action: str, resource: str, context: dict[str, Any], others: Sequence[str] = ()
) -> Decision:
    """others: names that may mean the resource, too: whatever shuts out is looked for under these as well."""

    def applies(rule: dict[str, Any]) -> bool:
        shuts_out = (rule["Effect"] == "Deny") is ("Resource" in rule)
        resources = [resource, *others] if shuts_out else [resource]
        for name, texts, fold in (("Action", [action.lower()], True), ("Resource", resources, False)):
            patterns = listed(rule.get(name, rule.get(f"Not{name}")))
            found = any(
                naive_match(pattern.lower() if fold else pattern, text) for pattern in patterns for text in texts
            )
            if found is not (name in rule):
                return False
        return all(
            naive_condition(operator, listed(value), listed(context.get(key, [])))
            for operator, keys in rule["Condition"].items()
            for key, value in keys.items()
        )

    effects = {rule["Effect"] for rule in statements if applies(rule)}
    return DENY if "Deny" in effects else ALLOW if "Allow" in effects else NOTHING


@given(
    st.lists(_statements(), max_size=4),
    st.text("abAB/", max_size=4),
    _TEXT,
    st.dictionaries(st.sampled_from(["k:1", "k:2"]), _TEXT | st.lists(_TEXT, max_size=3)),
)
def test_policies_decide_as_the_naive_evaluator_does(statements, action, resource, context):
    policy = compile_policy(document(*statements))
    assert evaluate([policy], action, resource, context) is naive_evaluate(statements, action, resource, context)


@given(st.lists(_statements(), max_size=4), _TEXT, st.lists(_TEXT, max_size=2))
def test_a_resource_with_several_names_is_shut_out_under_any_of_them(statements, resource, others):
    policy = compile_policy(document(*statements))
    names = Names((resource,), (resource, *others))
    found = evaluate([policy], "a", resource, {}, names)
    assert found is naive_evaluate(statements, "a", resource, {}, others)
    # Another name never lets in whom the resource's own does not.
    assert found is not ALLOW or evaluate([policy], "a", resource, {}) is ALLOW


# ---- faults

FAULTS = [
    ({"Version": "2012-10-17"}, "Statement: expected an object"),
    ({"Version": "2020-01-01", "Statement": []}, "Version: '2020-01-01' is neither 2012-10-17 nor 2008-10-17"),
    ({"version": "2012-10-17", "Statement": []}, "version: there is no such member"),
    (document("x"), "Statement[0]: expected an object"),  # type: ignore[arg-type]
    (document(statement(Effect="allow")), "Statement[0].Effect: expected Allow or Deny"),
    (document(statement(Action=None)), "Statement[0].Action: expected either Action or NotAction"),
    (document(statement(NotAction="x")), "Statement[0].Action: expected either Action or NotAction"),
    (document(statement(Resource=None)), "Statement[0].Resource: expected either Resource or NotResource"),
    (document(statement(Resource=[])), "Statement[0].Resource: expected a text or a list of texts"),
    (document(statement(Action=[1])), "Statement[0].Action: expected a text or a list of texts"),
    (document(statement(Resource="${")), "Statement[0].Resource: a policy variable has no closing brace"),
    (document(statement(Resource="${}")), "Statement[0].Resource: ${} is no policy variable"),
    (document(statement(), statement(Resources="x")), "Statement[1].Resources: there is no such member"),
    (document(statement(Principal="ann")), 'Statement[0].Principal: expected "*" or an object'),
    (
        document(statement(Principal={"AWS": "ann"})),
        "Statement[0].Principal.AWS: 'ann' is neither an account nor an ARN",
    ),
    (
        document(statement(Principal={"AWS": "arn:aws:iam::1:user/*"})),
        "Statement[0].Principal.AWS: wildcards have no meaning in a principal",
    ),
    (document(statement(Principal={"Aws": "1"})), "Statement[0].Principal.Aws: expected AWS, Service or Federated"),
    (document(statement(Condition=[])), "Statement[0].Condition: expected an object"),
    (document(statement(Condition={"Bool": "x"})), "Statement[0].Condition.Bool: expected an object"),
    (
        document(statement(Condition={"Equals": {"k": "x"}})),
        "Statement[0].Condition.Equals.k: there is no such operator",
    ),
    (
        document(statement(Condition={"ForSome:Bool": {"k": "true"}})),
        "Statement[0].Condition.ForSome:Bool.k: there is no such operator",
    ),
    (
        document(statement(Condition={"Bool": {"k": "x"}})),
        "Statement[0].Condition.Bool.k: 'x' is neither true nor false",
    ),
    (
        document(statement(Condition={"NullIfExists": {"k": "true"}})),
        "Statement[0].Condition.NullIfExists.k: Null takes neither ForAllValues, ForAnyValue nor IfExists",
    ),
    (
        document(statement(Condition={"NumericEquals": {"k": "x"}})),
        "Statement[0].Condition.NumericEquals.k: 'x' is no number",
    ),
    (document(statement(Condition={"DateEquals": {"k": "x"}})), "Statement[0].Condition.DateEquals.k: 'x' is no date"),
    (
        document(statement(Condition={"StringLike": {"k": []}})),
        "Statement[0].Condition.StringLike.k: expected a text, number or boolean, or a list of them",
    ),
]


@pytest.mark.parametrize(("policy", "fault"), FAULTS)
def test_each_fault_is_named_with_its_place(policy, fault):
    with pytest.raises(PolicyError) as refused:
        compile_policy(policy)
    assert refused.value.faults == (fault,)


@pytest.mark.parametrize("value", ["nowhere", "203.0.113.0/33", "Zg"])
def test_networks_and_binaries_are_checked_too(value):
    for operator in ("IpAddress", "BinaryEquals"):
        with pytest.raises(PolicyError, match=rf"Statement\[0\].Condition.{operator}.k: "):
            compile_policy(document(statement(Condition={operator: {"k": value}})))


def test_all_faults_are_named_at_once():
    with pytest.raises(PolicyError) as refused:
        compile_policy(document(statement(Effect="x", Action=None), statement(Resource=3)))
    assert len(refused.value.faults) == 3


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_what_is_no_object_is_no_policy(value):
    with pytest.raises(PolicyError):
        compile_policy(value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["Allow", "*", "${a}", "${"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {"Effect": _JSON | st.just("Deny"), "Action": _JSON, "Resource": _JSON, "Principal": _JSON, "Condition": _JSON}
    ),
    _JSON,
)
def test_nothing_but_faults_comes_of_garbage(rule, version):
    try:
        policy = compile_policy({"Version": version if version == "2008-10-17" else "2012-10-17", "Statement": rule})
    except PolicyError:
        return
    assert evaluate([policy], "a", "b", {}) in Decision


_ANY_VALUE = st.text(max_size=12) | st.lists(st.text(max_size=12), max_size=2)


@given(
    st.sampled_from(["NumericEquals", "DateLessThan", "Bool", "BinaryEquals", "IpAddress", "ArnLike", "StringLike"]),
    _ANY_VALUE,
    _ANY_VALUE,
)
def test_no_value_of_a_request_makes_an_evaluation_fail(operator, value, given):
    try:
        policy = compile_policy(document(statement(Condition={operator: {"k": value}})))
    except PolicyError:
        policy = compile_policy(document(statement(Condition={"NumericEquals": {"k": 1}, "Bool": {"k": True}})))
    assert evaluate([policy], "a", "b", {"k": given}) in (ALLOW, NOTHING)


@pytest.mark.parametrize(("given", "equal"), [("fixed", True), ("ann", True), ("bob", False)])
def test_values_with_and_without_variables_stand_side_by_side(given, equal):
    wanted = {"k": ["${aws:username}", "fixed"]}
    context = {"k": given, "aws:username": "ann"}
    for operator, allowed in (("StringEquals", equal), ("StringNotEquals", not equal)):
        policy = compile_policy(document(statement(Condition={operator: wanted})))
        assert (evaluate([policy], "a", "b", context) is ALLOW) is allowed
    # A variable without a value matches nothing; the other value is as good as ever.
    policy = compile_policy(document(statement(Condition={"StringEquals": wanted})))
    assert (evaluate([policy], "a", "b", {"k": given}) is ALLOW) is (given == "fixed")


def test_an_outlook_says_whether_more_than_action_and_resource_counts():
    def of(*rules):
        return outlook([compile_policy(document(*rules))], "s:Act", ARN)

    assert of(statement()) == of(statement(Principal="*")) == (ALLOW, (), ())
    assert of(statement(), statement(Effect="Deny")) == (DENY, (), ())
    for members in (
        {"Condition": {"Bool": {"k": "true"}}},
        {"Resource": "${aws:username}"},
        {"Principal": {"AWS": "111122223333"}},
        {"NotPrincipal": {"AWS": "111122223333"}},
    ):
        conditional = of(statement(**members))
        assert conditional.decision is NOTHING
        assert len(conditional.allows) == 1
        # What is allowed anyway needs no other allowance; what is denied anyway needs nothing at all.
        assert of(statement(), statement(**members)) == (ALLOW, (), ())
        assert of(statement(Effect="Deny"), statement(Effect="Deny", **members)) == (DENY, (), ())
        assert len(of(statement(), statement(Effect="Deny", **members)).denies) == 1
        # Another action is none of its.
        assert of(statement(Action="s:Other", **members)) == (NOTHING, (), ())
