"""Integration requests of REST APIs: template, parameters, overrides and content handling, then the call's parts.

HTTP integrations get only what the definition maps, and what the gateway says of itself; AWS integrations get the same
parts, for their invoker to sign. HTTP_PROXY is in `rest_proxy`.
Source: developer guide, "Set up an integration request in API Gateway"; headers recorded on the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from wsgw.definitions.route import ContentHandling
from wsgw.errors import ApiConfigurationError
from wsgw.integrations.http_pool import Target
from wsgw.invocation import Headers, HttpInvocation, IntegrationRequest, Invocation
from wsgw.mapping.parameters import MappedParameters
from wsgw.pipeline.rest_content import converted, request_conversion
from wsgw.pipeline.rest_headers import Reserved, field_lines, permitted, replace
from wsgw.pipeline.rest_overrides import request_overrides
from wsgw.pipeline.rest_templates import JSON_TYPE, RequestTemplates
from wsgw.pipeline.rest_url import PathTemplate, as_path_value, with_host, with_query
from wsgw.pipeline.run import Step

Parameters = Callable[[HttpInvocation], MappedParameters]
#: Methods whose requests have no body, whatever is mapped.
BODILESS = frozenset(("GET", "HEAD", "DELETE"))


class MappedRequest:
    """What is to be sent: `headers` and `query` in order, `path` by name and percent-encoded."""

    __slots__ = ("body", "headers", "path", "query")

    def __init__(self, body: bytes, headers: Headers, query: Headers, path: Mapping[str, str]) -> None:
        self.body = body
        self.headers = headers
        self.query = query
        self.path = path


class RequestMapping:
    """Makes MappedRequests. `binary` says whether a Content-Type is one of the API's binaryMediaTypes."""

    __slots__ = ("_binary", "_handling", "_parameters", "_reserved", "_templates")

    def __init__(
        self,
        templates: RequestTemplates,
        parameters: Parameters | None,
        handling: ContentHandling | None,
        binary: Callable[[str | None], bool],
        reserved: Reserved,
    ) -> None:
        self._templates = templates
        self._parameters = parameters
        self._handling = handling
        self._binary = binary
        self._reserved = reserved

    def of(self, invocation: HttpInvocation) -> MappedRequest:
        """Raises UnsupportedMediaType, ApiConfigurationError, and BadRequestBody of a mapping from the body."""
        template = self._templates.chosen(invocation)
        parameters = None if self._parameters is None else self._parameters(invocation)
        body = self.body(invocation, None if template is None else partial(template.render, invocation))
        if parameters is None:
            mapped = MappedRequest(body, (), (), {})
        else:
            mapped = MappedRequest(body, parameters.headers, parameters.query, parameters.path)
        if invocation.context is not None:
            self._override(mapped, invocation)
        return mapped

    def body(self, invocation: HttpInvocation, render: Callable[[str], str] | None) -> bytes:
        """The request's body, converted and rendered."""
        conversion = request_conversion(self._handling, binary=self._binary(invocation.fields.first("content-type")))
        return converted(invocation.body, conversion, render)

    def _override(self, mapped: MappedRequest, invocation: HttpInvocation) -> None:
        headers = permitted(request_overrides(invocation, "header"), self._reserved)
        if headers:
            mapped.headers = replace(mapped.headers, headers)
        query = request_overrides(invocation, "querystring")
        if query:
            mapped.query = [*((name, value) for name, value in mapped.query if name not in query), *query.items()]
        path = request_overrides(invocation, "path")
        if path:
            mapped.path = {**mapped.path, **{name: as_path_value(value) for name, value in path.items()}}


def map_to_rest_http(target: Target, method: str, timeout: float, mapping: RequestMapping, api_id: str) -> Step:
    """The mapped request to an HTTP backend, with the headers that every one gets unless they are mapped."""
    path = PathTemplate(target.request_target)
    accept = f"Accept: {JSON_TYPE}\r\n".encode()
    agent = f"User-Agent: AmazonAPIGateway_{api_id}\r\n".encode()
    own = f"X-Amzn-Apigateway-Api-Id: {api_id}\r\nX-Amzn-Trace-Id: "
    defaults = accept + agent

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        mapped = mapping.of(invocation)
        verb = invocation.method if method == "ANY" else method
        body = b"" if verb in BODILESS else mapped.body
        names = {name.lower() for name, _ in mapped.headers}
        lines = defaults if names.isdisjoint(_DEFAULTS) else _unmapped(accept, agent, names)
        headers = mapped.headers
        to = target_for(target, path, mapped)
        if "host" in names:
            to, headers = hosted(to, headers)
        if body and "content-type" not in names:
            headers = [*headers, ("Content-Type", invocation.fields.first("content-type") or JSON_TYPE)]
        lines += f"{own}{invocation.trace}\r\n".encode("latin-1")
        if headers:
            lines += field_lines(headers)
        invocation.request = IntegrationRequest(verb, "", (), body, timeout, None, lines, target=to)

    return step


_DEFAULTS = frozenset(("accept", "user-agent"))


def _unmapped(accept: bytes, agent: bytes, names: set[str]) -> bytes:
    return (b"" if "accept" in names else accept) + (b"" if "user-agent" in names else agent)


def target_for(
    target: Target, path: PathTemplate, mapped: MappedRequest | MappedParameters, raw_query: str = ""
) -> Target:
    """`target` with the path's names and the query filled in."""
    if path.constant and not mapped.query and not raw_query:
        return target
    text = path.text if path.constant else path.fill(mapped.path)
    return target.at(with_query(text, raw_query, mapped.query))


def hosted(target: Target, headers: Headers) -> tuple[Target, Headers]:
    """`target` with the Host that `headers` have, and the others of them. Raises ApiConfigurationError."""
    host = next(value for name, value in headers if name.lower() == "host")
    return with_host(target, host), [(name, value) for name, value in headers if name.lower() != "host"]


def map_to_service(uri: str, method: str, timeout: float, mapping: RequestMapping) -> Step:
    """The mapped request to an AWS service. uri: `arn:aws:apigateway:…`, stage variables filled in."""
    path = PathTemplate(uri)

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        mapped = mapping.of(invocation)
        verb = invocation.method if method == "ANY" else method
        headers = mapped.headers
        if mapped.body and not any(name.lower() == "content-type" for name, _ in headers):
            headers = [*headers, ("Content-Type", JSON_TYPE)]
        url = with_query(path.fill(mapped.path), "", mapped.query)
        invocation.request = IntegrationRequest(verb, url, headers, mapped.body, timeout)

    return step


def fail_always(detail: str) -> Step:
    """What a route does whose definition cannot be carried out, but is accepted. Raises ApiConfigurationError."""

    async def step(invocation: Invocation) -> None:
        raise ApiConfigurationError(detail=detail)

    return step
