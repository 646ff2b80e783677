"""SigV4: who signed a request, in its Authorization header or in its query (presigned).

Strict where AWS's documents leave room: `host`, the date and every `x-amz-*` header that is sent must be signed, the
scope's date is the request's, the payload hash is the body's, dot segments are refused.
Source: IAM User Guide, "AWS Signature Version 4 for API requests" and "Troubleshoot Signature Version 4".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from wsgw.authorizers.canonical import (
    Pair,
    folded,
    has_dot_segment,
    header_lines,
    path_forms,
    query_forms,
    query_pairs,
)
from wsgw.authorizers.claims import ALGORITHM, Claim, basic_date, header_claim, query_claim
from wsgw.authorizers.signing import TERMINATOR, derive
from wsgw.authorizers.used_signatures import UsedSignatures
from wsgw.definitions.access import AccessKey
from wsgw.errors import ExpiredToken, IncompleteSignature, InvalidSignature, UnrecognizedClient

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"

_EMPTY_HASH: Final = sha256(b"").hexdigest()
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")
_SIGNING_KEYS_KEPT: Final = 1024
#: Stands in for an unknown key's secret, so that it costs what a known one does.
_NO_SECRET: Final = "0" * 40


class SignedRequest:
    """A request as received: `raw_target` is path and query undecoded, `headers` are in order, repeats included.

    must_sign: headers, by lower-case name, that the signature must cover beside those that it always must.
    """

    __slots__ = ("body", "headers", "method", "must_sign", "raw_target")

    def __init__(
        self,
        method: str,
        raw_target: str,
        headers: Sequence[Pair],
        body: bytes = b"",
        must_sign: Sequence[str] = (),
    ) -> None:
        self.method = method
        self.raw_target = raw_target
        self.headers = headers
        self.body = body
        self.must_sign = must_sign


class SignatureVerifier:
    """Verifies requests to one service.

    `keys` finds an access key by its id. `region` None accepts any region that a scope names. `now` gives epoch
    seconds, `skew` is how far a date may be off, in seconds. `used`: where a signature is good for one request only.
    """

    def __init__(
        self,
        keys: Callable[[str], AccessKey | None],
        *,
        service: str = "execute-api",
        region: str | None = None,
        now: Callable[[], float],
        skew: float = 300,
        allow_unsigned_payload: bool = False,
        used: UsedSignatures | None = None,
    ) -> None:
        self._keys = keys
        self._service = service
        self._region = region
        self._now = now
        self._skew = skew
        self._allow_unsigned_payload = allow_unsigned_payload
        self._signing_keys: dict[tuple[str, str, str], bytes] = {}
        self._used = used

    def verify(self, request: SignedRequest) -> AccessKey:
        """The key that signed `request`.

        Raises MissingAuthenticationToken where nothing is signed, IncompleteSignature where parts are missing or
        unreadable, UnrecognizedClient for an unknown key or another session token than the key's, ExpiredToken for a
        session that is over, InvalidSignature for all else.
        """
        headers = folded(request.headers)
        path, _, query = request.raw_target.partition("?")
        try:
            pairs = query_pairs(query)
            authorization = headers.get("authorization")
            if authorization is not None:
                claim = header_claim(authorization, headers)
            else:
                claim, pairs = query_claim(pairs)
            key_id, region = self._scope(claim)
            self._check_date(claim)
            covered = _covered_headers(claim, headers, request.must_sign)
            tail = f"{covered}\n{claim.headers}\n{self._payload_hash(request, headers)}"
            if has_dot_segment(path):
                raise InvalidSignature(detail="dot segments in the path")
            if _SIGNATURE.fullmatch(claim.signature) is None:
                raise InvalidSignature(detail="not a signature's shape")
            # Unknown keys are worked through as known ones are: timing must not tell which ids exist.
            key = self._keys(key_id)
            signing_key = self._signing_key(_NO_SECRET if key is None else key.secret, claim.date[:8], region)
            head = f"{ALGORITHM}\n{claim.date}\n{claim.date[:8]}/{region}/{self._service}/{TERMINATOR}\n"
            genuine = _matches(claim.signature, signing_key, head, tail, request.method, path, query_forms(pairs))
        except UnicodeEncodeError:
            raise InvalidSignature(detail="characters that no request can have") from None
        # A key whose secret was left empty would be anybody's.
        if key is None or not key.secret:
            raise UnrecognizedClient(detail="access_key_unknown")
        if not _same_token(claim.token, key.session_token):
            raise UnrecognizedClient(detail=f"session_token_wrong_or_missing access_key={key_id}")
        if not genuine:
            raise InvalidSignature(detail=f"signature_does_not_match access_key={key_id}")
        if key.expires is not None and self._now() >= key.expires:
            raise ExpiredToken(detail=f"access_key_expired access_key={key_id}")
        if self._used is not None:
            lifetime = self._skew if claim.expires is None else claim.expires
            if not self._used.first(claim.signature, claim.signed_at + lifetime, self._now()):
                raise InvalidSignature(detail="the signature was used before")
        return key

    def _scope(self, claim: Claim) -> tuple[str, str]:
        """The key id and region of the credential; its date, service and terminator must be the expected ones."""
        parts = claim.credential.rsplit("/", 4)
        if len(parts) != 5:
            raise IncompleteSignature(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term."
            )
        key_id, date, region, service, terminator = parts
        if terminator != TERMINATOR:
            raise InvalidSignature(f"Credential should be scoped with a valid terminator: '{TERMINATOR}'.")
        if service != self._service:
            raise InvalidSignature(f"Credential should be scoped to correct service: '{self._service}'.")
        if region != self._region and (self._region is not None or _REGION.fullmatch(region) is None):
            raise InvalidSignature("Credential should be scoped to a valid region.")
        if date != claim.date[:8]:
            raise InvalidSignature(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."
            )
        return key_id, region

    def _check_date(self, claim: Claim) -> None:
        now, skew = self._now(), self._skew
        if claim.signed_at - skew <= now <= claim.signed_at + (skew if claim.expires is None else claim.expires):
            return
        minutes = f"{skew / 60:g} min."
        if now < claim.signed_at:
            raise InvalidSignature(
                f"Signature not yet current: {claim.date} is still later than "
                f"{basic_date(now + skew)} ({basic_date(now)} + {minutes})"
            )
        if claim.expires is not None:
            ended = basic_date(claim.signed_at + claim.expires)
            raise InvalidSignature(f"Signature expired: {ended} is now earlier than {basic_date(now)}")
        raise InvalidSignature(
            f"Signature expired: {claim.date} is now earlier than "
            f"{basic_date(now - skew)} ({basic_date(now)} - {minutes})"
        )

    def _payload_hash(self, request: SignedRequest, headers: Mapping[str, str]) -> str:
        stated = headers.get("x-amz-content-sha256")
        if stated == UNSIGNED_PAYLOAD and self._allow_unsigned_payload:
            return stated
        actual = sha256(request.body).hexdigest() if request.body else _EMPTY_HASH
        if stated is not None and stated != actual:
            raise InvalidSignature(detail="x-amz-content-sha256 is not the hash of the body")
        return actual

    def _signing_key(self, secret: str, date: str, region: str) -> bytes:
        """Derived once per secret, day and region: a key that is given another secret is at once another's."""
        known = self._signing_keys.get((secret, date, region))
        if known is not None:
            return known
        derived = derive(secret, date, region, self._service)
        if len(self._signing_keys) >= _SIGNING_KEYS_KEPT:
            del self._signing_keys[next(iter(self._signing_keys))]
        self._signing_keys[secret, date, region] = derived
        return derived


