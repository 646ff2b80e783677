"""The in-process handler that the benchmark of Python routes calls."""

from __future__ import annotations

from typing import Any


async def echo(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The message itself."""
    return {"statusCode": 200, "body": event["body"]}
