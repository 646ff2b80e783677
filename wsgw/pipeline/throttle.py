"""The throttle steps: token buckets of the account, of a stage and of its routes, and of single callers."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from wsgw.definitions.access import ThrottleSettings
from wsgw.errors import StoreUnavailable, Throttled
from wsgw.invocation import Invocation
from wsgw.observe.metrics import count
from wsgw.pipeline.run import Step
from wsgw.stores.base import Throttle
from wsgw.stores.bucket import Bucket

#: The bucket that all messages, `$connect`s and pushes of the account share, and that of its new connections.
ACCOUNT_KEY = "account"
ACCOUNT_CONNECTIONS_KEY = "account/new-connections"
#: Whoever has one IPv6 address usually has all with the same first 64 bits (RFC 4291 §2.5.4): they are one source.
SOURCE_PREFIX_V6 = 64
#: Longer names of principals are cut to a digest, for every node and Redis keep them.
_LONGEST_NAME = 128

#: The key of a caller's own bucket; None for a caller who has none.
KeyOf = Callable[[Invocation], str | None]


class Level(NamedTuple):
    """One bucket that an invocation must find a token in. `name` is what the operator's log says."""

    name: str
    key: str | KeyOf
    limit: ThrottleSettings


def limit_of(rate: float, burst: int) -> ThrottleSettings | None:
    """The limit that two settings make; None where the rate is 0: no bound."""
    return ThrottleSettings(rate_limit=rate, burst_limit=max(1, burst)) if rate else None


async def allowed(buckets: Throttle, key: str, limit: ThrottleSettings) -> bool:
    """Whether the bucket `key` lets one more through; yes where its store is away."""
    try:
        return await buckets.take(key, limit)
    except StoreUnavailable:
        # Fail open: throttles are best effort in API Gateway too, and the API works without.
        count("throttle_unavailable")
        return True


def throttle(buckets: Throttle, key: str, limit: ThrottleSettings, name: str = "") -> Step:
    """Refuse an invocation that finds the bucket `key` empty. Raises Throttled; `name` is for the operator's log."""

    async def step(invocation: Invocation) -> None:
        if not await allowed(buckets, key, limit):
            raise Throttled(detail=name)

    return step


def throttle_each(buckets: Throttle, levels: Sequence[Level]) -> Step:
    """Refuse an invocation that finds one of the buckets of `levels` empty, asked in their order. Raises Throttled.

    One that is refused takes nothing from the levels behind the one that refuses it; what it took from those before is
    spent. All are asked in one round trip, where the store can.
    """

    async def step(invocation: Invocation) -> None:
        names: list[str] = []
        wanted: list[tuple[str, ThrottleSettings]] = []
        for name, key, limit in levels:
            known = key if isinstance(key, str) else key(invocation)
            if known is not None:
                names.append(name)
                wanted.append((known, limit))
        try:
            refused = await buckets.take_each(wanted)
        except StoreUnavailable:
            # Fail open, as `allowed` does.
            count("throttle_unavailable")
            return
        if refused < len(names):
            raise Throttled(detail=names[refused])

    return step


def throttle_connection(limit: ThrottleSettings, ticks: Callable[[], float]) -> Step:
    """Refuse a message of a connection that sends more than `limit`. Raises Throttled.

    The bucket is the connection's own, as long as it is open: no other node has messages of it. `ticks` gives seconds
    that never go back.
    """

    async def step(invocation: Invocation) -> None:
        connection = invocation.connection
        now = ticks()
        bucket = connection.bucket
        if bucket is None:
            bucket = connection.bucket = Bucket(limit, now)
        if not bucket.take(limit, now):
            raise Throttled(detail="connection_throttle")

    return step


def source_key(prefix: str) -> KeyOf:
    """Keys of buckets by source address: `prefix` and the address, of IPv6 its network."""

    def key(invocation: Invocation) -> str:
        address = invocation.caller.source_ip
        return prefix + (network_of(address) if ":" in address else address)

    return key


def principal_key(prefix: str) -> KeyOf:
    """Keys of buckets by principal; none for a caller that no authorizer has named."""

    def key(invocation: Invocation) -> str | None:
        principal = invocation.caller.principal
        if principal is None or not principal.id:
            # Some authorizers let in without saying whom: these are not all one caller.
            return None
        name = f"{principal.kind}/{principal.id}"
        if len(name) > _LONGEST_NAME:
            name = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
        return prefix + name

    return key


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The network of an IPv6 address whose addresses count as one source; an IPv4 address in it is that address."""
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), SOURCE_PREFIX_V6), strict=False))
