"""The Principal element of IAM policies: whom a statement of a resource policy means.

Source: IAM User Guide, "AWS JSON policy elements: Principal".
"""

from __future__ import annotations

import re
from typing import Final

from wsgw.authorizers.conditions import Test
from wsgw.authorizers.iam_identity import SESSION_ARN
from wsgw.authorizers.patterns import Context

#: The kinds of principal that are the value of one condition key.
_KEYS: Final = {"Service": "aws:principalservicename", "Federated": "aws:federatedprovider"}

#: What IAM writes in place of the ARN of a user or role that was deleted: it names no other of the same name.
_UNIQUE_ID: Final = re.compile(r"A(ID|RO)A[A-Z0-9]{12,124}")


def anybody(_context: Context) -> bool:
    """`*`: everyone, callers without an identity included."""
    return True


def principal(kind: str, text: str) -> Test:
    """The test for one principal: an account's id or root ARN, one identity's ARN, a service, a provider.

    Raises ValueError for what no policy can name.
    """
    if kind in _KEYS:
        key = _KEYS[kind]
        return lambda context: text in context.values(key)
    if kind != "AWS":
        raise ValueError(f"expected AWS, {' or '.join(_KEYS)}")
    if text == "*":
        return anybody
    if "*" in text or "?" in text:
        raise ValueError("wildcards have no meaning in a principal")
    if text.isascii() and text.isdigit():
        return lambda context: _account(context) == text
    if _UNIQUE_ID.fullmatch(text):
        return lambda context: (context.single("aws:userid") or "").partition(":")[0] == text
    parts = text.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        raise ValueError(f"{text!r} is neither an account nor an ARN")
    if parts[5] == "root":
        return lambda context: _account(context) == parts[4]
    # A session is named by its own ARN, or by its role's.
    return lambda context: text in context.values("aws:principalarn") or text in context.values(SESSION_ARN)


def _account(context: Context) -> str | None:
    """The caller's account: what `aws:PrincipalAccount` says, else the one in its ARN."""
    stated = context.single("aws:principalaccount")
    if stated is not None:
        return stated
    parts = (context.single("aws:principalarn") or "").split(":", 5)
    return parts[4] if len(parts) == 6 else None
