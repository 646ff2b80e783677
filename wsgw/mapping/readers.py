"""What reads one variable of `$context`, for all protocols: of the integration, the error, the web ACL; all of them.

So too what the whole `$context` says of caller and error, for templates.

No variable reads a query string or a header but the User-Agent: what clients send there may be secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

import orjson

from wsgw.errors import BadRequestBody, FunctionError, IntegrationFailure, IntegrationTimeout
from wsgw.invocation import Invocation
from wsgw.mapping.caller_readers import OF_CALLERS, Reader, Value
from wsgw.mapping.times import clf_time

_INTEGRATION_ERRORS: Final = (FunctionError, IntegrationFailure, IntegrationTimeout)


def nothing(invocation: Invocation) -> Value:
    """For what the service has variables for, and this gateway has nothing to say of."""
    return None


def error_message(invocation: Invocation) -> Value:
    """None without an error, and for those that the service words as null."""
    return None if invocation.error is None else invocation.error.message or None


def error_string(invocation: Invocation) -> Value:
    """The message as JSON, quotes included."""
    return None if invocation.error is None else orjson.dumps(invocation.error.message or None).decode()


def error_type(invocation: Invocation) -> Value:
    return None if invocation.error is None else invocation.error.response_type


def validation_error(invocation: Invocation) -> Value:
    """What a model has against a body."""
    error = invocation.error
    return error.detail or None if isinstance(error, BadRequestBody) else None


def waf_response_code(invocation: Invocation) -> Value:
    if not invocation.waf_action:
        return None
    return "WAF_BLOCK" if invocation.waf_action == "BLOCK" else "WAF_ALLOW"


def web_acl_arn(invocation: Invocation) -> Value:
    firewall = getattr(invocation.site, "firewall", None)
    return None if firewall is None else str(firewall.arn)


def _waf_error(invocation: Invocation) -> Value:
    return error_message(invocation) if invocation.waf_action == "BLOCK" else None


def _waf_status(invocation: Invocation) -> Value:
    if not invocation.waf_action:
        return None
    return invocation.status if invocation.waf_action == "BLOCK" else 200


def _waf_latency(invocation: Invocation) -> Value:
    # A decision takes microseconds, and this is in milliseconds.
    return 0 if invocation.waf_action else None


def _integration_error(invocation: Invocation) -> Value:
    error = invocation.error
    return error.message if isinstance(error, _INTEGRATION_ERRORS) else None


def _integration_status(invocation: Invocation) -> Value:
    return invocation.integration_status or None


def _integration_latency(invocation: Invocation) -> Value:
    # 0 ms with a status is a backend that is quick; 0 ms without is none at all.
    return invocation.integration_latency if invocation.integration_status or invocation.integration_latency else None


def add_sections(context: dict[str, Any], invocation: Invocation) -> None:
    """Add to the whole `$context` that templates see what is there at times only: `authorizer` and `error`.

    What an authorizer knows of the caller goes into the `identity` that is there.
    """
    principal, error = invocation.caller.principal, invocation.error
    if principal is not None:
        context["identity"].update(principal.identity)
        if principal.kind != "IAM":
            context["authorizer"] = {**principal.context, "principalId": principal.id}
            if principal.claims is not None:
                context["authorizer"]["claims"] = dict(principal.claims)
    if invocation.caller.api_key is not None:
        key = invocation.caller.api_key
        context["identity"].update(apiKey=key.value, apiKeyId=key.id)
    if error is not None:
        context["error"] = {
            "message": error.message,
            "messageString": error_string(invocation),
            "responseType": error.response_type,
            "validationErrorString": validation_error(invocation),
        }


# `integration.integrationStatus` is `integration.status`: no service stands between the gateway and a function.
COMMON: Final[Mapping[str, Reader]] = {
    **OF_CALLERS,
    "apiId": attrgetter("site.api_id"),
    "domainName": attrgetter("caller.domain_name"),
    "error.message": error_message,
    "error.messageString": error_string,
    "error.responseType": error_type,
    "error.validationErrorString": validation_error,
    "integration.error": _integration_error,
    "integration.integrationStatus": _integration_status,
    "integration.latency": _integration_latency,
    "integration.requestId": nothing,
    "integration.status": _integration_status,
    "integrationLatency": _integration_latency,
    "requestId": attrgetter("request_id"),
    "requestTime": lambda invocation: clf_time(invocation.request_time),
    "requestTimeEpoch": attrgetter("request_time"),
    "routeKey": attrgetter("route_key"),
    "stage": attrgetter("site.stage"),
    "status": attrgetter("status"),
    "waf.error": _waf_error,
    "waf.latency": _waf_latency,
    "waf.status": _waf_status,
}
