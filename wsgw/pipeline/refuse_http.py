"""How a GatewayError looks to a caller of an HTTP API: fixed JSON, compact, by status.

Source: developer guide, "Troubleshooting HTTP APIs"; recorded answers.
"""

from __future__ import annotations

from typing import Final

from wsgw.errors import GatewayError, IntegrationFailure, IntegrationTimeout, ServiceUnavailable
from wsgw.invocation import HttpInvocation, Reply
from wsgw.pipeline.refuse import blocked_reply

_JSON: Final = (("content-type", "application/json"),)
_WORDS: Final = {
    400: b'{"message":"Bad Request"}',
    401: b'{"message":"Unauthorized"}',
    403: b'{"message":"Forbidden"}',
    404: b'{"message":"Not Found"}',
    413: b'{"message":"Request Entity Too Large"}',
    429: b'{"message":"Too Many Requests"}',
    503: b'{"message":"Service Unavailable"}',
    504: b'{"message":"Gateway Timeout"}',
}
_INTERNAL: Final = b'{"message":"Internal Server Error"}'


def http_reply(error: GatewayError, invocation: HttpInvocation) -> Reply:
    """The answer; whatever is wrong with a backend is 503, with a function or with us 500."""
    blocked = blocked_reply(error)
    if blocked is not None:
        return blocked
    status: int = error.status
    if isinstance(error, IntegrationFailure | IntegrationTimeout):
        # A host name that leads nowhere is the definition's fault, not the backend's.
        status = 500 if error.detail == "dns_failure" else 503
    elif status >= 500 and not isinstance(error, ServiceUnavailable):
        status = 500
    headers = list(_JSON)
    if error.challenge:
        headers.append(("www-authenticate", error.challenge))
    if isinstance(error, ServiceUnavailable):
        headers.append(("retry-after", str(error.retry_after)))
    return Reply(status, _WORDS.get(status, _INTERNAL), headers)
