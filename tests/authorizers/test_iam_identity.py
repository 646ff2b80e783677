"""Whom an access key acts as: every kind of principal, as events and as policies name it."""

from __future__ import annotations

import pytest

from wsgw.authorizers.iam_identity import SESSION_ARN, IamIdentity, facts_of_key, identity_of
from wsgw.authorizers.iam_verifier import principal_of
from wsgw.authorizers.patterns import Context
from wsgw.authorizers.principals import principal
from wsgw.definitions.access import AccessKey

A = "123456789012"
ROLE = f"arn:aws:iam::{A}:role/Reader"
SESSION = f"arn:aws:sts::{A}:assumed-role/Reader/ann@example.com"


def key(arn: str, **members: object) -> AccessKey:
    return AccessKey(access_key_id="AKID", secret="s", principal=arn, **members)  # type: ignore[arg-type]


#: ARN, principal ARN, account, type, user id, user name
IDENTITIES = [
    (f"arn:aws:iam::{A}:root", None, A, "Account", A, None),
    (f"arn:aws:iam::{A}:user/ann", None, A, "User", "ann", "ann"),
    (f"arn:aws:iam::{A}:user/team/blue/ann", None, A, "User", "ann", "ann"),
    (f"arn:aws-cn:iam::{A}:user/ann", None, A, "User", "ann", "ann"),
    (ROLE, None, A, "AssumedRole", "Reader", None),
    (SESSION, ROLE, A, "AssumedRole", "Reader:ann@example.com", None),
    (f"arn:aws:sts::{A}:federated-user/bob", None, A, "FederatedUser", f"{A}:bob", None),
    ("backend", None, "", "User", "backend", None),
    ("arn:aws:s3:::bucket", None, "", "User", "arn:aws:s3:::bucket", None),
]


@pytest.mark.parametrize(("arn", "principal_arn", "account", "kind", "user_id", "name"), IDENTITIES)
def test_a_principal_is_read_off_its_arn(arn, principal_arn, account, kind, user_id, name):
    expected = IamIdentity(arn, principal_arn or arn, account, kind, user_id, name)
    assert identity_of(key(arn)) == expected


@pytest.mark.parametrize("arn", [row[0] for row in IDENTITIES])
def test_a_stated_user_id_is_the_user_id(arn):
    assert identity_of(key(arn, user_id="AIDAEXAMPLE")).user_id == "AIDAEXAMPLE"


def test_a_session_is_its_role_to_policies_and_itself_to_events():
    facts = facts_of_key(key(SESSION), identity_of(key(SESSION)))
    assert facts["aws:principalarn"] == (ROLE,)
    assert principal_of(key(SESSION)).identity["userArn"] == SESSION


@pytest.mark.parametrize("named", [ROLE, SESSION, A, f"arn:aws:iam::{A}:root"])
def test_a_policy_may_name_a_session_by_its_role_by_itself_and_by_its_account(named):
    given = facts_of_key(key(SESSION), identity_of(key(SESSION)))
    assert principal("AWS", named)(Context(given))
    other = SESSION.replace("ann", "bob").replace("Reader", "Writer").replace(A, "999999999999")
    assert not principal("AWS", named)(Context(facts_of_key(key(other), identity_of(key(other)))))


def test_no_policy_can_ask_for_a_session_by_a_tag_that_is_named_like_it():
    facts = facts_of_key(key(f"arn:aws:iam::{A}:user/ann", tags={SESSION_ARN: SESSION}), identity_of(key("x")))
    assert not principal("AWS", SESSION)(Context(facts))


def test_tags_and_organization_are_what_policies_see():
    tagged = key(ROLE, tags={"Team": "blue"}, organization_id="o-1")
    facts = facts_of_key(tagged, identity_of(tagged))
    assert facts["aws:principaltag/team"] == ("blue",)
    assert facts["aws:principalorgid"] == ("o-1",)
    assert principal_of(tagged).identity["principalOrgId"] == "o-1"


def test_what_a_principal_says_of_itself_names_the_key_and_never_its_secret():
    shown = principal_of(key(f"arn:aws:iam::{A}:user/ann", expires=5.0))
    assert shown.credential == "accessKey/AKID"
    assert (shown.kind, shown.expires, shown.id) == ("IAM", 5.0, f"arn:aws:iam::{A}:user/ann")
    assert shown.identity == {
        "accessKey": "AKID",
        "caller": "ann",
        "user": "ann",
        "userArn": f"arn:aws:iam::{A}:user/ann",
        "accountId": A,
    }
