"""The ARNs that policies name methods and routes by.

Source: developer guide, "Control access for invoking an API", and "Use IAM authorization" of WebSocket APIs.
"""

from __future__ import annotations

from typing import Final

INVOKE: Final = "execute-api:Invoke"
MANAGE_CONNECTIONS: Final = "execute-api:ManageConnections"


def method_arn(region: str, account_id: str, api_id: str, stage: str, method: str, path: str) -> str:
    """Of a request; `path` begins with a slash and has no stage in it."""
    return f"arn:aws:execute-api:{region}:{account_id}:{api_id}/{stage}/{method}{path}"


def route_arn(region: str, account_id: str, api_id: str, stage: str, route_key: str) -> str:
    """Of a WebSocket API's route, `$connect` and the others."""
    return f"arn:aws:execute-api:{region}:{account_id}:{api_id}/{stage}/{route_key}"
