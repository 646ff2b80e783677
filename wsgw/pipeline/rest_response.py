"""Integration responses of REST APIs: which one a backend's answer selects, and what it makes of it.

The status is the integration response's, and of the headers only those that are mapped are given.
Source: developer guide, "Set up an integration response in API Gateway"; recorded on the service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from wsgw.definitions.route import ContentHandling, IntegrationResponse
from wsgw.errors import ApiConfigurationError
from wsgw.invocation import FunctionReply, HttpInvocation, Invocation, Reply
from wsgw.mapping.expressions import expression
from wsgw.mapping.rest_parameters import compile_response_parameters
from wsgw.pipeline.rest_content import Conversion, converted, response_conversion
from wsgw.pipeline.rest_headers import answer_mapping, answered_name, as_sent, replace
from wsgw.pipeline.rest_overrides import header_overrides, status_override
from wsgw.pipeline.rest_templates import JSON_TYPE, ResponseTemplates, RestTemplate
from wsgw.pipeline.run import Step

Binary = Callable[[str | None], bool]
Respond = Callable[[HttpInvocation, Reply, str | None], Reply]

#: An errorMessage is the backend's; patterns look at this much of it.
_LONGEST_TEXT: Final = 65_536


class LiveResponse:
    """One IntegrationResponse, ready to use. declared: the method has a response of its status."""

    __slots__ = ("_binary", "_handling", "_parameters", "_templates", "declared", "status")

    def __init__(self, response: IntegrationResponse, *, declared: bool, binary: Binary | None) -> None:
        code = response.status_code or response.key
        if not code.isdecimal() or not 200 <= int(code) <= 599:
            raise ValueError(f"the status code {code!r} of an integration response is none from 200 to 599")
        self.status = int(code)
        self.declared = declared
        self._templates = ResponseTemplates(response.response_templates)
        mapping = answer_mapping(response.response_parameters)
        self._parameters = compile_response_parameters(mapping) if mapping else None
        self._handling: ContentHandling | None = response.content_handling
        self._binary = binary

    def reply(self, invocation: HttpInvocation, reply: Reply) -> Reply:
        """What the client gets of a backend's `reply`. Raises ApiConfigurationError."""
        headers = [] if self._parameters is None else self._parameters(invocation, reply)
        template = self._templates.chosen(invocation)
        body = self._body(invocation, reply, template)
        status = self.status
        if invocation.context is not None:
            status = status_override(invocation) or status
            overrides = header_overrides(invocation)
            if overrides:
                named = {answered_name(name): value for name, value in overrides.items()}
                headers = replace(headers, {name: value for name, value in named.items() if name is not None})
        if headers:
            headers = as_sent(headers)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", JSON_TYPE if template is None else template.content_type))
        return Reply(status, body, headers)

    def _body(self, invocation: HttpInvocation, reply: Reply, template: RestTemplate | None) -> bytes:
        conversion: Conversion = "TEXT"
        if self._binary is not None or self._handling is not None:
            conversion = self._conversion(invocation, reply)
        if template is None:
            if conversion == "TEXT" and not reply.body.isascii() and reply.header("content-encoding") is not None:
                return reply.body  # Compressed: no text, and the mapped Content-Encoding says so.
            return converted(reply.body, conversion, None)
        if template.encoded is not None and conversion == "TEXT":
            return template.encoded
        return converted(reply.body, conversion, partial(template.render, invocation))

    def _conversion(self, invocation: HttpInvocation, reply: Reply) -> Conversion:
        binary = client_binary = False
        if self._binary is not None:
            kind = reply.header("content-type")
            # The answer of a MOCK has no payload that could be binary: `*/*` does not mean it.
            binary = (kind is not None or bool(reply.body)) and self._binary(kind)
            client_binary = self._binary(invocation.fields.first("accept"))
        return response_conversion(self._handling, binary=binary, client_binary=client_binary)


def responder(responses: Sequence[IntegrationResponse], declared: frozenset[str], binary: Binary | None) -> Respond:
    """Gives what a client gets of a backend's answer.

    declared: the statuses of the method's responses; binary: None where no media type is. The result takes the text
    that patterns are matched against: a status, the errorMessage of a function, None for a function's success, and
    raises ApiConfigurationError. Raises ValueError for a pattern that cannot be used.
    """
    fallback: LiveResponse | None = None
    patterns: list[tuple[Any, LiveResponse]] = []
    for response in sorted(responses, key=lambda one: one.status_code or one.key):
        code = response.status_code or response.key
        live = LiveResponse(response, declared=code in declared, binary=binary)
        if response.selection_pattern:
            patterns.append((_pattern(response.selection_pattern), live))
        elif fallback is None:
            fallback = live
    by_status: dict[str, LiveResponse | None] = {}

    def select(text: str | None) -> LiveResponse | None:
        if text is None:
            return fallback
        if text in by_status:
            return by_status[text]
        found = fallback
        try:
            found = next((live for pattern, live in patterns if pattern.fullmatch(text[:_LONGEST_TEXT])), fallback)
        except UnicodeEncodeError:
            pass  # A lone surrogate: such a text matches no pattern.
        # A status. Not an errorMessage, which may be anything.
        if len(text) == 3 and text.isascii() and text.isdecimal():
            by_status[text] = found
        return found

    def respond(invocation: HttpInvocation, reply: Reply, text: str | None) -> Reply:
        live = select(text)
        if live is None:
            raise ApiConfigurationError(
                detail="no match for output mapping and no default output mapping configured; "
                f"endpoint response status code: {reply.status}"
            )
        if not live.declared:
            raise ApiConfigurationError(detail=f"output mapping refers to an invalid method response: {live.status}")
        return live.reply(invocation, reply)

    return respond


def _pattern(text: str) -> Any:
    try:
        return expression(text)
    except ValueError as error:
        raise ValueError(
            f"the selectionPattern {text!r} is no regular expression of RE2 ({error}); look-ahead, look-behind and "
            "back-references cannot be used"
        ) from error


def map_response(respond: Respond) -> Step:
    """A backend's answer through the integration response that it selects, with the trace id of the request."""

    async def step(invocation: Invocation) -> None:
        reply = invocation.reply
        assert reply is not None
        assert isinstance(invocation, HttpInvocation)
        text = reply.error_message if isinstance(reply, FunctionReply) else str(reply.status)
        answer = respond(invocation, reply, text)
        answer.headers = [*answer.headers, ("X-Amzn-Trace-Id", invocation.trace)]
        invocation.reply = answer

    return step
