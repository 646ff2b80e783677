"""TLS of the data plane: which certificate a client gets (SNI), and reading them again when their files change.

The listeners' context chooses another one per handshake, so a new certificate is a new context that was loaded and
found usable before anybody gets it. Open connections keep the one that they began with.
"""

from __future__ import annotations

import logging
import ssl
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from wsgw.definitions.api import DomainName
from wsgw.edge.certificate import (
    Certificate,
    Pair,
    Unusable,
    ask_for_certificates,
    read_certificate,
    server_context,
)
from wsgw.edge.node import Clock
from wsgw.observe import metrics
from wsgw.settings import Settings

log = logging.getLogger("wsgw")


def pairs(settings: Settings) -> list[Pair]:
    """The files that the settings name: `tls_cert` first, then `tls_certificates` in their order."""
    more = [text.partition(":")[::2] for text in settings.tls_certificates]
    return [Pair(cert, key or cert) for cert, key in [(settings.tls_cert, settings.tls_key), *more]]


def pair_of(domain: DomainName, first: Pair) -> Pair | None:
    """The files that `domain` is served with, where they are not those of any other name."""
    if domain.certificate is None and domain.truststore is None:
        return None
    cert, key = first.cert, first.key
    if domain.certificate is not None:
        cert, key = domain.certificate, domain.certificate_key or domain.certificate
    return Pair(cert, key, domain.truststore or "")


class Certificates:
    """What the https listeners serve with. `context` is theirs; `sweep` and `reload` keep the certificates fresh.

    Raises Unusable if any cannot be served with.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._every = settings.tls_reload_seconds
        self._next = clock.now() + self._every
        self._sources = [_Source(pair) for pair in pairs(settings)]
        self._hosts: dict[str, _Source] = {}
        self._domains: dict[str, _Source] = {}
        self._doubles: set[str] = set()
        for source in self._sources:
            source.introduce(clock.wall_ms() / 1000)
        self._sort()
        self.context = server_context(self._sources[0].pair)
        self.context.sni_callback = self._choose
        _ignore_names_that_are_no_text()

    def for_host(self, name: str | None) -> Certificate:
        """The certificate for a client that asks for `name`; the first one where none is for it, or none was asked."""
        host = (name or "").lower().rstrip(".")
        domain = self._domains.get(host) or self._domains.get("*." + host.partition(".")[2])
        if domain is not None:
            return domain.certificate
        # One label only: *.example.com is neither for a.b.example.com nor for example.com (RFC 9525 §6.3).
        source = self._hosts.get(host) or self._hosts.get("*." + host.partition(".")[2])
        return (source or self._sources[0]).certificate

    def serve(self, domain_names: Iterable[DomainName]) -> None:
        """Serve these domain names with their own certificates and truststores from now on.

        A name with a truststore alone is served with the listeners' first certificate. Raises Unusable, and then goes
        on as before.
        """
        domains: dict[str, _Source] = {}
        known = {source.pair: source for source in self._domains.values()}
        for domain in domain_names:
            pair = pair_of(domain, self._sources[0].pair)
            if pair is not None:
                known[pair] = source = known.get(pair) or _Source(pair)
                domains[domain.name.lower().rstrip(".")] = source
        for source in set(domains.values()) - set(self._domains.values()):
            source.introduce(self._clock.wall_ms() / 1000)
        self._domains = domains
        ask_for_certificates(self.context, any(source.pair.truststore for source in domains.values()))

    def not_after(self) -> Iterator[tuple[tuple[str], float]]:
        """When the certificate of each host runs out, in seconds of the epoch; by file where it names no host."""
        for host, source in self._hosts.items():
            yield (host,), source.certificate.not_after
        for name, source in self._domains.items():
            if name not in self._hosts:
                yield (name,), source.certificate.not_after
        for source in self._sources:
            if not source.certificate.names:
                yield (source.pair.cert,), source.certificate.not_after

    def sweep(self) -> None:
        """Look at the files, if it is time to."""
        now = self._clock.now()
        if now >= self._next:
            self._next = now + self._every
            self._look({*self._sources, *self._domains.values()}, False)

    def reload(self) -> None:
        """Read every certificate again now, changed or not."""
        self._look({*self._sources, *self._domains.values()}, True)

    def _look(self, sources: Iterable[_Source], asked: bool) -> None:
        fresh = [source for source in sources if source.look(asked)]
        for source in fresh:
            source.introduce(self._clock.wall_ms() / 1000)
        if fresh:
            self._sort()

    def _sort(self) -> None:
        """Say which certificate serves which name: the first that has it."""
        hosts: dict[str, _Source] = {}
        doubles = set()
        for source in self._sources:
            for name in source.certificate.names:
                if hosts.setdefault(name, source) is not source:
                    doubles.add(f"{name} is in {hosts[name].pair.cert} and in {source.pair.cert}: the first is served")
        for double in sorted(doubles - self._doubles):
            log.warning("TLS: %s", double)
        self._hosts, self._doubles = hosts, doubles

    def _choose(self, handshake: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        handshake.context = self.for_host(name).context


class _Source:
    """A pair of files, and the certificate last read from them that was usable."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        # Before the files are read: what is written meanwhile is seen by the next look.
        self._stamps = pair.stamps()
        self._fault = ""
        self.certificate = read_certificate(pair)

    def look(self, asked: bool) -> bool:
        """Read the files if they have changed or could not be used, or if `asked` to; whether there is a new one."""
        stamps = self.pair.stamps()
        changed = stamps != self._stamps
        if not (changed or self._fault or asked):
            return False
        self._stamps = stamps
        try:
            certificate = read_certificate(self.pair)
        except Unusable as error:
            if changed or asked or str(error) != self._fault:
                log.error("TLS: the certificate is not replaced, the one before is still served: %s", error)
                metrics.count("tls_reload_failed")
            self._fault = str(error)
            return False
        self._fault = ""
        self.certificate = certificate
        return True

    def introduce(self, now: float) -> None:
        """Say what is served from now on; `now` in seconds of the epoch."""
        certificate = self.certificate
        until = f"{datetime.fromtimestamp(certificate.not_after, UTC):%Y-%m-%dT%H:%M:%SZ}"
        log.info(
            "TLS: serving %s (%s), notAfter %s, for %s",
            *(self.pair.cert, certificate.subject, until, ", ".join(certificate.names) or "no host by name"),
        )
        if certificate.not_after <= now:
            log.error("TLS: %s has expired, on %s", self.pair.cert, until)


def _ignore_names_that_are_no_text() -> None:
    """Keep what `ssl` makes of a server name beyond ASCII off standard error: a traceback for each such handshake.

    They fail, and are counted as the others that do.
    """
    before: Any = sys.unraisablehook
    if getattr(before, "is_ours", False):
        return

    def hook(unraisable: Any) -> None:
        error = unraisable.exc_value
        if not (
            isinstance(error, UnicodeDecodeError)
            and error.encoding == "ascii"
            and isinstance(unraisable.object, bytes | None)
        ):
            before(unraisable)

    hook.is_ours = True  # type: ignore[attr-defined]
    sys.unraisablehook = hook
