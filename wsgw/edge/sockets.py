"""The two ends of a client's socket, as text."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any

from wsgw.caller import ClientCertificate


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The address at the other end; an IPv4 one that arrived over IPv6 as IPv4. "" for a socket that has none."""
    name = transport.get_extra_info("peername")
    return _bare(name[0]) if isinstance(name, tuple) else ""


def own_address(transport: asyncio.BaseTransport) -> str:
    """Host and port of this end, as a URL has them."""
    return _joined(transport.get_extra_info("sockname"))


def _bare(address: str) -> str:
    return address[7:] if address.startswith("::ffff:") and "." in address else address


@lru_cache(maxsize=64)
def _joined(name: Any) -> str:
    if not isinstance(name, tuple):
        return "localhost"
    host = _bare(name[0])
    return f"[{host}]:{name[1]}" if ":" in host else f"{host}:{name[1]}"


def shown(transport: asyncio.BaseTransport) -> ClientCertificate | None:
    """The certificate that the client has shown, where the host that it asked for wants one."""
    tls = transport.get_extra_info("ssl_object")
    # Only with TLS, and then what reads certificates is there already.
    from wsgw.edge.certificate import vouched_for

    return vouched_for(tls) if tls is not None else None
