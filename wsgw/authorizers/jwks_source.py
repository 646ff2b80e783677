"""The keys of one issuer: where they are found, fetched one at a time, kept over failures, refreshed beside requests.

Source: OpenID Connect Discovery 1.0, section 4; developer guide, "Control access to HTTP APIs with JWT authorizers".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from wsgw.authorizers.jwks import JwksError, VerifyingKey, kept_keys, read_jwks
from wsgw.errors import AuthorizerFailure, GatewayError
from wsgw.invocation import Reply
from wsgw.observe import metrics
from wsgw.waiting import within

log = logging.getLogger("wsgw.jwks")

#: What API Gateway allows an issuer: seconds for each answer, and its bytes.
FETCH_SECONDS: Final = 1.5
MOST_BYTES: Final = 150_000
#: Seconds between two questions for kids that nobody knows; after a failure with no keys at all; with old ones.
ASK_AGAIN, RETRY, RETRY_REFRESH = 60.0, 5.0, 60.0
DISCOVERY_PATH: Final = "/.well-known/openid-configuration"

#: Gets a URL. Its answer may be one whose body is still coming. Raises GatewayErrors.
Fetch = Callable[[str], Awaitable[Reply]]
Begin = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class KeysPlace(NamedTuple):
    """Where an issuer's keys are: at `jwks_uri`, in `file`, or else where its discovery document says."""

    issuer: str
    jwks_uri: str = ""
    file: Path | None = None


