"""The steps that turn an invocation into what its integration is sent, and the answer into what its route gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

import orjson

from wsgw.definitions.route import ContentHandling, PassthroughBehavior
from wsgw.errors import ApiConfigurationError, UnsupportedMediaType
from wsgw.integrations.lambda_events import event
from wsgw.invocation import Headers, IntegrationRequest, Invocation, Reply
from wsgw.mapping.parameters import MappedParameters
from wsgw.mapping.selection import choose
from wsgw.mapping.template import Params, Scope, Template, TemplateRuntimeError
from wsgw.mapping.variables import context_of
from wsgw.pipeline.backend_headers import Lines, connect_headers
from wsgw.pipeline.content import convert
from wsgw.pipeline.run import Step

_DOTS = frozenset((".", ".."))

Selector = Callable[[Invocation], str]
Parameters = Callable[[Invocation], MappedParameters]


class Target:
    """Where an HTTP integration goes: `url` with stage variables filled in, perhaps with `{name}` in its path."""

    __slots__ = ("method", "timeout", "url")

    def __init__(self, method: str, url: str, timeout: float) -> None:
        self.method = method
        self.url = url
        self.timeout = timeout

    def with_parameters(self, mapped: MappedParameters) -> str:
        """The URL with mapped path parameters and query put in, percent-encoded.

        Raises ApiConfigurationError where they would make a `.` or `..` of a part of the path: it leads elsewhere.
        """
        url = self.url
        for name, value in mapped.path.items():
            url = url.replace(f"{{{name}}}", quote(value, safe=""))
        if mapped.path and not _DOTS.isdisjoint(url.partition("?")[0].split("/")):
            raise ApiConfigurationError(detail="a mapped path parameter makes a dot segment")
        if mapped.query:
            url += ("&" if "?" in url else "?") + urlencode(mapped.query)
        return url


def map_to_http_proxy(
    target: Target, lines: Lines, parameters: Parameters | None, handling: ContentHandling | None
) -> Step:
    """A message's bytes, unchanged, to an HTTP backend."""
    url, method, timeout = target.url, target.method, target.timeout

    async def step(invocation: Invocation) -> None:
        body = invocation.body if handling is None else convert(invocation.body, handling)
        if parameters is None:
            invocation.request = IntegrationRequest(method, url, (), body, timeout, None, lines(invocation))
            return
        mapped = parameters(invocation)
        invocation.request = IntegrationRequest(
            method, target.with_parameters(mapped), mapped.headers, body, timeout, None, lines(invocation)
        )

    return step


def map_connect_to_http_proxy(target: Target, lines: Lines, parameters: Parameters | None) -> Step:
    """A handshake to an HTTP backend: the client's headers and query, no body."""

    async def step(invocation: Invocation) -> None:
        headers = connect_headers(invocation)
        url = target.url
        query = list(invocation.query)
        if parameters is not None:
            mapped = parameters(invocation)
            mapped_names = {name.lower() for name, _ in mapped.headers}
            headers = [header for header in headers if header[0].lower() not in mapped_names] + list(mapped.headers)
            url = target.with_parameters(mapped)
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        invocation.request = IntegrationRequest(
            target.method, url, headers, b"", target.timeout, None, lines(invocation)
        )

    return step


class Templates:
    """The request or response templates of one integration, and what happens when none is selected."""

    __slots__ = ("_by_key", "_empty", "_fallback", "_passthrough", "_select")

    def __init__(
        self, by_key: Mapping[str, Template], select: Selector | None, passthrough: PassthroughBehavior
    ) -> None:
        self._by_key = by_key
        fallback = choose(by_key, "$default")
        if fallback is None and select is None:
            # Without a selection expression the service uses the one keyed as the type of every message.
            fallback = by_key.get("application/json")
        self._fallback = fallback
        self._select = select
        self._empty = not by_key
        self._passthrough = passthrough

    def chosen(self, invocation: Invocation) -> Template | None:
        """The template for `invocation`; None: its body passes as it is. Raises UnsupportedMediaType."""
        template = self._fallback
        if self._select is not None:
            template = self._by_key.get(self._select(invocation), template)
        if template is None and not self._empty and self._passthrough == "WHEN_NO_TEMPLATES":
            raise UnsupportedMediaType(detail="no template is selected, and passthrough is WHEN_NO_TEMPLATES")
        if template is None and self._passthrough == "NEVER":
            raise UnsupportedMediaType(detail="no template is selected, and passthrough is NEVER")
        return template


