"""The HTTP/1.1 client of integrations: pooled connections, one write and one read per request, no task of its own.

Redirects are not followed, there are no cookies, and proxies of the environment are ignored: a backend's answer is what
the backend said. A request that went out on a kept connection and got no byte back is sent once more if its method is
idempotent (RFC 9110 section 9.2.2). For other methods nobody knows whether the backend acted on it, so the caller is
told: connections that the backend had closed before are found out before anything is written.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from wsgw.errors import IntegrationFailure
from wsgw.integrations.circuit import Circuit
from wsgw.integrations.drive import Parked, current
from wsgw.integrations.egress import Egress
from wsgw.integrations.http_call import Bounds, Call
from wsgw.integrations.http_host import Host, PoolLimits
from wsgw.integrations.http_names import Addresses, Lookup
from wsgw.integrations.http_tls import Handshake, TlsContexts, TlsOptions
from wsgw.integrations.http_upload import Upload
from wsgw.integrations.http_wire import address, after_method, header_block, method, request_bytes, request_head
from wsgw.integrations.sweep import Sweep
from wsgw.invocation import IntegrationRequest, Reply, Stream

__all__ = ["HttpPool", "PoolCounts", "Target", "header_block"]

_SHORTEST_TIMEOUT = 0.05
_KNOWN_URLS = 1024


class Target(NamedTuple):
    """A URL ready for use: where its connections are, and the constant part of its requests' heads."""

    host: Host
    after_method: bytes
    authority: str
    request_target: str

    def at(self, request_target: str) -> Target:
        """The same host, asked for `request_target`: visible ASCII from a slash on, as the caller made sure."""
        return Target(self.host, after_method(request_target, self.authority), self.authority, request_target)


class PoolCounts(NamedTuple):
    """How many connections are open, of these idle; how many calls wait for one; how many were opened so far."""

    open: int
    idle: int
    waiting: int
    opened: int


