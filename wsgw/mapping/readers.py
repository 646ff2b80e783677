"""What reads one variable of `$context`, for all protocols: of the caller, the integration, the error.

So too what the whole `$context` says of caller and error, for templates.

No variable reads a query string or a header but the User-Agent: what clients send there may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

import orjson

from wsgw.errors import BadRequestBody, FunctionError, IntegrationFailure, IntegrationTimeout
from wsgw.invocation import Invocation
from wsgw.mapping.client_certificate import client_certificate
from wsgw.mapping.times import clf_time

Value = str | int | float | None
Reader = Callable[[Any], Value]

_AUTHORIZER_KEY: Final = re.compile(r"[A-Za-z0-9_:.-]{1,128}")
_INTEGRATION_ERRORS: Final = (FunctionError, IntegrationFailure, IntegrationTimeout)
_CLIENT_CERTIFICATE: Final = ("clientCertPem", "subjectDN", "issuerDN", "serialNumber")
_IDENTITY: Final = (
    "accountId",
    "apiKey",
    "apiKeyId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)


def nothing(invocation: Invocation) -> Value:
    """For what the service has variables for, and this gateway has nothing to say of."""
    return None


def authorizer_reader(name: str) -> Reader | None:
    """Reads `authorizer.{key}`; None if `name` is no such."""
    key = name.removeprefix("authorizer.")
    if key == name or not _AUTHORIZER_KEY.fullmatch(key):
        return None

    def read(invocation: Invocation) -> Value:
        principal = invocation.caller.principal
        return None if principal is None else principal.context.get(key)

    return read


def identity_reader(key: str) -> Reader:
    """Reads what an authorizer knows of the caller."""

    def read(invocation: Invocation) -> Value:
        principal = invocation.caller.principal
        return None if principal is None else principal.identity.get(key)

    return read


def _principal_id(invocation: Invocation) -> Value:
    principal = invocation.caller.principal
    return None if principal is None else principal.id


def _api_key(invocation: Invocation) -> Value:
    key = invocation.caller.api_key
    return None if key is None else key.value


def _api_key_id(invocation: Invocation) -> Value:
    key = invocation.caller.api_key
    return None if key is None else key.id


def _certificate_reader(part: str) -> Reader:
    def read(invocation: Invocation) -> Value:
        shown = invocation.caller.certificate
        value: str | None = None if shown is None else client_certificate(shown.der)[part]
        return value

    return read


def _validity_reader(part: str) -> Reader:
    def read(invocation: Invocation) -> Value:
        shown = invocation.caller.certificate
        value: str | None = None if shown is None else client_certificate(shown.der)["validity"][part]
        return value

    return read


def claim_reader(name: str) -> Reader | None:
    """Reads `authorizer.claims.{claim}`; None if `name` is no such."""
    claim = name.removeprefix("authorizer.claims.")
    if claim == name or not claim:
        return None

    def read(invocation: Invocation) -> Value:
        principal = invocation.caller.principal
        return None if principal is None or principal.claims is None else principal.claims.get(claim)

    return read


def _phase_reader(phase: str, part: str) -> Reader:
    """Reads what is known of one phase, `authenticate` or `authorize`.

    Of a caller who has signed there are both: what is noted is the one that decided, and the other was passed.
    """
    read_part = attrgetter(part)

    def read(invocation: Invocation) -> Value:
        found = invocation.authorization
        if found is None:
            return None
        if found.phase == phase:
            return _unless_empty(read_part(found))
        return 200 if part == "status" and _has_signed(invocation) else None

    return read


def _has_signed(invocation: Invocation) -> bool:
    principal = invocation.caller.principal
    return principal is not None and principal.kind == "IAM"


def _decision_reader(part: str) -> Reader:
    """Reads what is known of how somebody was let in or refused, whichever phase decided."""
    read_part = attrgetter(part)

    def read(invocation: Invocation) -> Value:
        found = invocation.authorization
        return None if found is None else _unless_empty(read_part(found))

    return read


def authorizer_decision_reader(part: str) -> Reader:
    """Reads the same where an authorizer was asked: nothing of a caller who has signed."""
    read_decision = _decision_reader(part)

    def read(invocation: Invocation) -> Value:
        found = invocation.authorization
        if found is None or found.phase == "authenticate" or _has_signed(invocation):
            return None
        return read_decision(invocation)

    return read


def _unless_empty(value: Value) -> Value:
    # Less than a millisecond is 0, which is not nothing.
    return None if value == "" else value


def _function_reader(part: str) -> Reader:
    """Reads what is known of the call of an authorizer."""
    read_part = attrgetter(part)

    def read(invocation: Invocation) -> Value:
        found = invocation.authorization
        value: Value = None if found is None else read_part(found) or None
        return value

    return read


def _function_latency(invocation: Invocation) -> Value:
    found = invocation.authorization
    called = found is not None and (found.function_status or found.function_latency)
    return found.function_latency if found is not None and called else None


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


def vpc_source(invocation: Invocation) -> Any:
    """By which endpoint and from which VPC the caller comes (`endpoint`, `vpc`); None where no setting says so."""
    find = getattr(invocation.site, "vpc_source", None)
    return None if find is None else find(invocation.caller.source_ip)


def vpc_reader(part: str) -> Reader:
    """Reads `endpoint` or `vpc` of where the caller comes from."""

    def read(invocation: Invocation) -> Value:
        found = vpc_source(invocation)
        value: str | None = None if found is None else getattr(found, part)
        return value

    return read


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
    "apiId": attrgetter("site.api_id"),
    "domainName": attrgetter("caller.domain_name"),
    "error.message": error_message,
    "error.messageString": error_string,
    "error.responseType": error_type,
    "error.validationErrorString": validation_error,
    **{f"identity.{key}": identity_reader(key) for key in _IDENTITY},
    **{f"identity.clientCert.{part}": _certificate_reader(part) for part in _CLIENT_CERTIFICATE},
    **{f"identity.clientCert.validity.{part}": _validity_reader(part) for part in ("notBefore", "notAfter")},
    "identity.sourceIp": attrgetter("caller.source_ip"),
    "identity.userAgent": attrgetter("caller.user_agent"),
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
    "authorizer.principalId": _principal_id,
    **{f"authenticate.{part}": _phase_reader("authenticate", part) for part in ("error", "latency", "status")},
    **{f"authorize.{part}": _phase_reader("authorize", part) for part in ("error", "latency", "status")},
    **{f"authorizer.{part}": _decision_reader(part) for part in ("error", "latency", "status")},
    "authorizer.integrationLatency": _function_latency,
    "authorizer.integrationStatus": _function_reader("function_status"),
    "authorizer.requestId": _function_reader("function_request_id"),
    "identity.apiKey": _api_key,
    "identity.apiKeyId": _api_key_id,
    "waf.error": _waf_error,
    "waf.latency": _waf_latency,
    "waf.status": _waf_status,
}
