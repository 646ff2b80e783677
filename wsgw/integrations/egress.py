"""Which addresses integrations may reach. Looked at with every connection, on the address that it is about to go to.

A name, a stage variable or a client's host can lead anywhere, and a resolver may say something else each time; only the
address itself decides. An IPv6 address that carries an IPv4 address counts as that one, too.
Source: RFC 4291 section 2.5.5, RFC 6052, RFC 3056; cloud providers' documentation of their metadata services.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from functools import lru_cache

log = logging.getLogger("wsgw.egress")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_KNOWN = 1024

#: Networks whose addresses carry an IPv4 address, and how many bits stand behind it.
_CARRIERS = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)


class EgressDenied(OSError):
    """No address of the backend may be reached."""


class Egress:
    """Lets through what no network of `deny` holds, or one of `allow` does. Texts are addresses or networks."""

    def __init__(self, deny: Sequence[str] = (), allow: Sequence[str] = ()) -> None:
        self._deny = [ipaddress.ip_network(text, strict=False) for text in deny]
        self._allow = [ipaddress.ip_network(text, strict=False) for text in allow]
        self.allows = lru_cache(_KNOWN)(self._allows)

    def permitted(self, name: str, addresses: Sequence[str]) -> list[str]:
        """Those of `addresses`, what `name` resolved to, that may be reached. Raises EgressDenied if none may."""
        permitted = [address for address in addresses if self.allows(address)]
        if permitted or not addresses:
            return permitted
        log.warning(
            "no connection to %s: its address %s is in egress_deny; to reach it, add it to egress_allow",
            name,
            ", ".join(addresses),
        )
        raise EgressDenied(f"{name} is at {', '.join(addresses)}")

    def _allows(self, text: str) -> bool:
        faces = _faces(text)
        if any(face in network for face in faces for network in self._allow):
            return True
        return not any(face in network for face in faces for network in self._deny)


def _faces(text: str) -> list[_Address]:
    """The address, and the IPv4 address that it carries."""
    # A scope (fe80::1%eth0) says which link, not which network.
    address = ipaddress.ip_address(text.partition("%")[0])
    faces: list[_Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        for network, behind in _CARRIERS:
            if address in network:
                faces.append(ipaddress.IPv4Address(int(address) >> behind & 0xFFFFFFFF))
    return faces
