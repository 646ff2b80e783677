"""Resource policies made ready: short names made long, statements that say whom they mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.authorizers.policy import PolicyError
from wsgw.authorizers.resource_policy import expanded, resource_policy

ARN = "arn:aws:execute-api:eu-west-1:123456789012:api"
STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}


def of(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def long(resource: Any, member: str = "Resource") -> Any:
    document = of({**STATEMENT, member: resource})
    return expanded(document, "eu-west-1", "123456789012", "api")["Statement"][0][member]


EXPANDED = [
    ("execute-api:/*", f"{ARN}/*"),
    ("execute-api:/prod/GET/pets", f"{ARN}/prod/GET/pets"),
    ("execute-api:/", f"{ARN}/"),
    (["execute-api:/a", "arn:aws:s3:::b"], [f"{ARN}/a", "arn:aws:s3:::b"]),
    ("*", "*"),
    ("arn:aws:execute-api:*:*:api/*", "arn:aws:execute-api:*:*:api/*"),
    ("execute-api:Invoke", "execute-api:Invoke"),
]


@pytest.mark.parametrize("member", ["Resource", "NotResource"])
@pytest.mark.parametrize(("short", "whole"), EXPANDED, ids=str)
def test_a_short_name_becomes_the_whole_arn(short, whole, member):
    assert long(short, member) == whole


def test_only_resources_are_names_of_resources():
    statement = {**STATEMENT, "Sid": "execute-api:/x", "Action": "execute-api:/x"}
    found = expanded(of(statement), "r", "1", "api")["Statement"][0]
    assert (found["Sid"], found["Action"]) == ("execute-api:/x", "execute-api:/x")


def test_one_statement_may_stand_without_a_list():
    document = {"Version": "2012-10-17", "Statement": STATEMENT}
    assert expanded(document, "eu-west-1", "123456789012", "api")["Statement"]["Resource"] == f"{ARN}/*"
    assert resource_policy(document, "r", "1", "api").policies


def test_the_document_itself_is_left_as_it_was():
    document = of(STATEMENT)
    resource_policy(document, "r", "1", "api")
    assert document == of(STATEMENT)


def test_all_routes_of_an_api_share_one_compiled_policy():
    assert resource_policy(of(STATEMENT), "r", "1", "a") is resource_policy(of(STATEMENT), "r", "1", "a")
    assert resource_policy(of(STATEMENT), "r", "1", "a") is not resource_policy(of(STATEMENT), "r", "1", "b")


def test_every_statement_says_whom_it_means():
    nobody = {name: value for name, value in STATEMENT.items() if name != "Principal"}
    with pytest.raises(PolicyError) as refusal:
        resource_policy(of(STATEMENT, nobody, {**nobody, "NotPrincipal": {"AWS": "123456789012"}}), "r", "1", "a")
    assert refusal.value.faults == ("Statement[1]: a resource policy says whom it means; add Principal",)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Statement", "Resource", "Principal", "Effect"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["Version", "Statement", "Id"]), _JSON, max_size=3))
def test_nothing_but_faults_comes_of_garbage(document):
    with pytest.raises(PolicyError):
        resource_policy(document, "r", "1", "a")
