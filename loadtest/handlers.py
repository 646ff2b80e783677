"""The in-process handlers that benchmarks of Python routes and Python authorizers call."""

from __future__ import annotations

from typing import Any


async def echo(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The message itself."""
    return {"statusCode": 200, "body": event["body"]}


def authorize(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lets everybody in."""
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    return {"principalId": "somebody", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
