"""HTTP_PROXY of REST APIs: the steps before and behind the call."""

from __future__ import annotations

from wsgw.integrations.http_pool import Target
from wsgw.invocation import HttpInvocation, IntegrationRequest, Invocation, Reply
from wsgw.pipeline.forward import ForwardedLines, rest_answer_headers, with_query
from wsgw.pipeline.run import Step

_NONE: frozenset[str] = frozenset()


def map_to_rest_proxy(target: Target, method: str, timeout: float, lines: ForwardedLines) -> Step:
    """The request as it is, to `target`, with the client's query behind the target's own."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        invocation.request = IntegrationRequest(
            invocation.method if method == "ANY" else method,
            "",
            (),
            invocation.body,
            timeout,
            None,
            lines(invocation, _NONE),
            invocation.stream,
            True,
            with_query(target, invocation.raw_query),
        )

    return step


def map_rest_answer() -> Step:
    """The backend's answer as it is, but for headers that are ours to say."""

    async def step(invocation: Invocation) -> None:
        reply = invocation.reply
        assert reply is not None
        invocation.reply = Reply(reply.status, reply.body, rest_answer_headers(reply.headers), reply.stream)

    return step
