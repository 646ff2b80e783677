"""TOKEN and REQUEST authorizers made ready: functions, endpoints and Python functions that say who may call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Final

import msgspec

from wsgw.authorizers.base import Verifier
from wsgw.authorizers.identity_sources import compile_identity_sources
from wsgw.authorizers.lambda_verifier import CallAuthorizer, LambdaVerifier
from wsgw.authorizers.policy import Decision
from wsgw.authorizers.results import ResultForm, read_result
from wsgw.authorizers.results_cache import results_of
from wsgw.caller import Principal
from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.authorizer import MOST_RESULT_TTL, Authorizer
from wsgw.definitions.check_parts import LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS
from wsgw.definitions.route import Route
from wsgw.integrations.handler_context import Handler
from wsgw.integrations.local import PythonIntegration
from wsgw.live.parts import Parts
from wsgw.mapping.expressions import expression
from wsgw.mapping.parameters import stage_variables_in
from wsgw.pipeline.authorizer_calls import call_endpoint, call_function, call_python
from wsgw.pipeline.authorizer_events import authorizer_events
from wsgw.pipeline.permit import Wording, http_wording, rest_wording, websocket_wording

#: A plain no reads like a policy that denies.
_WORDINGS: Final[dict[Protocol, Wording]] = {
    "REST": rest_wording,
    "HTTP": http_wording,
    "WEBSOCKET": websocket_wording,
}


def function_verifier(api: Api, stage: Stage, route: Route, authorizer: Authorizer, parts: Parts) -> Verifier:
    """What asks `authorizer` who is calling `route`. Raises ValueError for what cannot be made ready."""
    _check(api, authorizer)
    uri = stage_variables_in(authorizer.uri)(stage.variables)
    form = ResultForm(
        simple=authorizer.simple_responses and api.protocol == "HTTP",
        nested=api.protocol == "HTTP",
        nameless=api.protocol == "HTTP" and authorizer.payload_format_version == "2.0",
    )
    # WebSocket APIs keep no results, whatever the authorizer says.
    ttl = 0 if api.protocol == "WEBSOCKET" else authorizer.result_ttl
    settings = parts.settings
    return LambdaVerifier(
        compile_identity_sources(authorizer.identity_sources, api.protocol),
        authorizer_events(api.protocol, authorizer, settings.region, settings.account_id),
        _call(authorizer, uri, parts),
        partial(read_result, form=form),
        parts.access.now,
        valid=_valid(authorizer),
        results=results_of(parts.access).of(api.id, stage.name) if ttl else None,
        ttl=ttl,
        definition=blake2b(msgspec.json.encode((authorizer, uri, form)), digest_size=32).digest(),
        denial=_WORDINGS[api.protocol](Principal("", {}), "", Decision.EXPLICIT_DENY, "identity"),
    )


def _check(api: Api, authorizer: Authorizer) -> None:
    """What would be found out by the first request, or by none."""
    named = f"authorizer {authorizer.id}"
    if not authorizer.uri:
        raise ValueError(f"{named}: there is no authorizerUri: nobody would be asked")
    if not 0 <= authorizer.result_ttl <= MOST_RESULT_TTL:
        raise ValueError(f"{named}: authorizerResultTtlInSeconds is from 0 to {MOST_RESULT_TTL}")
    if not LEAST_TIMEOUT_MS <= authorizer.timeout_ms <= MOST_TIMEOUT_MS:
        raise ValueError(f"{named}: timeoutMs is from {LEAST_TIMEOUT_MS} to {MOST_TIMEOUT_MS}")
    if authorizer.type == "TOKEN":
        (source,) = authorizer.identity_sources if len(authorizer.identity_sources) == 1 else ("",)
        if not source.startswith("method.request.header."):
            raise ValueError(f"{named}: the identitySource of a TOKEN authorizer is one method.request.header.NAME")
    elif authorizer.result_ttl and not authorizer.identity_sources and api.protocol != "WEBSOCKET":
        raise ValueError(
            f"{named}: results are kept by their identity sources, and there is no identitySource: name one, or set "
            "authorizerResultTtlInSeconds to 0"
        )
    if authorizer.simple_responses and authorizer.payload_format_version != "2.0":
        raise ValueError(f"{named}: enableSimpleResponses needs authorizerPayloadFormatVersion 2.0")


def _valid(authorizer: Authorizer) -> Callable[[str], object] | None:
    text = authorizer.identity_validation_expression
    if authorizer.type != "TOKEN" or not text:
        return None
    try:
        matches: Callable[[str], object] = expression(text).fullmatch
    except ValueError as error:
        raise ValueError(f"authorizer {authorizer.id}: identityValidationExpression: {error}") from error
    return matches


def _call(authorizer: Authorizer, uri: str, parts: Parts) -> CallAuthorizer:
    timeout = authorizer.timeout_ms / 1000
    if authorizer.called == "HTTP":
        return call_endpoint(parts.http_pool, parts.http_pool.target(uri), timeout)
    if authorizer.called == "PYTHON":
        return call_python(_python(parts.handler(uri), parts), timeout)
    return call_function(parts.functions(uri), uri, timeout)


def _python(handler: Handler, parts: Parts) -> PythonIntegration:
    """One for all routes, and with it the threads of a plain function."""
    # By its identity, which no other handler has as long as somebody uses this one.
    return parts.access.shared(
        ("python authorizer", id(handler)), lambda: PythonIntegration(handler, parts.connections)
    )
