"""Who is calling, and by what name they called us: source address, domain name, forwarded headers.

What a client claims is believed only where the settings say that a proxy stands: X-Forwarded-* of anybody else is
dropped, and an unknown Host never becomes a domain name or a callback URL.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from wsgw import ids
from wsgw.edge.connection import Connection
from wsgw.edge.http import Request
from wsgw.live.stages import Place
from wsgw.settings import Settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "forwarded")
_PROXIED = (*_FORWARDED, "via")
_PORT = re.compile(r":[0-9]+\Z")
_TRACE = re.compile(r"[A-Za-z0-9=;:_-]{1,256}")


@lru_cache(maxsize=16)
def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks that `trust_forwarded` names; the settings were checked when they were loaded."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _trusted(address: str, settings: Settings) -> bool:
    if not settings.trust_forwarded:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks(settings.trust_forwarded))


def source_ip(request: Request, settings: Settings) -> str:
    """The client's address: the peer's, or the last one in X-Forwarded-For that no trusted proxy has added."""
    address = request.peer
    if not settings.trust_forwarded or not _trusted(address, settings):
        return address
    chain = [part.strip() for value in request.all("x-forwarded-for") for part in value.split(",")]
    for hop in reversed(chain):
        try:
            address = str(ipaddress.ip_address(hop))
        except ValueError:
            break
        if not _trusted(address, settings):
            break
    return address


def through_proxy(request: Request, settings: Settings) -> bool:
    """Somebody stands between the caller and us who is not known to, or doesn't say who calls.

    A loopback peer is then not a local caller.
    """
    if not any(map(request.fields.has, _PROXIED)):
        return False
    return not _trusted(request.peer, settings) or _trusted(source_ip(request, settings), settings)


def _secure(request: Request, settings: Settings) -> bool:
    if _trusted(request.peer, settings):
        return (request.header("x-forwarded-proto") or ("https" if request.secure else "http")).lower() == "https"
    return request.secure


def own_base(request: Request, settings: Settings) -> str:
    """Scheme, host and port at which this gateway is reached: `public_url`, else the address that was connected to."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    return f"{'https' if request.secure else 'http'}://{request.own_address}"


def introduce(connection: Connection, request: Request, place: Place, settings: Settings) -> None:
    """Fill in what stays true of `connection`: when, from where, as whom, and by what name it reached us."""
    connection.connected_at = connection.node.wall_ms()
    connection.source_ip = source_ip(request, settings)
    connection.user_agent = request.header("user-agent")
    connection.callback_base = _shared(own_base(request, settings))
    own = connection.callback_base.partition("://")[2].partition("/")[0]
    connection.domain_name = _shared(_domain_name(place.host, own))


def _domain_name(host: str, own: str) -> str:
    """`host`, which named the API, else `own`. The port is not the client's to choose: if it gave one, it is ours."""
    if not host:
        return own
    name, colon, _ = host.partition(":")
    return name + own[len(_PORT.sub("", own)) :] if colon else name


@lru_cache(maxsize=1024)
def _shared(text: str) -> str:
    """`text`, the same object for equal texts: every connection of a listener keeps it."""
    return text


def event_headers(request: Request, connection: Connection, settings: Settings) -> list[tuple[str, str]]:
    """The handshake's headers as authorizers, events and backends get them, with what the service adds."""
    secure = _secure(request, settings)
    trusted = _trusted(request.peer, settings)
    trace = None
    chain: list[str] = []
    headers = []
    for name, value in request.headers:
        lower = name.lower()
        if lower == "x-forwarded-for" and trusted:
            chain.append(value)
        elif lower == "x-amzn-trace-id":
            trace = value
        elif lower.startswith("x-forwarded-") and not trusted:
            pass  # -Host, -Prefix, …: backends believe them, for a proxy would have said it.
        elif lower not in _FORWARDED and not lower.startswith("wsgw-"):
            headers.append((name, value))
    if trace is None or not _TRACE.fullmatch(trace):
        trace = ids.trace_id(connection.connected_at // 1000)
    port = request.own_address.rpartition(":")[2]
    headers.append(("X-Amzn-Trace-Id", trace))
    headers.append(("X-Forwarded-For", ", ".join([*chain, request.peer])))
    headers.append(("X-Forwarded-Port", "443" if secure and not request.secure else port))
    headers.append(("X-Forwarded-Proto", "https" if secure else "http"))
    return headers
