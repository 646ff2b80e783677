"""Whether what a REST API says can be compiled: mappings, templates, selection patterns, gateway responses."""

from __future__ import annotations

from collections.abc import Iterator

from wsgw.definitions.api import Api
from wsgw.definitions.check_integration import NON_PROXY
from wsgw.definitions.finding import Finding, Path, warning
from wsgw.definitions.route import Integration, IntegrationResponse
from wsgw.live.prove_parts import prove_templates, prove_url, tried
from wsgw.mapping.rest_parameters import compile_request_parameters, compile_response_parameters
from wsgw.pipeline.refuse_rest import rest_refuser
from wsgw.pipeline.rest_headers import reserved_for
from wsgw.pipeline.rest_response import responder

_HEADER = "integration.request.header."


def prove_rest(path: Path, api: Api) -> Iterator[Finding]:
    """A finding for each text of the REST API `api`, at `path`, that does not compile."""
    for kind, response in api.gateway_responses.items():
        for target, source in response.response_parameters.items():
            at: Path = (*path, "gatewayResponses", kind, "responseParameters", target)
            one = type(response)(response_type=kind, response_parameters={target: source})
            yield from tried(at, rest_refuser, {kind: one})
    for key, route in api.routes.items():
        if route.integration is not None:
            yield from _integration((*path, "routes", key, "integration"), route.integration)


def _integration(path: Path, integration: Integration) -> Iterator[Finding]:
    yield from prove_url((*path, "uri"), integration)
    reserved = reserved_for(integration.type)
    for target, source in integration.request_parameters.items():
        at: Path = (*path, "requestParameters", target)
        yield from tried(at, compile_request_parameters, {target: source})
        name = target.removeprefix(_HEADER)
        if name != target and name.lower() in reserved.refused:
            message = f"{name} is reserved: every request is answered 500, as API Gateway does"
            yield warning(at, message, "remove it")
        elif name != target and name.lower() in reserved.dropped:
            yield warning(at, f"{name} is reserved and not sent, as in API Gateway", "remove it")
    if integration.type not in NON_PROXY:
        return
    yield from prove_templates((*path, "requestTemplates"), integration.request_templates)
    for response in integration.responses:
        yield from _response((*path, "integrationResponses", response.key), response)


def _response(path: Path, response: IntegrationResponse) -> Iterator[Finding]:
    pattern = IntegrationResponse(
        key=response.key, status_code="200", selection_pattern=response.selection_pattern or None
    )
    yield from tried((*path, "selectionPattern"), lambda one: responder([one], frozenset(), None), pattern)
    yield from prove_templates((*path, "responseTemplates"), response.response_templates)
    for target, source in response.response_parameters.items():
        yield from tried((*path, "responseParameters", target), compile_response_parameters, {target: source})
