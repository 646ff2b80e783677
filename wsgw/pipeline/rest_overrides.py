"""`$context.requestOverride` and `$context.responseOverride`: what templates set beside the payload that they make.

Source: developer guide, "Override your API's request and response parameters and status codes"; recorded on the
service.
"""

from __future__ import annotations

from typing import Any

from wsgw.invocation import HttpInvocation
from wsgw.mapping.java_text import java_text
from wsgw.mapping.velocity.values import LISTS


def request_overrides(invocation: HttpInvocation, part: str) -> dict[str, str]:
    """The values that the request template has set for `part`: `header`, `path` or `querystring`."""
    return _texts(invocation, "requestOverride", part)


def header_overrides(invocation: HttpInvocation) -> dict[str, str]:
    """The headers of the answer that a request or response template has set."""
    return _texts(invocation, "responseOverride", "header")


def status_override(invocation: HttpInvocation) -> int | None:
    """The status of the answer that a template has set: a whole number that is a final status, or else None."""
    override = _override(invocation, "responseOverride")
    status = override.get("status") if override is not None else None
    if isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 599:
        return status
    return None


def _override(invocation: HttpInvocation, name: str) -> dict[str, Any] | None:
    context = invocation.context
    override = None if context is None else context.get(name)
    return override if isinstance(override, dict) else None


def _texts(invocation: HttpInvocation, name: str, part: str) -> dict[str, str]:
    override = _override(invocation, name)
    values = None if override is None else override.get(part)
    if not isinstance(values, dict):
        return {}
    return {str(key): _text(value) for key, value in values.items() if value is not None}


def _text(value: Any) -> str:
    return ",".join(java_text(item) for item in value) if value.__class__ in LISTS else java_text(value)
