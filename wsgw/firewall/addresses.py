"""Addresses as numbers, and sets of networks that are looked up in by bisection."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, NamedTuple

_MAPPED: Final = b"\0" * 10 + b"\xff\xff"


class Address(NamedTuple):
    """An address by its version and its number. IPv4 mapped into IPv6 is IPv4."""

    version: int
    number: int


def address_of(text: str) -> Address | None:
    """None for what is no address. A zone (`fe80::1%eth0`) is left out."""
    try:
        if ":" not in text:
            return Address(4, int.from_bytes(inet_pton(AF_INET, text)))
        packed = inet_pton(AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return None
    if packed.startswith(_MAPPED):
        return Address(4, int.from_bytes(packed[12:]))
    return Address(6, int.from_bytes(packed))


#: The same, remembered: for callers' own addresses, which come back. What headers say is as long as its sender likes.
source_address: Final = lru_cache(maxsize=4096)(address_of)


class AddressSet:
    """Networks of both versions, merged into ranges that do not overlap. Raises ValueError for what is none."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, networks: Iterable[str]) -> None:
        ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for text in networks:
            network = ipaddress.ip_network(text, strict=False)
            version: int = network.version
            first, last = int(network.network_address), int(network.broadcast_address)
            if version == 6 and network.subnet_of(_MAPPED_NETWORK):  # type: ignore[arg-type]
                version, first, last = 4, first & 0xFFFFFFFF, last & 0xFFFFFFFF
            ranges[version].append((first, last))
        self._starts: dict[int, list[int]] = {}
        self._ends: dict[int, list[int]] = {}
        for version, found in ranges.items():
            self._starts[version], self._ends[version] = _merged(found)

    def __contains__(self, address: Address) -> bool:
        at = bisect_right(self._starts[address.version], address.number) - 1
        return at >= 0 and address.number <= self._ends[address.version][at]


_MAPPED_NETWORK: Final = ipaddress.ip_network("::ffff:0:0/96")


def _merged(ranges: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    starts: list[int] = []
    ends: list[int] = []
    for first, last in sorted(ranges):
        if ends and first <= ends[-1] + 1:
            ends[-1] = max(ends[-1], last)
        else:
            starts.append(first)
            ends.append(last)
    return starts, ends
