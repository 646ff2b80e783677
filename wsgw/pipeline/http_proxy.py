"""HTTP_PROXY of HTTP APIs: the request as it is, or as its parameter mapping makes it, to a public or private backend.

Where a request goes on its backend is decided by the route: the integration's URL as it is, with path variables filled
in, or with the whole path of the request behind it. Paths go out as canonical as they were matched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote, unquote

from wsgw.integrations.http_pool import Target
from wsgw.invocation import HttpInvocation, IntegrationRequest, Invocation
from wsgw.mapping.http_parameters import RequestMapping
from wsgw.pipeline.forward import ForwardedLines, behind_own, with_query
from wsgw.pipeline.run import Step

_NONE: Final[frozenset[str]] = frozenset()
_PLACEHOLDER: Final = re.compile(r"\{([^{}/?]+?)\+?\}")

#: Gives the path and, behind a `?`, the query that an invocation asks its backend for; the client's query is not in it.
RequestTarget = Callable[[HttpInvocation], str]


def map_to_http_backend(
    target: Target,
    request_target: RequestTarget | None,
    method: str,
    timeout: float,
    lines: ForwardedLines,
    *,
    streams: bool,
) -> Step:
    """The request as it is to `target`; request_target None: to the path that `target` has.

    streams: nothing needs the answer's body whole.
    """

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        query = invocation.raw_query
        if request_target is None:
            aim = with_query(target, query)
        else:
            aim = target.at(behind_own(request_target(invocation), query))
        invocation.request = IntegrationRequest(
            invocation.method if method == "ANY" else method,
            "",
            (),
            invocation.body,
            timeout,
            None,
            lines(invocation, _NONE),
            invocation.stream,
            streams,
            aim,
        )

    return step


def map_parameters_to_http_backend(
    target: Target,
    request_target: RequestTarget | None,
    method: str,
    timeout: float,
    lines: ForwardedLines,
    mapping: RequestMapping,
    *,
    streams: bool,
) -> Step:
    """As `map_to_http_backend`, for the request as `mapping` makes it."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        mapped = mapping.apply(invocation)
        path, _, own = (request_target(invocation) if request_target else target.request_target).partition("?")
        if mapped.path is not None:
            path = mapped.path
        query = "&".join([*mapping.kept_query(own), mapping.query_of(invocation.raw_query, mapped.query)])
        query = query.strip("&")
        aim = target if mapped.authority is None else target._replace(authority=mapped.authority)
        invocation.request = IntegrationRequest(
            invocation.method if method == "ANY" else method,
            "",
            mapped.headers,
            invocation.body,
            timeout,
            None,
            lines(invocation, mapping.headers_gone),
            invocation.stream,
            streams,
            aim.at(f"{path}?{query}" if query else path),
        )

    return step


def placeholders(url: str) -> list[str]:
    """The names in braces that `url` has."""
    return _PLACEHOLDER.findall(url)


def filled(request_target: str, variables: Sequence[str]) -> RequestTarget:
    """`request_target` with its `{name}`s replaced by the route's path variables.

    variables: the route's own. Raises ValueError for a placeholder that is none of them.
    """
    path, _, query = request_target.partition("?")
    unknown = [name for name in placeholders(request_target) if name not in variables]
    if unknown:
        raise ValueError(f"{{{unknown[0]}}} in the integration's URL is no path variable of the route")
    in_path, in_query = _PLACEHOLDER.split(path), _PLACEHOLDER.split(query)

    def fill(invocation: HttpInvocation) -> str:
        values = invocation.path_parameters
        # A segment is good for a path as it was sent; in a query its `&` and `+` would mean something.
        text = "".join([values[part] if at % 2 else part for at, part in enumerate(in_path)])
        if not query:
            return text
        asked = [quote(unquote(values[part]), safe="") if at % 2 else part for at, part in enumerate(in_query)]
        return f"{text}?{''.join(asked)}"

    return fill


def behind(request_target: str, prefix: str = "") -> RequestTarget:
    """The whole path of the request behind `prefix` and the path of `request_target`, whose query stays."""
    path, mark, query = request_target.partition("?")
    start, end = path.rstrip("/") + prefix, mark + query

    def append(invocation: HttpInvocation) -> str:
        return f"{start}{invocation.rest}{end}"

    return append