class IssuerKeys:
    """Keys by kid. `now` gives epoch seconds; `begin` starts a task that somebody else holds and ends.

    refresh: seconds after which the set is fetched anew, beside the request that finds it old. Where that fails, the
    last good set stays in force.
    """

    def __init__(
        self,
        place: KeysPlace,
        fetch: Fetch,
        begin: Begin,
        now: Callable[[], float],
        *,
        algorithms: Sequence[str],
        refresh: float,
    ) -> None:
        self.place = place
        self.algorithms = frozenset(algorithms)
        self._fetch = fetch
        self._begin = begin
        self._now = now
        self._in_order = tuple(algorithms)
        self._refresh = refresh
        self._keys: Mapping[str, VerifyingKey] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._tried, self._due = 0.0, 0.0
        self._asked_again = float("-inf")
        self._fault = ""

    def find(self, kid: str) -> VerifyingKey | None:
        """The key, if it is here. Has an old set refreshed, and waits for nothing."""
        if self._is_due():
            self._start()
        return None if self._keys is None else self._keys.get(kid)

    def look(self) -> None:
        """Begin to fetch the set if there is none yet, so that the first request need not wait."""
        if self._keys is None and self._is_due():
            self._start()

    async def asked(self, kid: str, *, again: bool) -> VerifyingKey | None:
        """As `find`, but waits where there are no keys yet, and asks the issuer once more for a kid that is not known.

        again: whether it is worth that. It happens once a minute at most, whoever asks.
        Raises AuthorizerFailure where there are no keys at all.
        """
        key = self.find(kid)
        if key is not None:
            return key
        if self._keys is None:
            if self._fetching is not None:
                await self._fetched()
            if self._keys is None:
                raise AuthorizerFailure(detail=f"the keys of {self.place.issuer} are not known: {self._fault}")
        elif again:
            if self._fetching is None:
                if 0 <= self._now() - self._asked_again < ASK_AGAIN:
                    return None
                self._asked_again = self._now()
                self._start()
            await self._fetched()
        return self._keys.get(kid)

    def read_file(self) -> None:
        """Read the file that the keys are in now. Raises JwksError."""
        self._take(keys_in(self.place, self._in_order))

    def _is_due(self) -> bool:
        # A clock that was set back must not keep an old set for ever.
        return self._fetching is None and not self._tried <= self._now() < self._due

    def _start(self) -> None:
        self._fetching = self._begin(self._run())

    async def _fetched(self) -> None:
        """Wait for the fetch that is under way. Whoever waits may go away: others wait for it, too."""
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    async def _run(self) -> None:
        try:
            self._take(await self._get_keys())
        except JwksError as error:
            self._failed(str(error))
        except Exception:
            # Whatever an issuer serves, it is not asked again with every request.
            log.exception("the keys of %s cannot be read", self.place.issuer)
            self._failed("they cannot be read")
        finally:
            self._fetching = None

    def _take(self, keys: dict[str, VerifyingKey]) -> None:
        if self._fault:
            log.info("the keys of %s can be had again", self.place.issuer)
        self._fault = ""
        self._keys = kept_keys(self._keys or {}, keys)
        self._tried = self._now()
        self._due = self._tried + self._refresh
        metrics.count("jwks_fetched")

    def _failed(self, fault: str) -> None:
        if fault != self._fault:
            meanwhile = "its tokens get 500 until they can" if self._keys is None else "those from before are used on"
            log.warning("the keys of %s cannot be had: %s; %s", self.place.issuer, fault, meanwhile)
        self._fault = fault
        self._tried = self._now()
        self._due = self._tried + (RETRY if self._keys is None else min(RETRY_REFRESH, self._refresh))
        metrics.count("jwks_failed")

    async def _get_keys(self) -> dict[str, VerifyingKey]:
        if self.place.file is not None:
            return keys_in(self.place, self._in_order)
        uri = self.place.jwks_uri or await self._discovered()
        body = await self._get(uri)
        try:
            return read_jwks(body, self._in_order)
        except JwksError as error:
            raise JwksError(f"{uri}: {error}") from None

    async def _discovered(self) -> str:
        """The `jwks_uri` of the issuer's own document."""
        issuer = self.place.issuer
        url = issuer.rstrip("/") + DISCOVERY_PATH
        try:
            document = orjson.loads(await self._get(url))
        except ValueError:
            raise JwksError(f"{url} is no JSON") from None
        if not isinstance(document, dict) or document.get("issuer") != issuer:
            raise JwksError(f"{url} is not of this issuer: its member issuer must be the same text")
        uri = document.get("jwks_uri")
        schemes = ("https://",) if issuer.startswith("https://") else ("https://", "http://")
        if not isinstance(uri, str) or not uri.startswith(schemes) or len(uri) > 2_048:
            raise JwksError(f"{url} has no jwks_uri that begins with {' or '.join(schemes)}")
        return uri

    async def _get(self, url: str) -> bytes:
        """What is at `url`, no further: redirects are answers like others, and no keys."""
        try:
            async with within(FETCH_SECONDS):
                reply = await self._fetch(url)
                if reply.status != 200:
                    if reply.stream is not None:
                        reply.stream.cancel()
                    raise JwksError(f"{url} answered {reply.status}")
                return await _whole(reply, url)
        except TimeoutError:
            raise JwksError(f"{url} did not answer within {FETCH_SECONDS} seconds") from None
        except GatewayError as error:
            raise JwksError(f"{url}: {error.detail or error.message}") from error


async def _whole(reply: Reply, url: str) -> bytes:
    body = bytearray(reply.body)
    if reply.stream is not None:
        try:
            async for piece in reply.stream:
                body += piece
                if len(body) > MOST_BYTES:
                    break
        finally:
            reply.stream.cancel()
    if len(body) > MOST_BYTES:
        raise JwksError(f"{url} has more than {MOST_BYTES} bytes")
    return bytes(body)


def keys_in(place: KeysPlace, algorithms: Sequence[str]) -> dict[str, VerifyingKey]:
    """The keys in the file of `place` that are for one of `algorithms`. Raises JwksError."""
    return read_jwks(_contents(place), algorithms)


def _contents(place: KeysPlace) -> bytes:
    assert place.file is not None
    try:
        with place.file.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise JwksError(f"{place.file}: {error.strerror}") from error
    if len(body) > MOST_BYTES:
        raise JwksError(f"{place.file} has more than {MOST_BYTES} bytes")
    return body
