"""AWS_IAM: who has signed a request, and by which policies it may do what.

Source: developer guide, "Control access to a REST API with IAM permissions", "Control access to HTTP APIs with IAM
authorization" and "Use IAM authorization" of WebSocket APIs.
"""

from __future__ import annotations

import time
from typing import Final

from wsgw.authorizers.access import Access
from wsgw.authorizers.facts import IamPrincipal
from wsgw.authorizers.grants import Grants
from wsgw.authorizers.iam import SignatureVerifier, SignedRequest
from wsgw.authorizers.iam_identity import facts_of_key, identity_of
from wsgw.authorizers.policy import compile_policy
from wsgw.authorizers.used_signatures import UsedSignatures
from wsgw.caller import Authorization, Principal
from wsgw.definitions.access import AccessKey
from wsgw.errors import GatewayError, MissingAuthenticationToken
from wsgw.invocation import HttpInvocation, Invocation

#: Changes which method a signature is good for, so it must be part of what is signed.
_METHOD_OVERRIDE: Final = ("x-http-method-override",)


class IamVerifier:
    """Verifies the signatures of requests and handshakes, by the access keys that are in force when they come.

    One for each node: what it has made of a key outlives deployments. A key's policies are compiled when it first
    signs; keys with a policy that is none are never let in (`ManagementGuard`).
    """

    def __init__(
        self,
        access: Access,
        *,
        region: str,
        skew: float = 300,
        allow_unsigned_payload: bool = False,
        used: UsedSignatures | None = None,
    ) -> None:
        self._access = access
        self._signatures = SignatureVerifier(
            lambda key_id: access.access_keys.get(key_id),
            region=region,
            now=access.now,
            skew=skew,
            allow_unsigned_payload=allow_unsigned_payload,
            used=used,
        )
        self._keys = access.access_keys
        self._principals: dict[str, IamPrincipal] = {}

    async def verify(self, invocation: Invocation) -> Principal:
        """Who has signed `invocation`. Raises what SignatureVerifier.verify does."""
        noted = invocation.authorization = Authorization()
        noted.phase = "authenticate"
        began = time.perf_counter()
        try:
            return self._principal(self._signatures.verify(_signed(invocation)))
        except GatewayError as error:
            noted.status, noted.error = error.status, error.message
            raise
        finally:
            noted.latency = int((time.perf_counter() - began) * 1000)

    def _principal(self, key: AccessKey) -> IamPrincipal:
        if self._keys is not self._access.access_keys:
            self._keys = self._access.access_keys
            self._principals = {}
        known = self._principals.get(key.access_key_id)
        if known is None:
            known = self._principals[key.access_key_id] = principal_of(key)
        return known


def _signed(invocation: Invocation) -> SignedRequest:
    received = invocation.received
    if received is None:
        raise MissingAuthenticationToken(detail="nothing that could be signed")
    overridden = isinstance(invocation, HttpInvocation) and invocation.method != received.method
    return SignedRequest(
        received.method,
        received.target,
        received.headers,
        received.body,
        must_sign=_METHOD_OVERRIDE if overridden else (),
    )


def principal_of(key: AccessKey) -> IamPrincipal:
    """Who signs with `key`, with its policies compiled. Raises PolicyError."""
    identity = identity_of(key)
    shown = {
        "accessKey": key.access_key_id,
        "caller": identity.user_id,
        "user": identity.user_id,
        "userArn": identity.arn,
    }
    if identity.account_id:
        shown["accountId"] = identity.account_id
    if key.organization_id is not None:
        shown["principalOrgId"] = key.organization_id
    principal = IamPrincipal(
        identity.arn,
        {},
        shown,
        kind="IAM",
        expires=key.expires,
        credential=f"accessKey/{key.access_key_id}",
        # A key without policies may do everything, as the account's own root may.
        grants=Grants([compile_policy(document) for document in key.policies]) if key.policies else None,
    )
    principal.account_id = identity.account_id
    principal.facts = facts_of_key(key, identity)
    return principal
