"""Answers of HTTP APIs: the backend's as it is, but for what belongs to one hop, then as its mapping changes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from wsgw.header_fields import SharedHeaders
from wsgw.invocation import Headers, HttpInvocation, Invocation, Reply
from wsgw.mapping.http_parameters import ResponseMapping
from wsgw.pipeline.backend_headers import connection_options
from wsgw.pipeline.run import Step

#: They belong to one hop, or are ours to say.
_DROPPED: Final = frozenset(
    ("apigw-requestid", "connection", "content-length", "date", "keep-alive", "proxy-authenticate", "proxy-connection")
) | {"te", "trailer", "transfer-encoding", "upgrade"}
#: Whether a name is kept, by its spelling: backends repeat themselves.
_known: dict[str, bool] = {}
_MOST_KNOWN: Final = 4096
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


def answer_as_it_came() -> Step:
    """For integrations without response mappings."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        reply = invocation.reply
        assert reply is not None
        reply.headers = _headers(invocation, reply)

    return step


def map_answer(mappings: Mapping[int, ResponseMapping]) -> Step:
    """The mapping for the status that the backend gave; an answer of another status stays as it came."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        reply = invocation.reply
        assert reply is not None
        reply.headers = _headers(invocation, reply)
        mapping = mappings.get(reply.status)
        if mapping is None:
            return
        try:
            mapping.apply(invocation, reply)
        except BaseException:
            if reply.stream is not None:
                reply.stream.cancel()
            raise

    return step


def _headers(invocation: HttpInvocation, reply: Reply) -> Headers:
    kept = kept_headers(reply.headers)
    if invocation.method == "HEAD" and not reply.body and reply.stream is None and reply.status != 204:
        length = reply.header("content-length")
        if length is not None and _LENGTH.fullmatch(length):
            return [*kept, ("Content-Length", length)]
    return kept


def kept_headers(headers: Headers) -> Headers:
    """The headers of a backend that the client gets. What is given may be shared by many answers."""
    if type(headers) is not SharedHeaders:
        return _kept(headers)
    known: SharedHeaders | None = headers.made.get("given by HTTP")
    if known is None:
        known = headers.made["given by HTTP"] = SharedHeaders(_kept(headers))
    return known


def _kept(headers: Headers) -> list[tuple[str, str]]:
    kept = []
    options = False
    for pair in headers:
        name = pair[0]
        keep = _known.get(name)
        if keep is None:
            keep = _learn(name)
        if keep:
            kept.append(pair)
        elif not options and name.lower() == "connection" and pair[1].lower() not in ("close", "keep-alive"):
            options = True
    if options:
        named = connection_options(headers)
        kept = [pair for pair in kept if pair[0].lower() not in named]
    return kept


def _learn(name: str) -> bool:
    keep = name.lower() not in _DROPPED
    if len(_known) < _MOST_KNOWN:
        _known[name] = keep
    return keep
