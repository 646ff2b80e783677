"""Whom an access key acts as: the parts of its principal's ARN, by the names that policies and events have for them.

A session's policies are its role's: `aws:PrincipalArn` is the role's ARN, as far as the session's tells it (without the
role's path). Source: IAM User Guide, "AWS global condition context keys" and "Principal key values".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from wsgw.definitions.access import AccessKey

#: The ARN of a session beside that of its role: a policy's Principal may name either. No policy can ask for this key.
SESSION_ARN: Final = "wsgw:sessionarn"

_IDENTITY: Final = re.compile(r"arn:([^:]*):(iam|sts)::([^:]*):(.+)", re.DOTALL)


class IamIdentity(NamedTuple):
    """An identity of AWS.

    `arn` is the one that logs and refusals name, `principal_arn` the one whose policies hold. `type` as
    `aws:PrincipalType` has it. `user_id` is `aws:userid`, `user_name` that of a user, None for others.
    """

    arn: str
    principal_arn: str
    account_id: str
    type: str
    user_id: str
    user_name: str | None


def identity_of(key: AccessKey) -> IamIdentity:
    """Whom `key` acts as; a principal that is no ARN of IAM or STS is a name of nobody's account."""
    found = _IDENTITY.fullmatch(key.principal)
    if found is None:
        return IamIdentity(key.principal, key.principal, "", "User", key.user_id or key.principal, None)
    partition, service, account, rest = found.groups()
    kind, _, name = rest.partition("/")
    last = name.rpartition("/")[2]
    if service == "sts" and kind == "assumed-role":
        role, _, session = name.partition("/")
        role_arn = f"arn:{partition}:iam::{account}:role/{role}"
        return IamIdentity(key.principal, role_arn, account, "AssumedRole", key.user_id or f"{role}:{session}", None)
    if service == "sts":
        return IamIdentity(
            key.principal, key.principal, account, "FederatedUser", key.user_id or f"{account}:{last}", None
        )
    if rest == "root":
        return IamIdentity(key.principal, key.principal, account, "Account", key.user_id or account, None)
    if kind == "role":
        return IamIdentity(key.principal, key.principal, account, "AssumedRole", key.user_id or last, None)
    return IamIdentity(
        key.principal, key.principal, account, "User", key.user_id or last, last if kind == "user" else None
    )


def facts_of_key(key: AccessKey, identity: IamIdentity) -> Mapping[str, tuple[str, ...]]:
    """The condition keys, in lower case, that are true of whoever signs with `key`."""
    facts = {
        "aws:principalarn": identity.principal_arn,
        "aws:principaltype": identity.type,
        "aws:userid": identity.user_id,
        "aws:principalisawsservice": "false",
        **{f"aws:principaltag/{name.lower()}": value for name, value in key.tags.items()},
    }
    if identity.account_id:
        facts["aws:principalaccount"] = identity.account_id
    if identity.user_name is not None:
        facts["aws:username"] = identity.user_name
    if key.organization_id is not None:
        facts["aws:principalorgid"] = key.organization_id
    if identity.arn != identity.principal_arn:
        facts[SESSION_ARN] = identity.arn
    return {name: (value,) for name, value in facts.items()}
