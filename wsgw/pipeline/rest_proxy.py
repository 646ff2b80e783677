"""HTTP_PROXY of REST APIs: the steps before and behind the call."""

from __future__ import annotations

from collections.abc import Callable

from wsgw.definitions.route import ContentHandling
from wsgw.integrations.http_pool import Target
from wsgw.invocation import Headers, HttpInvocation, IntegrationRequest, Invocation, Reply
from wsgw.pipeline.forward import ForwardedLines, rest_answer_headers, with_query
from wsgw.pipeline.rest_content import converted, request_conversion
from wsgw.pipeline.rest_headers import field_lines
from wsgw.pipeline.rest_request import BODILESS, Parameters, hosted, target_for
from wsgw.pipeline.rest_url import PathTemplate
from wsgw.pipeline.run import Step

_NONE: frozenset[str] = frozenset()


def map_to_rest_proxy(target: Target, method: str, timeout: float, lines: ForwardedLines) -> Step:
    """The request as it is, to `target`, with the client's query behind the target's own."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        verb = invocation.method if method == "ANY" else method
        bodiless = verb in BODILESS
        invocation.request = IntegrationRequest(
            verb,
            "",
            (),
            b"" if bodiless else invocation.body,
            timeout,
            None,
            lines(invocation, _NONE),
            None if bodiless else invocation.stream,
            True,
            with_query(target, invocation.raw_query),
        )

    return step


def map_parameters_to_rest_proxy(
    target: Target, method: str, timeout: float, lines: ForwardedLines, parameters: Parameters
) -> Step:
    """The request with mapped headers in place of the client's, the path's names filled in, and mapped query behind."""
    path = PathTemplate(target.request_target)

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        found = parameters(invocation)
        headers: Headers = found.headers
        to = target_for(target, path, found, invocation.raw_query)
        names = frozenset([name.lower() for name, _ in headers])
        if "host" in names:
            to, headers = hosted(to, headers)
        block = lines(invocation, names)
        verb = invocation.method if method == "ANY" else method
        bodiless = verb in BODILESS
        invocation.request = IntegrationRequest(
            verb,
            "",
            (),
            b"" if bodiless else invocation.body,
            timeout,
            None,
            block + field_lines(headers) if headers else block,
            None if bodiless else invocation.stream,
            True,
            to,
        )

    return step


def convert_proxied_body(handling: ContentHandling, binary: Callable[[str | None], bool]) -> Step:
    """contentHandling of an HTTP_PROXY integration; without it bodies pass as they are, whatever they are."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        assert invocation.stream is None
        kind = invocation.fields.first("content-type")
        invocation.body = converted(invocation.body, request_conversion(handling, binary=binary(kind)), None)

    return step


def map_rest_answer() -> Step:
    """The backend's answer as it is, but for headers that are ours to say."""

    async def step(invocation: Invocation) -> None:
        reply = invocation.reply
        assert reply is not None
        invocation.reply = Reply(reply.status, reply.body, rest_answer_headers(reply.headers), reply.stream)

    return step
