"""Whether the authorizer of `$connect` can find what a stage's `tokens` and `tokenExpiry` bring it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.finding import Finding, Path, error, warning

_SOURCE: Final = re.compile(r"route\.request\.(header|querystring)\.(.+)")
_THERE: Final = "route.request.header.Authorization"


def check_tokens(path: Path, api: Api, stage: Stage) -> Iterator[Finding]:
    """What of `stage`, at `path`, does not go with the authorization of `$connect`."""
    connect = api.routes.get("$connect")
    if connect is None or connect.authorization_type == "NONE":
        return
    at: Path = (*path, "tokenExpiry")
    refresh = stage.token_expiry == "REFRESH"
    if connect.authorization_type == "AWS_IAM":
        if refresh:
            yield error(at, "a signature cannot be shown again: REFRESH needs an authorizer of tokens", "use CLOSE")
        return
    authorizer = api.authorizers.get(connect.authorizer or "")
    if authorizer is None:
        return
    places = token_places(authorizer)
    if refresh and len(places) != 1:
        message = "REFRESH needs one place of the request that a token stands in"
        yield error(at, message, f"leave one in {authorizer.name}'s identitySource, or use CLOSE")
    tokens = stage.tokens
    taken = [name for name in ("query", "ticket") if ("querystring", getattr(tokens, name)) in places]
    for name in taken:
        parameter = getattr(tokens, name)
        message = f"{parameter} is taken out of the query before {authorizer.name} looks for it there"
        yield error((*path, "tokens", name), message, f"write {_THERE} as its identitySource")
    found = any(kind == "header" and name.lower() == "authorization" for kind, name in places)
    for name in ("subprotocol", "query", "cookie"):
        if getattr(tokens, name) and not found and name not in taken:
            message = f"{authorizer.name} does not look where it then finds the token"
            yield warning((*path, "tokens", name), message, f"write {_THERE} as its identitySource")


def token_places(authorizer: Authorizer) -> list[tuple[str, str]]:
    """Where in a handshake `authorizer` finds what callers show: `header` or `querystring`, and its name."""
    sources = authorizer.identity_sources or (_THERE,)
    return [(match[1], match[2]) for source in sources if (match := _SOURCE.fullmatch(source))]
