"""The ARNs that policies name methods and routes by.

Source: developer guide, "Control access for invoking an API", and "Use IAM authorization" of WebSocket APIs.
"""

from __future__ import annotations

from typing import Final

INVOKE: Final = "execute-api:Invoke"
MANAGE_CONNECTIONS: Final = "execute-api:ManageConnections"


def method_arn(region: str, account_id: str, api_id: str, stage: str, method: str, path: str) -> str:
    """Of a request; `path` begins with a slash and has no stage in it."""
    return f"arn:aws:execute-api:{region}:{account_id}:{api_id}/{stage}/{literal(method)}{literal(path)}"


def literal(text: str) -> str:
    """`text` of a client as it stands in an ARN, with no wildcard in it.

    Authorizers put the ARN that they are told into the policy that they answer with, and that one is kept.
    """
    return text.replace("*", "%2A") if "*" in text else text


def route_arn(region: str, account_id: str, api_id: str, stage: str, route_key: str) -> str:
    """Of a WebSocket API's route, `$connect` and the others."""
    return f"arn:aws:execute-api:{region}:{account_id}:{api_id}/{stage}/{route_key}"