def render(template: Template, invocation: Invocation, body: str) -> str:
    """`template` over `body`. Raises ApiConfigurationError if it fails or runs over its limits."""
    scope = Scope(body, _params(invocation), context_of(invocation), invocation.site.stage_variables)
    try:
        return template.render(scope)
    except TemplateRuntimeError as error:
        raise ApiConfigurationError(detail=f"template: {error}") from error


def _params(invocation: Invocation) -> Params:
    return Params({}, dict(invocation.query), dict(invocation.headers))


def map_to_http(
    target: Target,
    lines: Lines,
    templates: Templates,
    parameters: Parameters | None,
    handling: ContentHandling | None,
) -> Step:
    """A template's output, or what passes through, to an HTTP backend."""

    async def step(invocation: Invocation) -> None:
        template = templates.chosen(invocation)
        body = invocation.body
        if template is not None:
            body = render(template, invocation, body.decode("utf-8", "replace")).encode("utf-8", "replace")
        if handling is not None:
            body = convert(body, handling)
        url = target.url
        headers: Headers = ()
        if parameters is not None:
            mapped = parameters(invocation)
            url, headers = target.with_parameters(mapped), mapped.headers
        invocation.request = IntegrationRequest(
            target.method, url, headers, body, target.timeout, None, lines(invocation)
        )

    return step


def mock(templates: Templates) -> Step:
    """What a MOCK integration does: the status that its request template gives, `{"statusCode": 200}`."""

    async def step(invocation: Invocation) -> None:
        template = templates.chosen(invocation)
        text = invocation.body.decode("utf-8", "replace")
        if template is not None:
            text = render(template, invocation, text)
        status = _mock_status(text)
        if status is None:
            raise ApiConfigurationError(detail="mock: the request template gives no statusCode")
        invocation.reply = Reply(status)
        invocation.integration_status = status

    return step


def _mock_status(text: str) -> int | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    status = document.get("statusCode") if isinstance(document, dict) else None
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        return None
    return status


def map_to_event(function: str, timeout: float) -> Step:
    """The Lambda proxy event to a function, named by `function`."""

    async def step(invocation: Invocation) -> None:
        invocation.request = IntegrationRequest("POST", function, (), b"", timeout, event(invocation))

    return step


class MappedResponse:
    """One IntegrationResponse, ready to use."""

    __slots__ = ("handling", "templates")

    def __init__(self, templates: Templates, handling: ContentHandling | None) -> None:
        self.templates = templates
        self.handling = handling


def map_response(select: Callable[[str], int | None], responses: Sequence[MappedResponse]) -> Step:
    """The backend's answer through the integration response that its status selects.

    Raises ApiConfigurationError if none does. Without a template the body passes as it came.
    """

    async def step(invocation: Invocation) -> None:
        reply = invocation.reply
        assert reply is not None
        index = select(str(reply.status))
        if index is None:
            raise ApiConfigurationError(
                detail=f"no integration response matches status {reply.status}, and there is no $default"
            )
        response = responses[index]
        body = reply.body
        template = response.templates.chosen(invocation)
        if template is not None:
            body = render(template, invocation, body.decode("utf-8", "replace")).encode("utf-8", "replace")
        if response.handling is not None:
            body = convert(body, response.handling)
        invocation.reply = Reply(reply.status, body, reply.headers)

    return step
