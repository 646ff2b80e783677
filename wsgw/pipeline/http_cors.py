"""CORS of HTTP APIs: preflights answered by the gateway, and the headers of every answer to a page.

Where it is configured, what a backend says of CORS is replaced. An origin that is not allowed is served, without the
headers that would let its page read the answer. Source: developer guide, "Configuring CORS for HTTP APIs".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from wsgw.definitions.access import Cors
from wsgw.invocation import Headers, HttpInvocation, Reply

_PREFIX: Final = "access-control-"
_WILDCARDS: Final[Mapping[str, str]] = {"https://*": "https://", "http://*": "http://"}

#: Gives the access-control-allow-origin for an Origin, None for one that is not allowed.
Allowed = Callable[[str], str | None]


def allowed_origin(cors: Cors) -> Allowed:
    """What each Origin is allowed by `cors`: `*` if everybody is, else the origin itself.

    Raises ValueError for `*` with credentials: every page of the web could then act as its visitor.
    """
    if "*" in cors.allow_origins:
        if cors.allow_credentials:
            raise ValueError("corsConfiguration: allowCredentials needs origins by name; `*` cannot stand with it")
        return lambda origin: "*"
    schemes = tuple(_WILDCARDS[text] for text in cors.allow_origins if text in _WILDCARDS)
    exact = frozenset(text.lower() for text in cors.allow_origins if text not in _WILDCARDS)

    def allowed(origin: str) -> str | None:
        lower = origin.lower()
        return origin if lower in exact or (schemes and lower.startswith(schemes)) else None

    return allowed


def cors_preflight(cors: Cors) -> Callable[[HttpInvocation], Reply | None]:
    """Answers preflights of any path: OPTIONS with Origin and Access-Control-Request-Method. None for all else."""
    allowed = allowed_origin(cors)
    constant: list[tuple[str, str]] = []
    for name, values in (("methods", cors.allow_methods), ("headers", cors.allow_headers)):
        if values:
            constant.append((f"{_PREFIX}allow-{name}", ",".join(values)))
    if cors.max_age is not None:
        constant.append((f"{_PREFIX}max-age", str(cors.max_age)))
    if cors.allow_credentials:
        constant.append((f"{_PREFIX}allow-credentials", "true"))

    def preflight(invocation: HttpInvocation) -> Reply | None:
        if invocation.method != "OPTIONS":
            return None
        fields = invocation.fields
        origin = fields.first("origin")
        if origin is None or not fields.has("access-control-request-method"):
            return None
        value = allowed(origin)
        if value is not None:
            # Not headers of the reply: those would be taken for a backend's.
            invocation.response_headers = ((f"{_PREFIX}allow-origin", value), *constant)
        return Reply(204)

    return preflight


#: A cache on the way must not give what one page may read, or may not, to another (RFC 9110 section 12.5.5).
_VARY: Final = ("vary", "origin")


def cors_settle(cors: Cors) -> Callable[[Reply, HttpInvocation], Reply]:
    """Gives a reply, refusals included, the headers that `cors` says, in place of a backend's."""
    allowed = allowed_origin(cors)
    by_origin: Headers = () if "*" in cors.allow_origins else (_VARY,)
    constant: list[tuple[str, str]] = []
    if cors.expose_headers:
        constant.append((f"{_PREFIX}expose-headers", ",".join(cors.expose_headers)))
    if cors.allow_credentials:
        constant.append((f"{_PREFIX}allow-credentials", "true"))

    def settle(reply: Reply, invocation: HttpInvocation) -> Reply:
        headers: Headers = reply.headers
        if any(name[:15].lower() == _PREFIX for name, _ in headers):
            headers = [pair for pair in headers if pair[0][:15].lower() != _PREFIX]
        added = invocation.response_headers
        if not added:
            origin = invocation.fields.first("origin")
            value = None if origin is None else allowed(origin)
            if value is not None:
                added = ((f"{_PREFIX}allow-origin", value), *constant)
        reply.headers = [*headers, *added, *by_origin]
        return reply

    return settle