def _covered_headers(claim: Claim, headers: Mapping[str, str], must_sign: Sequence[str]) -> str:
    """The canonical form of the headers that are signed. Raises InvalidSignature where one is not that should be."""
    names = claim.headers.split(";")
    if len(set(names)) < len(names):
        # Each repetition would be written out and hashed: a small request with a large header named a thousand times.
        raise InvalidSignature(detail="a header is named twice in SignedHeaders")
    if "host" not in names:
        raise InvalidSignature("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if "authorization" in headers and "x-amz-date" not in headers and "date" not in names:
        raise InvalidSignature("'Date' must be a 'SignedHeader' in the AWS Authorization.")
    for name in headers:
        if name.startswith("x-amz-") and name not in names:
            raise InvalidSignature(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    for name in must_sign:
        if name not in names:
            raise InvalidSignature(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    try:
        return header_lines(names, headers)
    except KeyError:
        raise InvalidSignature(detail="a signed header was not sent") from None


def _matches(
    signature: str, signing_key: bytes, head: str, tail: str, method: str, path: str, queries: Sequence[str]
) -> bool:
    """Whether `signature` is that of any canonical form of the request."""
    for path_form in path_forms(path):
        for query in queries:
            canonical = f"{method}\n{path_form}\n{query}\n{tail}".encode("utf-8", "surrogateescape")
            to_sign = head + sha256(canonical).hexdigest()
            if compare_digest(hmac_digest(signing_key, to_sign.encode(), "sha256").hex(), signature):
                return True
    return False


def _same_token(given: str | None, wanted: str | None) -> bool:
    if given is None or wanted is None:
        return given is wanted
    return compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