class HttpPool:
    """Sends requests over kept connections. Made inside a running loop; whoever made it closes it.

    limit_per_host: most connections to one scheme, name and port; `keepalive`, `connect_timeout`, `dns_ttl` in seconds;
    `max_response_bytes` bounds one body, `max_stream_bytes` (0: any) one that is passed on as it comes, in which the
    backend may be silent for `stream_silence` seconds; `circuit_failures` in a row make a host's calls fail at once
    (see Circuit). `egress`: where connections may lead; `backend_ca`: more authorities, a PEM file; `ssl`: in place of
    the system's. `lookup`: as `loop.getaddrinfo`; `clock` gives seconds and never goes back.
    """

    def __init__(
        self,
        *,
        limit_per_host: int = 512,
        keepalive: float = 60.0,
        max_response_bytes: int = 10 * 1024 * 1024,
        connect_timeout: float = 5.0,
        circuit_failures: int = 20,
        dns_ttl: float = 30.0,
        max_stream_bytes: int = 0,
        stream_silence: float = 300.0,
        egress: Egress | None = None,
        backend_ca: str = "",
        ssl: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        bounds = Bounds(max_response_bytes, max_stream_bytes or sys.maxsize, stream_silence)
        self._limits = PoolLimits(limit_per_host, keepalive, connect_timeout, bounds, egress or Egress())
        self._circuit_failures = circuit_failures
        self._dns_ttl = dns_ttl
        self._tls = TlsContexts(ssl, backend_ca)
        self._lookup = lookup or self._loop.getaddrinfo
        self._clock = clock
        self._sweep = Sweep(self._loop, clock)
        self._closed = False
        # A host lives as long as a target, a connection or a call of it does.
        self._hosts: WeakValueDictionary[tuple[str, int, Handshake | None], Host] = WeakValueDictionary()
        self._targets = lru_cache(_KNOWN_URLS)(self._target)

    def target(self, url: str, tls: TlsOptions | None = None, via: str = "") -> Target:
        """What `send_to` needs of an absolute http or https URL. Raises ApiConfigurationError.

        via: the scheme, host and port (`http://10.0.0.7:8080`) that connections go to in place of the URL's, which
        still gives the Host header and the name in TLS. TLS it is where either says https; the port is the URL's where
        `via` has none.
        """
        if tls is None and not via:
            return self._targets(url)
        return self._target(url, tls, via)

    async def send(self, request: IntegrationRequest) -> Reply:
        """Send `request` and give the whole answer: status, body, headers as received (Latin-1), repeats included.

        Raises IntegrationTimeout when `request.timeout` (at least 50 ms) has passed, waiting for a connection included;
        IntegrationFailure, whose `detail` is a reason code such as `connection_refused`; ApiConfigurationError, before
        anything is sent, for a URL, method or header that cannot be sent.
        """
        headers = header_block(request.headers)
        return await self.send_to(self._targets(request.url), request.method, headers, request.body, request.timeout)

    async def send_to(
        self,
        target: Target,
        verb: str,
        headers: bytes,
        body: bytes,
        timeout: float,
        stream: Stream | None = None,
        streams: bool = False,
    ) -> Reply:
        """As `send`, with what is constant prepared: `headers` is of `header_block`, `timeout` in seconds.

        stream: the body's rest behind `body`, of `stream.length` bytes with it. It is written as it comes and never
        sent again; `timeout` counts from its last piece, and does not run while the client keeps the backend waiting.
        A GatewayError that it raises ends the call. However the call ends, `stream` is used up or cancelled.
        streams: an answer whose body is not there at once is given as soon as its head is, with a `stream`; `timeout`
        is that of the head then. Whoever does not take all of `Reply.stream` cancels it.
        """
        if self._closed:
            raise IntegrationFailure(detail="pool_closed")
        how = method(verb)
        deadline = self._clock() + max(timeout, _SHORTEST_TIMEOUT)
        drive = current()
        future: asyncio.Future[Reply] | Parked[Reply]
        future = self._loop.create_future() if drive is None else Parked(drive, self._loop)
        if stream is None:
            payload = request_bytes(how, target.after_method, headers, body)
            call = Call(payload, how.is_head, how.repeatable, deadline, future, streams)
        else:
            payload = request_head(how, target.after_method, headers, body, stream.length)
            upload = Upload(stream, len(body), max(timeout, _SHORTEST_TIMEOUT))
            call = Call(payload, how.is_head, False, deadline, future, streams, upload)
        if deadline < self._sweep.next:
            self._sweep.watch(deadline)
        try:
            target.host.submit(call)
            return await future
        except asyncio.CancelledError:
            target.host.abandon(call)
            if isinstance(future, asyncio.Future) and future.done() and not future.cancelled():
                future.exception()  # seen: it came in the turn in which the caller went away
            raise
        finally:
            # The answer may be one that goes on while the rest is written.
            if call.upload is not None and call.answer is None:
                call.upload.stop()

    def counts(self) -> PoolCounts:
        """Of all hosts together."""
        hosts = list(self._hosts.values())
        return PoolCounts(
            sum(len(host.connections) for host in hosts),
            sum(len(host.idle) for host in hosts),
            sum(len(host.queue) for host in hosts),
            sum(host.opened for host in hosts),
        )

    def sweep(self) -> None:
        """Fail what is overdue and close what was idle too long: what the pool's timer does."""
        self._sweep.run()

    async def close(self) -> None:
        """Close all connections; what is under way fails with `pool_closed`."""
        self._closed = True
        for host in tuple(self._hosts.values()):
            await host.close()
        self._sweep.stop()

    def _target(self, url: str, tls: TlsOptions | None = None, via: str = "") -> Target:
        where = address(url)
        name, port, secure = where.host, where.port, where.scheme == "https"
        if via:
            link = address(via)
            name, secure = link.host, secure or link.scheme == "https"
            port = link.port if urlsplit(via).port else port
        handshake = self._tls.handshake(tls, where.host) if secure else None
        key = (name, port, handshake)
        host = self._hosts.get(key)
        if host is None:
            addresses = Addresses(name, port, self._lookup, self._dns_ttl, self._clock)
            circuit = Circuit(self._circuit_failures, self._clock)
            host = Host(name, addresses, handshake, self._limits, self._sweep, circuit)
            self._hosts[key] = host
        return Target(host, after_method(where.request_target, where.authority), where.authority, where.request_target)
