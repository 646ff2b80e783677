"""What reads one variable of `$context` about who is calling: identity, authorizer, API key, certificate, network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from wsgw.invocation import Invocation
from wsgw.mapping.client_certificate import client_certificate

Value = str | int | float | None
Reader = Callable[[Any], Value]

_AUTHORIZER_KEY: Final = re.compile(r"[A-Za-z0-9_:.-]{1,128}")
_CLIENT_CERTIFICATE: Final = ("clientCertPem", "subjectDN", "issuerDN", "serialNumber")
_IDENTITY: Final = (
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)
_PARTS: Final = ("error", "latency", "status")


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


OF_CALLERS: Final[Mapping[str, Reader]] = {
    **{f"identity.{key}": identity_reader(key) for key in _IDENTITY},
    **{f"identity.clientCert.{part}": _certificate_reader(part) for part in _CLIENT_CERTIFICATE},
    **{f"identity.clientCert.validity.{part}": _validity_reader(part) for part in ("notBefore", "notAfter")},
    "identity.sourceIp": attrgetter("caller.source_ip"),
    "identity.userAgent": attrgetter("caller.user_agent"),
    "authorizer.principalId": _principal_id,
    **{f"authenticate.{part}": _phase_reader("authenticate", part) for part in _PARTS},
    **{f"authorize.{part}": _phase_reader("authorize", part) for part in _PARTS},
    **{f"authorizer.{part}": _decision_reader(part) for part in _PARTS},
    "authorizer.integrationLatency": _function_latency,
    "authorizer.integrationStatus": _function_reader("function_status"),
    "authorizer.requestId": _function_reader("function_request_id"),
    "identity.apiKey": _api_key,
    "identity.apiKeyId": _api_key_id,
}
