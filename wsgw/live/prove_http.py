"""Whether what an HTTP API says can be compiled: parameter mappings, and the parameters of AWS services' actions."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from wsgw.definitions.api import Api
from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.route import Integration
from wsgw.live.prove_parts import prove_url, tried
from wsgw.mapping.http_parameters import compile_request_mapping, compile_response_mappings
from wsgw.mapping.http_values import compile_value
from wsgw.mapping.parameters import stage_variables_in
from wsgw.pipeline.http_subtypes import SUBTYPES


def prove_http(path: Path, api: Api) -> Iterator[Finding]:
    """A finding for each text of the HTTP API `api`, at `path`, that does not compile."""
    for key, route in api.routes.items():
        if route.integration is not None:
            yield from _integration((*path, "routes", key, "integration"), route.integration)


def _integration(path: Path, integration: Integration) -> Iterator[Finding]:
    yield from tried((*path, "uri"), stage_variables_in, integration.uri)
    yield from prove_url((*path, "uri"), integration)
    at: Path = (*path, "requestParameters")
    if integration.subtype is not None:
        yield from _action(path, integration, integration.subtype)
    else:
        for target, source in integration.request_parameters.items():
            yield from tried((*at, target), compile_request_mapping, {target: source})
    for status, mappings in integration.response_parameters.items():
        at = (*path, "responseParameters", status)
        if not mappings:
            yield from tried(at, compile_response_mappings, {status: mappings})
        for target, source in mappings.items():
            yield from tried((*at, target), compile_response_mappings, {status: {target: source}})


def _action(path: Path, integration: Integration, name: str) -> Iterator[Finding]:
    """Each parameter that the action `name` lacks or does not have, and each that does not compile."""
    # A version may stand behind the name.
    subtype = SUBTYPES.get(name.removesuffix("-1.0"))
    if subtype is None:
        near = get_close_matches(name, SUBTYPES, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(SUBTYPES)}"
        yield error((*path, "integrationSubtype"), "not an action that HTTP APIs can call", remedy)
        return
    at: Path = (*path, "requestParameters")
    known = (*subtype.required, *subtype.optional)
    for needed in subtype.required:
        if not integration.request_parameters.get(needed):
            yield error(at, f"{name} needs the parameter {needed}", f"add it, as {needed}: $request.body.{needed}")
    for parameter, expression in integration.request_parameters.items():
        if parameter not in known:
            near = get_close_matches(parameter, known, 1)
            remedy = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(known)}"
            yield error((*at, parameter), f"{name} has no such parameter", remedy)
        else:
            yield from tried((*at, parameter), lambda text: compile_value(text, "request"), expression)
