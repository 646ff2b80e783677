"""Who may use `@connections`: signed requests that a policy allows, bearer tokens, or the loopback interface alone.

API Gateway evaluates `execute-api:ManageConnections` on the route's template, `{connectionId}` literally, so that no
policy can single out a connection. Tokens and the loopback rule are ours.
Source: developer guide, "Use @connections commands in your backend service"; refusals as recorded on the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

from wsgw.authorizers.arns import MANAGE_CONNECTIONS
from wsgw.authorizers.facts import Facts, Values, VpcSources
from wsgw.authorizers.grants import Grants
from wsgw.authorizers.iam import SignatureVerifier, SignedRequest
from wsgw.authorizers.iam_identity import facts_of_key, identity_of
from wsgw.authorizers.policy import Decision, PolicyError, compile_policy
from wsgw.authorizers.revoked import Revoked
from wsgw.authorizers.used_signatures import UsedSignatures
from wsgw.definitions.access import AccessKey
from wsgw.errors import AccessDenied, Forbidden, UnrecognizedClient

#: What @connections is to policies, whichever connection is meant.
CONNECTIONS: Final = "@connections/{connectionId}"

#: Of one key: for each stage and method one.
_MOST_DECISIONS: Final = 4_096
_OF_PAGES: Final = ("origin", "sec-fetch-site")
_TOKEN_HEADERS_KEPT: Final = 64
_BECAUSE: Final = {
    Decision.EXPLICIT_DENY: "with an explicit deny in an identity-based policy",
    Decision.IMPLICIT_DENY: f"because no identity-based policy allows the {MANAGE_CONNECTIONS} action",
}


class _Holder(NamedTuple):
    """What one key may do, None for everything, and the condition keys of who holds it."""

    grants: Grants | None
    facts: Mapping[str, Values]


class ManagementGuard:
    """Decides on every caller of `@connections`.

    keys: who may sign requests. tokens: what may stand after `Bearer`, compared by their hashes. `now` gives epoch
    seconds, `skew` is how far a signature's date may be off, in seconds; any region may be signed for, as `region` and
    `account_id` only name the resource. `vpc_sources` as the setting has them. `used`: where a signature is good for
    one request only. `revoked`: whom it refuses nevertheless. Raises PolicyError for a key's malformed policy.
    """

    def __init__(
        self,
        keys: Iterable[AccessKey],
        tokens: Iterable[str],
        *,
        region: str,
        account_id: str,
        now: Callable[[], float],
        skew: float = 300,
        allow_unsigned_payload: bool = False,
        vpc_sources: Iterable[str] = (),
        used: UsedSignatures | None = None,
        revoked: Revoked | None = None,
    ) -> None:
        by_id = {key.access_key_id: key for key in keys}
        self._holders = {key.access_key_id: _holder(key) for key in by_id.values()}
        self._tokens = frozenset(_digest(token) for token in tokens if token)
        self._open_to_loopback = not by_id and not self._tokens
        self._signatures = SignatureVerifier(
            by_id.get, now=now, skew=skew, allow_unsigned_payload=allow_unsigned_payload, used=used
        )
        self._revoked = revoked
        self._vpcs = VpcSources(vpc_sources)
        self._region = region
        self._account_id = account_id
        self._now = now
        self._token_headers: dict[str, None] = {}

    def check(
        self,
        request: SignedRequest,
        peer: str,
        api_id: str,
        stage: str,
        *,
        proxied: bool = False,
        what: str = CONNECTIONS,
    ) -> str:
        """Who calls: a principal's ARN, `token` or `loopback`.

        peer: the caller's address, also `aws:SourceIp` in policies. proxied: the request came through a proxy, so that
        a loopback address proves nothing. what: the resource behind the method, as policies name it.

        Raises AccessDenied where policies do not allow the call, Forbidden where only the loopback interface is let in,
        and what SignatureVerifier.verify raises; UnrecognizedClient stands for a wrong token too.
        """
        if self._open_to_loopback:
            if proxied or not is_loopback(peer):
                raise Forbidden(detail="neither access keys nor management tokens are configured")
            # Any page in a browser on this machine may post to it; nothing but a browser says these.
            if any(name.lower() in _OF_PAGES for name, _ in request.headers):
                raise Forbidden(detail="a web page, and neither access keys nor management tokens are configured")
            return "loopback"
        if self._tokens and self._has_token(request.headers):
            return "token"
        key = self._signatures.verify(request)
        if self._revoked is not None and (
            self._revoked.has(f"accessKey/{key.access_key_id}") or self._revoked.has(f"principal/{key.principal}")
        ):
            raise UnrecognizedClient(detail="accessKey_revoked")
        self._authorize(key, request, peer, api_id, stage, what)
        return key.principal

    def _has_token(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Whether a token came along; False for another kind of authorization, or none."""
        given = [value for name, value in headers if name.lower() == "authorization"]
        if len(given) != 1:
            return False
        if given[0] in self._token_headers:
            return True
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() != "bearer":
            return False
        # Looked up by hash: how long that takes says nothing about how much of a guess was right.
        if _digest(token.strip()) not in self._tokens:
            raise UnrecognizedClient
        if len(self._token_headers) < _TOKEN_HEADERS_KEPT:
            self._token_headers[given[0]] = None
        return True

    def _authorize(self, key: AccessKey, request: SignedRequest, peer: str, api_id: str, stage: str, what: str) -> None:
        grants, facts = self._holders[key.access_key_id]
        if grants is None:
            return
        path = f"{api_id}/{stage}/{request.method}/{what}"
        decision = grants.decide(
            MANAGE_CONNECTIONS, self._resource(self._account_id, path), lambda: self._context(facts, request, peer)
        )
        if decision is not Decision.ALLOW:
            masked = self._resource(f"********{self._account_id[-4:]}", path)
            raise AccessDenied(
                f"User: {key.principal} is not authorized to perform: {MANAGE_CONNECTIONS} "
                f"on resource: {masked} {_BECAUSE[decision]}"
            )

    def _resource(self, account_id: str, path: str) -> str:
        return f"arn:aws:execute-api:{self._region}:{account_id}:{path}"

    def _context(self, signer: Mapping[str, Values], request: SignedRequest, peer: str) -> Facts:
        def header(wanted: str) -> str | None:
            return next((value for name, value in request.headers if name.lower() == wanted), None)

        return Facts(
            source_ip=peer,
            now=self._now(),
            region=self._region,
            signer=signer,
            vpc=self._vpcs.of(peer),
            user_agent=header("user-agent"),
            header=header,
        )


def _holder(key: AccessKey) -> _Holder:
    policies = []
    faults: list[str] = []
    for index, document in enumerate(key.policies):
        try:
            policies.append(compile_policy(document))
        except PolicyError as error:
            faults += [f"{key.access_key_id}.policies[{index}].{fault}" for fault in error.faults]
    if faults:
        raise PolicyError(faults)
    return _Holder(Grants(policies, _MOST_DECISIONS) if policies else None, facts_of_key(key, identity_of(key)))


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


@lru_cache(maxsize=256)
def is_loopback(peer: str) -> bool:
    """Whether the address `peer` is of the loopback interface; not for what is no address, `localhost` among it."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
