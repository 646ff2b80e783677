"""Functions of HTTP APIs: the step before the call."""

from __future__ import annotations

from wsgw.integrations.http_events import MakeEvent, Shown
from wsgw.invocation import HttpInvocation, IntegrationRequest, Invocation
from wsgw.mapping.http_parameters import RequestMapping
from wsgw.pipeline.run import Step


def map_to_http_event(function: str, timeout: float, event: MakeEvent, mapping: RequestMapping | None) -> Step:
    """The event that `event` makes, to `function`, a name or ARN; headers, query and path as `mapping` changes them."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        made = event(invocation, None if mapping is None else shown(invocation, mapping))
        invocation.request = IntegrationRequest("POST", function, (), b"", timeout, made)

    return step


def shown(invocation: HttpInvocation, mapping: RequestMapping) -> Shown:
    """The request as `mapping` changes it. Raises BadRequest."""
    mapped = mapping.apply(invocation)
    gone = mapping.headers_gone if mapped.authority is None else mapping.headers_gone | {"host"}
    headers = [pair for pair in invocation.headers if pair[0].lower() not in gone] + mapped.headers
    if mapped.authority is not None:
        headers.append(("host", mapped.authority))
    query = [pair for pair in invocation.query if pair[0] not in mapping.query_gone] + mapped.query
    raw_query = mapping.query_of(invocation.raw_query, mapped.query)
    return Shown(headers, query, raw_query, invocation.path if mapped.path is None else mapped.path)
