"""TLS towards backends: whose certificates are believed, and which one we show.

Where verification is skipped, as `insecureSkipVerification` asks, neither issuer nor name is looked at, but a
certificate must still be valid now. Source: API reference, TlsConfig.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from wsgw.errors import ApiConfigurationError


class TlsOptions(NamedTuple):
    """How TLS to one backend differs. `server_name` is asked for (SNI) and verified in place of the URL's host.

    `certificate` and `key` are files, PEM: what we show if the backend asks for it.
    """

    verify: bool = True
    server_name: str = ""
    certificate: str = ""
    key: str = ""


class Handshake(NamedTuple):
    """How connections to one host begin. `verify` False: what the context leaves out is `check_validity`'s."""

    context: ssl.SSLContext
    server_name: str
    verify: bool


class TlsContexts:
    """A context for every set of options, made once, and anew when a client certificate's files have changed.

    `base`: for what has no options; `ca`: more authorities, a PEM file.
    """

    def __init__(self, base: ssl.SSLContext | None = None, ca: str = "") -> None:
        self._base = base
        self._ca = ca
        self._made: dict[tuple[bool, str, str], tuple[tuple[int, ...], ssl.SSLContext]] = {}

    def handshake(self, options: TlsOptions | None, name: str) -> Handshake:
        """With a backend that the URL calls `name`. Raises ApiConfigurationError for files that cannot be used."""
        if options is None:
            return Handshake(self._context(TlsOptions()), name, True)
        return Handshake(self._context(options), options.server_name or name, options.verify)

    def _context(self, options: TlsOptions) -> ssl.SSLContext:
        if options.verify and not options.certificate:
            if self._base is None:
                self._base = self._new()
            return self._base
        kind = options.verify, options.certificate, options.key
        as_of = _changed(options.certificate, options.key)
        made = self._made.get(kind)
        if made is None or made[0] != as_of:
            made = self._made[kind] = as_of, self._special(options)
        return made[1]

    def _new(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca:
            try:
                context.load_verify_locations(self._ca)
            except (OSError, ssl.SSLError) as error:
                raise ApiConfigurationError(
                    detail=f"backend_ca: {self._ca} cannot be used: {error.strerror or error}"
                ) from error
        return context

    def _special(self, options: TlsOptions) -> ssl.SSLContext:
        context = self._new()
        if not options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if options.certificate:
            try:
                context.load_cert_chain(options.certificate, options.key)
            except (OSError, ssl.SSLError) as error:
                raise ApiConfigurationError(
                    detail=f"backend_certificates: {options.certificate} and {options.key} cannot be used: "
                    f"{error.strerror or error}"
                ) from error
        return context


def _changed(*files: str) -> tuple[int, ...]:
    """When these files were last written; nothing where one can't be looked at, which loading it will say better."""
    try:
        return tuple(Path(file).stat().st_mtime_ns for file in files if file)
    except OSError:
        return ()


class CertificateRefused(ssl.SSLError):
    """The backend's certificate is not valid now."""


def check_validity(certificate: bytes | None, now: datetime | None = None) -> None:
    """Raise CertificateRefused unless `certificate` (DER) is valid at `now`: what OpenSSL skips with all the rest."""
    if not certificate:
        raise CertificateRefused("the backend has shown no certificate")
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        begins, ends = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    except ValueError as error:
        raise CertificateRefused("the backend's certificate cannot be read") from error
    moment = now or datetime.now(UTC)
    if moment < begins:
        raise CertificateRefused("the backend's certificate is not valid yet")
    if moment > ends:
        raise CertificateRefused("the backend's certificate has expired")
