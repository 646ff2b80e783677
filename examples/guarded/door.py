"""Who may come in, and what stands behind the door: the Python functions of wsgw.yaml."""

from __future__ import annotations

from typing import Any

#: What callers send as `Authorization`, and who they then are. A real one would ask somebody who knows.
KNOWN = {"letmein-ada": "ada", "letmein-bob": "bob"}


def who(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The answer of a TOKEN authorizer: a principal, and a policy for all that it may call."""
    name = KNOWN.get(event["authorizationToken"])
    if name is None:
        raise PermissionError("Unauthorized")
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    # Said aloud: what an authorizer is silent about, a resource policy may allow.
    deny = {"Effect": "Deny", "Action": "execute-api:Invoke", "NotResource": "*/GET/notes"}
    return {
        "principalId": name,
        "policyDocument": {"Version": "2012-10-17", "Statement": [allow] if name == "ada" else [allow, deny]},
        "context": {"greeting": f"Hello, {name.title()}"},
    }


def notes(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """What is behind it: it is told who is calling."""
    caller = event["requestContext"]["authorizer"]
    return {"statusCode": 200, "body": f"{caller['greeting']}: these are the notes of {caller['principalId']}"}


def orders(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Behind a JWT authorizer: the token's claims say who is calling."""
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    return {"statusCode": 200, "body": f"orders of {claims['sub']}"}
