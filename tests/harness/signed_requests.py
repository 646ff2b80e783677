"""Requests to the REST API `pets` that botocore signs, and the keys and policies that go with them."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.authorizers.sigv4_signing import KEY, sign
from tests.harness.gateway import TestGateway
from tests.harness.management import call_once, signed_call
from tests.harness.raw_websocket import Response
from wsgw.authorizers.iam import SignedRequest
from wsgw.definitions.access import AccessKey

ACCOUNT, OTHER_ACCOUNT = "000000000000", "111122223333"


def statement(effect: str = "Allow", resource: Any = "*", **members: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource, **members}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """An IAM policy; a resource policy where its statements have a Principal."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


#: What a policy says of whatever is asked for, by the word that the tables have for it.
SAYS: dict[str, dict[str, Any]] = {
    "allow": document(statement()),
    "silent": document(statement(resource="arn:aws:execute-api:*:*:other/*")),
    "deny": document(statement(), statement("Deny")),
}


def as_resource_policy(policy: dict[str, Any]) -> dict[str, Any]:
    return document(*({"Principal": "*", **one} for one in policy["Statement"]))


def key_of(account: str = ACCOUNT, *policies: dict[str, Any], **members: Any) -> AccessKey:
    """A key of the user `ann` of this account."""
    principal = f"arn:aws:iam::{account}:user/ann"
    return AccessKey(access_key_id="AKIDANN", secret="a secret", principal=principal, policies=policies, **members)


def signed(verb: str = "GET", path: str = "/a", *, key: AccessKey = KEY, **options: Any) -> SignedRequest:
    """A request to the stage `dev`, signed now unless `at` says otherwise."""
    options.setdefault("body", b"")
    return sign(verb, f"/pets/dev{path}", key=key, at=options.pop("at", time.time()), **options)


async def send(gateway: TestGateway, request: SignedRequest) -> Response:
    return await call_once(gateway, signed_call(request))


def said(response: Response) -> tuple[int, str | None, Any]:
    """Status, x-amzn-ErrorType and body."""
    return response.status, response.header("x-amzn-ErrorType"), json.loads(response.body)
