"""Where the data plane listens: the settings' own address and more of them, with TLS or without, one plane for all."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from wsgw.definitions.api import DomainName
from wsgw.edge.node import Clock
from wsgw.errors import DefinitionError
from wsgw.settings import Settings

if TYPE_CHECKING:
    from wsgw.edge.tls import Certificates


class Address(NamedTuple):
    """An address to listen on; `option` is what chose its port."""

    secure: bool
    host: str
    port: int
    option: str

    @classmethod
    def of(cls, url: str, option: str = "--listen") -> Address:
        """The address in `url`: scheme, host and port."""
        parts = urlsplit(url)
        host, _, port = parts.netloc.rpartition(":")
        return cls(parts.scheme == "https", host.strip("[]"), int(port), option)

    @property
    def url(self) -> str:
        """With an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def addresses(settings: Settings) -> list[Address]:
    """Every address that the data plane is to listen on, the one that is announced first."""
    return [
        Address(bool(settings.tls_cert), settings.host, settings.port, "--port"),
        *map(Address.of, settings.listen),
    ]


def bind(where: Iterable[Address]) -> list[list[socket.socket]]:
    """For every address a socket, bound but not listening; several where its host is a name of several.

    Raises OSError, and then binds none.
    """
    bound: list[list[socket.socket]] = []
    try:
        for address in where:
            bound.append([])
            for one in _bind(address):
                bound[-1].append(one)
    except OSError:
        _drop(bound)
        raise
    return bound


def _bind(address: Address) -> Iterator[socket.socket]:
    port = address.port
    try:
        found = socket.getaddrinfo(address.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, name in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            try:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    # Otherwise [::] would take 0.0.0.0, too, where the machine is set up so, and elsewhere not.
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                one.setblocking(False)
                one.bind((name[0], port, *name[2:]))
            except OSError:
                one.close()
                raise
            # The first has picked a free port for all that the name stands for.
            port = one.getsockname()[1]
            yield one
    except OSError as error:
        raise cannot_listen(error, address.option, address.host, port) from error


def _drop(bound: Iterable[Iterable[socket.socket]]) -> None:
    for one in chain.from_iterable(bound):
        one.close()


def cannot_listen(error: OSError, option: str, host: str, port: int) -> OSError:
    """`error` in words that say what to do; `option` is what chooses the port."""
    if error.errno != errno.EADDRINUSE:
        return OSError(f"cannot listen on {host} port {port}: {error.strerror or error}")
    return OSError(f"port {port} of {host} is taken: choose another with {option}, 0 for a free one")


class Listeners:
    """The listening sockets of the data plane, and the certificates that they serve with (None without TLS)."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._servers: list[asyncio.Server] = []
        self.certificates: Certificates | None = None
        self._domain_names: Sequence[DomainName] = ()

    def serve(self, domain_names: Sequence[DomainName]) -> None:
        """Have these domain names served with their certificates. Raises DefinitionError, and changes nothing then."""
        findings = []
        for domain in domain_names:
            if domain.certificate is None and domain.truststore is None:
                continue
            if not self._settings.tls_cert:
                wanted = "certificate" if domain.certificate is not None else "truststore"
                findings.append(
                    f"domainNames.{domain.name}.{wanted}: nothing listens with TLS: give tls_cert and tls_key"
                )
                continue
            from wsgw.edge.certificate import Unusable, read_certificate
            from wsgw.edge.tls import pair_of, pairs

            pair = pair_of(domain, pairs(self._settings)[0])
            try:
                if pair is not None:
                    read_certificate(pair)
            except Unusable as error:
                findings.append(f"domainNames.{domain.name}: {error}")
        if findings:
            raise DefinitionError(findings)
        self._domain_names = domain_names
        if self.certificates is not None:
            self.certificates.serve(domain_names)

    async def open(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        sockets: Sequence[Sequence[socket.socket]] | None = None,
    ) -> list[str]:
        """Accept connections for `factory`; gives a URL per socket, the one to announce first.

        sockets: bound by somebody else, for each of `addresses` in their order; this closes them.
        Raises OSError and Unusable, and then listens nowhere.
        """
        where = addresses(self._settings)
        bound = bind(where) if sockets is None else sockets
        urls = []
        try:
            if self._settings.tls_cert:
                # Only here: whoever serves without TLS does without what reads certificates.
                from wsgw.edge.tls import Certificates

                self.certificates = Certificates(self._settings, self._clock)
                self.certificates.serve(self._domain_names)
            for address, group in zip(where, bound, strict=True):
                for one in group:
                    host, port = one.getsockname()[:2]
                    urls.append(address._replace(host=host, port=port).url)
                    await self._listen(factory, address, one)
        except (OSError, ValueError):
            self.close()
            _drop(bound)
            raise
        return urls

    async def _listen(self, factory: Callable[[], asyncio.BaseProtocol], address: Address, one: socket.socket) -> None:
        settings, context = self._settings, None
        if address.secure:
            assert self.certificates is not None, "https without tls_cert is refused before"
            context = self.certificates.context
        try:
            server = await asyncio.get_running_loop().create_server(
                factory,
                sock=one,
                ssl=context,
                ssl_handshake_timeout=settings.head_seconds if context else None,
                ssl_shutdown_timeout=settings.close_seconds if context else None,
                backlog=settings.backlog,
            )
        except OSError as error:
            raise cannot_listen(error, address.option, address.host, one.getsockname()[1]) from error
        self._servers.append(server)

    def sweep(self) -> None:
        """Look after the certificates, if it is time to."""
        if self.certificates is not None:
            self.certificates.sweep()

    def reload(self) -> None:
        """Read the certificates again now."""
        if self.certificates is not None:
            self.certificates.reload()

    def close(self) -> None:
        """Stop accepting; what was accepted goes on."""
        for server in self._servers:
            server.close()
