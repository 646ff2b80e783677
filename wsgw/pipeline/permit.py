"""The permit steps: whether who is calling may, by their own policies and the API's resource policy together.

Within an account one of the two must allow, across accounts both must; neither may deny.
Source: developer guide, "How API Gateway resource policies affect authorization workflow", its tables A and B.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import unquote

from wsgw.authorizers.arns import INVOKE
from wsgw.authorizers.facts import IamPrincipal
from wsgw.authorizers.patterns import Context
from wsgw.authorizers.policy import Decision, Names
from wsgw.caller import Grants, Principal
from wsgw.errors import AccessDenied, UriTooLong
from wsgw.invocation import Invocation
from wsgw.pipeline.run import Step

#: Which kind of policy a decision is of, as refusals name it.
Basis = Literal["identity", "resource"]
ArnOf = Callable[[Invocation], str]
FactsOf = Callable[[Invocation], Context]
#: What a refusal tells the caller: who calls, what for (an ARN), what was decided, on which basis.
Wording = Callable[[Principal | None, str, Decision, Basis], str | None]

_LONGEST_ARN: Final = 1_600
_MATRIX_PARAMETERS: Final = re.compile(r";[^/]*")
_SLASHES: Final = re.compile(r"//+")
_ALLOW, _DENY, _SILENT = Decision.ALLOW, Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY


class Place:
    """Where policies are asked: how invocations are named in them, what they may look at, how a refusal reads.

    slashes: a slash at a path's end means nothing, as in REST APIs.
    """

    def __init__(self, arn: ArnOf, facts: FactsOf, wording: Wording, *, slashes: bool = False) -> None:
        self.arn = arn
        self.facts = facts
        self.wording = wording
        self.slashes = slashes

    def decide(self, policies: Grants, invocation: Invocation, arn: str) -> Decision:
        """What `policies` say about this invocation."""
        decision: Decision = policies.decide(INVOKE, arn, lambda: self.facts(invocation), self._names)
        return decision

    def _names(self, arn: str) -> Names | None:
        # A path that can be written, or read, in another way is not a way around what denies it.
        if "%" not in arn and ";" not in arn and "//" not in arn and arn[-1] != "/":
            return None
        # `{proxy+}` hands on a path without the slashes at its end, of every kind of API.
        both = (arn, _trimmed(arn))
        decoded = tuple(map(unquote, both))
        return Names(both if self.slashes else (arn,), (*both, *decoded, *map(_plain, decoded)))

    def refusal(self, invocation: Invocation, arn: str, decision: Decision, basis: Basis, detail: str) -> AccessDenied:
        """The error that a denied invocation ends in, noted for logs."""
        error = AccessDenied(self.wording(invocation.caller.principal, arn, decision, basis), detail=detail)
        noted = invocation.authorization
        if noted is not None:
            noted.phase, noted.status, noted.error = "authorize", error.status, error.message
        return error


def _trimmed(arn: str) -> str:
    """`arn` without slashes at its end; the root path has one."""
    head, _, path = arn.partition("/")
    stage, _, path = path.partition("/")
    method, slash, path = path.partition("/")
    return f"{head}/{stage}/{method}{slash}{path.rstrip('/')}"


def _plain(arn: str) -> str:
    """`arn` as servers read a path that know matrix parameters (RFC 3986 §3.3), or take several slashes for one."""
    return _trimmed(_SLASHES.sub("/", _MATRIX_PARAMETERS.sub("", arn)))


def must_be_allowed(policy: Grants, place: Place) -> Step:
    """Let in whom the resource policy allows: nobody else has looked at the caller. Raises AccessDenied."""

    async def step(invocation: Invocation) -> None:
        arn = place.arn(invocation)
        decision = place.decide(policy, invocation, arn)
        if decision is not _ALLOW:
            raise place.refusal(invocation, arn, decision, "resource", f"resource_policy_{decision.value}")

    return step


def must_not_be_denied(policy: Grants, place: Place) -> Step:
    """What the resource policy denies is refused before anybody is asked who is calling. Raises AccessDenied."""

    async def step(invocation: Invocation) -> None:
        arn = place.arn(invocation)
        if place.decide(policy, invocation, arn) is _DENY:
            raise place.refusal(invocation, arn, _DENY, "resource", "resource_policy_explicitDeny")

    return step


def permit(policy: Grants | None, place: Place, account_id: str) -> Step:
    """Let in whom their own policies and the resource policy together allow. Raises AccessDenied.

    policy: None where the API has no resource policy, which is then silent. account_id: the API's. A principal whose
    `grants` are None is allowed by itself.
    """

    async def step(invocation: Invocation) -> None:
        principal = invocation.caller.principal
        own, by_resource = _SILENT, _SILENT
        same_account = not isinstance(principal, IamPrincipal) or principal.account_id == account_id
        if principal is not None and principal.grants is None:
            if policy is None and same_account:
                return
            own = _ALLOW
        arn = place.arn(invocation)
        if principal is not None and principal.grants is not None:
            own = place.decide(principal.grants, invocation, arn)
        if own is _DENY:
            raise place.refusal(invocation, arn, _DENY, "identity", "identity_policy_explicitDeny")
        if policy is not None:
            by_resource = place.decide(policy, invocation, arn)
            if by_resource is _DENY:
                raise place.refusal(invocation, arn, _DENY, "resource", "resource_policy_explicitDeny")
        if same_account and _ALLOW in (own, by_resource):
            return
        if own is not _ALLOW:
            raise place.refusal(invocation, arn, _SILENT, "identity", "identity_policy_implicitDeny")
        if by_resource is not _ALLOW:
            detail = "resource_policy_implicitDeny: the caller is of another account than account_id"
            raise place.refusal(invocation, arn, _SILENT, "resource", detail)

    return step


def nobody(place: Place) -> Step:
    """Refuse everybody: a private API without a resource policy. Raises AccessDenied."""

    async def step(invocation: Invocation) -> None:
        detail = "a PRIVATE API without a resource policy lets nobody in"
        raise place.refusal(invocation, place.arn(invocation), _SILENT, "resource", detail)

    return step


def limited(arn: ArnOf) -> ArnOf:
    """`arn`, which raises UriTooLong where policies could not name what is asked for."""

    def checked(invocation: Invocation) -> str:
        named = arn(invocation)
        if len(named) > _LONGEST_ARN:
            raise UriTooLong
        return named

    return checked


# ---- how a refusal reads


def rest_wording(principal: Principal | None, arn: str, decision: Decision, basis: Basis) -> str:
    """REST APIs say who, what and why, but of an account no more than its last four digits."""
    if basis == "identity" and principal is not None and principal.kind == "LAMBDA":
        return f"{_OF_AUTHORIZER}{' with an explicit deny' if decision is _DENY else ''}"
    who = principal.id if isinstance(principal, IamPrincipal) else "anonymous"
    return f"User: {who} is not authorized to perform: {INVOKE} on resource: {_masked(arn)} {_why(decision, basis)}"


def websocket_wording(principal: Principal | None, _arn: str, decision: Decision, basis: Basis) -> str | None:
    """WebSocket APIs say why an authorizer's policy refuses, and of signed handshakes nothing."""
    if isinstance(principal, IamPrincipal):
        return None
    return f"{_OF_AUTHORIZER} {_why(decision, basis)}"


def http_wording(_principal: Principal | None, _arn: str, _decision: Decision, _basis: Basis) -> None:
    """HTTP APIs say nothing."""


_OF_AUTHORIZER: Final = "User is not authorized to access this resource"


def _why(decision: Decision, basis: Basis) -> str:
    if decision is _DENY:
        return f"with an explicit deny in {'an' if basis == 'identity' else 'a'} {basis}-based policy"
    return f"because no {basis}-based policy allows the {INVOKE} action"


def _masked(arn: str) -> str:
    parts = arn.split(":", 5)
    parts[4] = f"********{parts[4][-4:]}"
    return ":".join(parts)
