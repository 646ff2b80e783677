"""Who is calling, and by what name they called us: source address, domain name, forwarded headers.

What a client claims is believed only where the settings say that a proxy stands: X-Forwarded-* of anybody else is
dropped, and an unknown Host never becomes a domain name or a callback URL.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Any, NamedTuple

from wsgw import ids
from wsgw.caller import Caller, ClientCertificate
from wsgw.edge.connection import Connection
from wsgw.edge.http import Request
from wsgw.header_fields import HeaderFields
from wsgw.invocation import Headers
from wsgw.live.stages import Place
from wsgw.settings import Settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "forwarded")
#: What only proxies say. Some say nothing else of whom they speak for.
_PROXIED = (
    *_FORWARDED,
    "via",
    "x-forwarded-host",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
)
_NOT_THE_CLIENTS = frozenset((*_FORWARDED, "x-amzn-trace-id"))
_UNKNOWN: Any = object()
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


def own_origins(request: Request, settings: Settings) -> tuple[str, ...]:
    """What Origin says of pages from the address that was asked for, as a browser spells it (RFC 6454 §6.2)."""
    scheme = "https" if _secure(request, settings) else "http"
    at_host = f"{scheme}://{request.header('host') or ''}"
    if not settings.public_url:
        return (at_host,)
    scheme, _, rest = settings.public_url.partition("://")
    return at_host, f"{scheme}://{rest.partition('/')[0]}"


def introduce(connection: Connection, request: Request, place: Place[Any], settings: Settings) -> None:
    """Fill in what stays true of `connection`: when, from where, as whom, and by what name it reached us."""
    connection.connected_at = connection.node.wall_ms()
    connection.callback_base = _shared(own_base(request, settings))
    _name(connection, request, place, connection.callback_base, settings)


class Introduced(NamedTuple):
    """What is the same for all requests with the same header lines over the same two ends, by the same name.

    fields: the client's own, None where all of them are: an object that held itself would live too long. `forwarded`
    and `domain_prefix` as an HttpInvocation has them.
    """

    source_ip: str
    user_agent: str | None
    domain_name: str
    domain_prefix: str
    fields: HeaderFields | None
    forwarded: Headers

    def caller(self, certificate: ClientCertificate | None) -> Caller:
        """Who sent such a request; a new one each time, for authorizers say as whom."""
        who = Caller()
        who.source_ip = self.source_ip
        who.user_agent = self.user_agent
        who.domain_name = self.domain_name
        who.certificate = certificate
        return who


def introduced(request: Request, place: Place[Any], settings: Settings) -> Introduced:
    """What there is to say of the sender of `request`."""
    ends = (request.peer, request.own_address, request.secure, place.host)
    known: tuple[tuple[str, str, bool, str], Introduced] | None = request.fields.made.get("introduced")
    if known is not None and known[0] == ends:
        return known[1]
    who = Caller()
    _name(who, request, place, own_base(request, settings), settings)
    fields = client_fields(request, settings)
    found = Introduced(
        who.source_ip,
        who.user_agent,
        who.domain_name,
        who.domain_name.partition(".")[0],
        None if fields is request.fields else fields,
        forwarded(request, settings),
    )
    request.fields.made["introduced"] = (ends, found)
    return found


def _name(who: Caller, request: Request, place: Place[Any], base: str, settings: Settings) -> None:
    who.source_ip = source_ip(request, settings)
    who.user_agent = request.header("user-agent")
    who.certificate = request.certificate
    who.domain_name = _domain_name(place.host, base)


@lru_cache(maxsize=1024)
def _domain_name(host: str, base: str) -> str:
    """`host`, which named the API, else that of `base`; the same object for equal ones, for every connection keeps it.

    The port is not the client's to choose: if it gave one, it is ours.
    """
    own = base.partition("://")[2].partition("/")[0]
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
    trace = request.all("x-amzn-trace-id")
    if not trace or not _TRACE.fullmatch(trace[-1]):
        trace = [ids.trace_id(connection.connected_at // 1000)]
    return [
        *client_fields(request, settings).lines,
        ("X-Amzn-Trace-Id", trace[-1]),
        *forwarded(request, settings),
    ]


def client_fields(request: Request, settings: Settings) -> HeaderFields:
    """The headers that are the client's to say: not those that proxies say, nor ours, nor the trace id."""
    trusted = _trusted(request.peer, settings)
    key = "of a trusted client" if trusted else "of a client"
    fields: HeaderFields | None = request.fields.made.get(key, _UNKNOWN)
    if fields is _UNKNOWN:
        kept = [
            (name, value)
            for name, value in request.headers
            # Backends that speak CGI read `_` and `-` as one.
            if (lower := name.lower().replace("_", "-")) not in _NOT_THE_CLIENTS
            # -Host, -Prefix, …: backends believe them, for a proxy would have said it.
            and (trusted or not lower.startswith("x-forwarded-"))
            and not lower.startswith("wsgw-")
        ]
        # Mostly all of them: None stands for that, since an object that held itself would live too long.
        fields = request.fields.made[key] = HeaderFields(kept) if len(kept) < len(request.headers) else None
    return fields if fields is not None else request.fields


def forwarded(request: Request, settings: Settings) -> Headers:
    """X-Forwarded-For, -Port and -Proto, as the service adds them."""
    if not settings.trust_forwarded:
        return _forwarded_by_us(request.peer, request.own_address, request.secure)
    chain: tuple[str, ...] = ()
    secure = _secure(request, settings)
    if _trusted(request.peer, settings):
        chain = tuple(request.all("x-forwarded-for"))
    port = "443" if secure and not request.secure else request.own_address.rpartition(":")[2]
    return _forwarded((*chain, request.peer), port, secure)


@lru_cache(maxsize=4096)
def _forwarded_by_us(peer: str, own_address: str, secure: bool) -> Headers:
    return _forwarded((peer,), own_address.rpartition(":")[2], secure)


@lru_cache(maxsize=1024)
def _forwarded(chain: tuple[str, ...], port: str, secure: bool) -> Headers:
    return (
        ("X-Forwarded-For", ", ".join(chain)),
        ("X-Forwarded-Port", port),
        ("X-Forwarded-Proto", "https" if secure else "http"),
    )


def trace_of(sent: str | None, request_time: int) -> str:
    """X-Amzn-Trace-Id: what the client sent, with a Parent where it has only a Root, else a new one.

    request_time: epoch milliseconds. Source: recorded on the service.
    """
    if sent is None or not _TRACE.fullmatch(sent):
        return ids.trace_id(request_time // 1000)
    if sent.startswith("Root=") and "Parent=" not in sent:
        return f"{sent};Parent={ids.parent_id()};Sampled=0"
    return sent
