"""Authorizers that are asked: a function, an endpoint or a Python function says who is calling and what they may.

Source: developer guide, "Use API Gateway Lambda authorizers".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from hashlib import blake2b
from typing import Any

from wsgw.authorizers.identity_sources import IdentitySources
from wsgw.authorizers.results import MOST_RESULT
from wsgw.authorizers.results_cache import Asked, Read, ResultsCache, Verdict, again
from wsgw.caller import Authorization, Principal
from wsgw.errors import AccessDenied, AuthorizerConfigurationError, GatewayError, Unauthorized
from wsgw.invocation import HttpInvocation, Invocation

#: Gives the event of an invocation whose identity sources have these values.
MakeEvent = Callable[[Invocation, Sequence[str]], dict[str, Any]]


class Answered:
    """What was answered: `document`, JSON of `size` bytes, None for a plain no. `request_id` as the other side has it.

    Made before the call: what is known of one that fails is kept in it, too.
    """

    __slots__ = ("document", "request_id", "size", "status")

    def __init__(self) -> None:
        self.document: Any = None
        self.size = 0
        self.status = 0
        self.request_id = ""


#: Calls an authorizer with an event, for an invocation of this request id, and fills in what was answered. Raises
#: Unauthorized where that is the answer, AuthorizerFailure and AuthorizerConfigurationError where there is none.
CallAuthorizer = Callable[[dict[str, Any], str, Answered], Coroutine[Any, Any, None]]


class LambdaVerifier:
    """One TOKEN or REQUEST authorizer.

    `valid` tells whether a token may be one at all, None for any. `results` keeps verdicts for `ttl` seconds under the
    values of the identity sources; None keeps none. `definition`: a digest of all that decides on results, so that
    another definition has other keys. `now` gives epoch seconds. `denial` is what a caller is told of a plain no.
    """

    __slots__ = (
        "_call",
        "_definition",
        "_denial",
        "_event",
        "_made",
        "_now",
        "_read",
        "_results",
        "_sources",
        "_ttl",
        "_valid",
    )

    def __init__(
        self,
        sources: IdentitySources,
        event: MakeEvent,
        call: CallAuthorizer,
        read: Read,
        now: Callable[[], float],
        *,
        valid: Callable[[str], object] | None = None,
        results: ResultsCache | None = None,
        ttl: int = 0,
        definition: bytes = b"",
        denial: str | None = None,
    ) -> None:
        self._sources = sources
        self._event = event
        self._call = call
        self._read = read
        self._now = now
        self._valid = valid
        self._results = results
        self._ttl = ttl
        self._definition = definition
        self._denial = denial
        #: Under this name header lines keep the key that they make; see HeaderFields.
        self._made = f"authorizer result {definition.hex()}" if sources.of_headers and results is not None else ""

    async def verify(self, invocation: Invocation) -> Principal:
        """As Verifier says. The Principal of a kept result is the same object for all its invocations."""
        results = self._results
        if results is not None and self._made:
            assert isinstance(invocation, HttpInvocation)
            known = invocation.fields.made.get(self._made)
            verdict = None if known is None else results.kept(known)
            if verdict is not None:
                return self._decided(verdict, invocation)
        values = self._sources.values(invocation)
        if self._valid is not None and not self._valid(values[0]):
            raise Unauthorized(detail="the token does not match identityValidationExpression")
        if results is None:
            return await self._asked(invocation, values)
        key = self._key(values)
        if self._made:
            assert isinstance(invocation, HttpInvocation)
            invocation.fields.made[self._made] = key
        verdict = results.kept(key)
        if verdict is None:
            return await self._found(results, key, invocation, values)
        return self._decided(verdict, invocation)

    def _decided(self, verdict: Verdict, invocation: Invocation) -> Principal:
        noted = invocation.authorization = Authorization()
        if verdict.principal is None:
            raise self._refusal(noted)
        return verdict.principal

    def _key(self, values: Sequence[str]) -> bytes:
        # With their lengths: no two lists of values make one text.
        text = "".join([f"{len(value)}:{value}" for value in values])
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32, key=self._definition).digest()

    async def _found(
        self, results: ResultsCache, key: bytes, invocation: Invocation, values: Sequence[str]
    ) -> Principal:
        noted = invocation.authorization = Authorization()
        started = time.monotonic()
        try:
            verdict, asked = await results.found(key, self._ttl, self._read, lambda: self._ask(invocation, values))
            return self._principal(verdict, asked, noted)
        finally:
            noted.latency = _since(started)

    async def _asked(self, invocation: Invocation, values: Sequence[str]) -> Principal:
        noted = invocation.authorization = Authorization()
        asked = await self._ask(invocation, values)
        noted.latency = asked.latency
        verdict = None
        if asked.error is None:
            try:
                verdict = Verdict(self._read(asked.document), 0)
            except GatewayError as error:
                asked = asked._replace(error=error)
        return self._principal(verdict, asked, noted)

    def _principal(self, verdict: Verdict | None, asked: Asked, noted: Authorization) -> Principal:
        noted.function_status = asked.status
        noted.function_request_id = asked.request_id
        noted.function_latency = asked.latency
        if verdict is None:
            assert asked.error is not None
            raise _noted(noted, again(asked.error)) from asked.error
        principal = verdict.principal
        if principal is None:
            raise self._refusal(noted)
        if principal.expires is not None and principal.expires <= self._now():
            raise _noted(noted, Unauthorized(detail="the authorizer's expiresAt is over"))
        return principal

    def _refusal(self, noted: Authorization) -> GatewayError:
        return _noted(noted, AccessDenied(self._denial, detail="the authorizer said no"))

    async def _ask(self, invocation: Invocation, values: Sequence[str]) -> Asked:
        answered = Answered()
        event = self._event(invocation, values)
        started = time.monotonic()
        error: GatewayError | None = None
        try:
            await self._call(event, invocation.request_id, answered)
            if answered.size > MOST_RESULT:
                error = AuthorizerConfigurationError(
                    detail=f"the authorizer's result has more than {MOST_RESULT} bytes"
                )
        except GatewayError as raised:
            error = raised
        return Asked(answered.document, answered.size, answered.status, answered.request_id, _since(started), error)


def _noted(noted: Authorization, error: GatewayError) -> GatewayError:
    noted.status = error.status
    noted.error = error.message or error.response_type
    return error


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
