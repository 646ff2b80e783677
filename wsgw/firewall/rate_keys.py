"""What a rate-based rule tells requests apart by, made ready."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from wsgw.definitions.firewall import RateBased, RateKey
from wsgw.firewall.addresses import Address, address_of
from wsgw.firewall.inspected import Inspected, as_bytes
from wsgw.firewall.matches import Means, addresses_named, match_of
from wsgw.firewall.rates import Rate
from wsgw.firewall.transformations import transformation

#: Gives a part of the key; None where the request has none, and is not counted then.
Part = Callable[[Inspected], bytes | None]

#: Longer parts are cut: a client chooses them.
_MOST_BYTES: Final = 256
_NO_ADDRESS: Final = b"no address"


def rate_match(statement: RateBased, means: Means, rate: Rate) -> Callable[[Inspected], bool]:
    """What counts a request and says whether there are too many. Raises ValueError for what cannot be made ready."""
    scope = None if statement.scope_down is None else match_of(statement.scope_down, means)
    parts = [_part(key, statement) for key in statement.keys]
    if scope is None and len(parts) == 1:
        # As nearly all are: by source address.
        (only,) = parts

        def match_one(inspected: Inspected) -> bool:
            value = only(inspected)
            return value is not None and rate.exceeded((value,))

        return match_one

    def match(inspected: Inspected) -> bool:
        if scope is not None and not scope(inspected):
            return False
        key: list[bytes] = []
        for part in parts:
            value = part(inspected)
            if value is None:
                return False
            key.append(value)
        return rate.exceeded(tuple(key))

    return match


def _part(key: RateKey, statement: RateBased) -> Part:
    if key.kind == "IP":
        return lambda inspected: _source(inspected.invocation.caller.source_ip)
    if key.kind == "ForwardedIP":
        return _forwarded(statement)
    transform = transformation(key.transformations)
    read = _PARTS[key.kind](key.name)

    def part(inspected: Inspected) -> bytes | None:
        value = read(inspected)
        if value is not None and transform is not None:
            value = transform(value)
        return None if value is None else value[:_MOST_BYTES]

    return part


def _counted(address: Address | None) -> bytes:
    if address is None:
        return _NO_ADDRESS
    # A host has a /64 at least: counted by single addresses, it would have as many tries as it likes.
    return address.number.to_bytes(4) if address.version == 4 else address.number.to_bytes(16)[:8]


@lru_cache(maxsize=4096)
def _source(text: str) -> bytes:
    """What a caller's own address counts as. Remembered: who comes most often is whom this is for."""
    return _counted(address_of(text))


def _forwarded(statement: RateBased) -> Part:
    if statement.forwarded is None:
        raise ValueError("nothing says which header has the address; add ForwardedIPConfig")
    named, counts = addresses_named(statement.forwarded), statement.forwarded.fallback == "MATCH"

    def part(inspected: Inspected) -> bytes | None:
        chain = named(inspected)
        if not chain or (chain[0] is None and not counts):
            return None
        return _counted(chain[0])

    return part


def _header(name: str) -> Part:
    def read(inspected: Inspected) -> bytes | None:
        values = inspected.header(name)
        return values[-1] if values else None

    return read


def _cookie(name: str) -> Part:
    wanted = name.encode()
    return lambda inspected: next((value for key, value in inspected.cookies if key == wanted), None)


def _argument(name: str) -> Part:
    return lambda inspected: next((value for key, value in inspected.arguments if key == name), None)


_PARTS: Final[dict[str, Callable[[str], Part]]] = {
    "Header": _header,
    "Cookie": _cookie,
    "QueryArgument": _argument,
    "QueryString": lambda _: lambda inspected: as_bytes(inspected.query),
    "HTTPMethod": lambda _: lambda inspected: inspected.method.encode(),
    "UriPath": lambda _: lambda inspected: as_bytes(inspected.path),
}
