"""AWS_PROXY of REST APIs: the steps before and behind the call of a function, whose result is the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wsgw.errors import ApiConfigurationError
from wsgw.invocation import HttpInvocation, IntegrationRequest, Invocation, Reply
from wsgw.pipeline.forward import rest_answer_headers
from wsgw.pipeline.run import Step


def map_to_rest_event(function: str, timeout: float, event: Callable[[HttpInvocation], dict[str, Any]]) -> Step:
    """The event of payload format 1.0, made by `event` (see rest_events), to `function`, a name or ARN."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        # What the answer is read by: whether it is base64 to decode depends on what the client takes.
        accept = invocation.fields.first("accept")
        made = event(invocation)
        invocation.request = IntegrationRequest("POST", function, (), b"", timeout, made, target=accept)

    return step


def call_by_method(method: str) -> Step:
    """Lambda is called by POST only: another method fails, and ANY is the client's own. Recorded on the service."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        used = invocation.method if method == "ANY" else method
        if used != "POST":
            raise ApiConfigurationError(detail=f"functions are called with POST: the integration's method is {used}")

    return step


def map_function_answer() -> Step:
    """The function's answer, but for headers that are ours to say, with the trace id of the request."""

    async def step(invocation: Invocation) -> None:
        reply = invocation.reply
        assert reply is not None
        assert isinstance(invocation, HttpInvocation)
        headers = [*rest_answer_headers(reply.headers)]
        # A function that says Via means it; a backend's is of its own hop.
        headers += [(name, value) for name, value in reply.headers if name.lower() == "via"]
        headers.append(("X-Amzn-Trace-Id", invocation.trace))
        invocation.reply = Reply(reply.status, reply.body, headers, reply.stream)

    return step
