"""A certificate authority of a test's own, and clients that see which of its certificates a server shows them."""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from cryptography import x509

WAIT = 10


class Files(NamedTuple):
    """A certificate and its key, as files."""

    cert: Path
    key: Path

    def __str__(self) -> str:
        return f"{self.cert}:{self.key}"

    @property
    def settings(self) -> dict[str, Any]:
        return {"tls_cert": str(self.cert), "tls_key": str(self.key)}


class Shown(NamedTuple):
    """What a server answered a handshake with."""

    names: tuple[str, ...]
    version: str
    alpn: str | None
    serial: int


class Issuer:
    """Issues certificates into `directory`. A client with the context `trusting` believes any of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = trustme.CA()
        self.trusting = self.client()

    def client(self) -> ssl.SSLContext:
        """Another such context, the caller's to change."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        context.check_hostname = False
        return context

    def issue(
        self, *names: str, into: Files | None = None, expired: datetime | None = None, common_name: str | None = None
    ) -> Files:
        """A new certificate for `names`, in new files, or over those of another, key first."""
        made = self._authority.issue_cert(*names, not_after=expired, common_name=common_name)
        number = len(list(self._directory.glob("*.key")))
        files = into or Files(self._directory / f"{number}.pem", self._directory / f"{number}.key")
        files.key.write_bytes(made.private_key_pem.bytes())
        files.cert.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        return files

    async def shown(self, url: str, server_name: str | None = None, tls: ssl.SSLContext | None = None) -> Shown:
        """The certificate that a client gets at `url` who asks for `server_name`. Raises OSError, also ssl.SSLError."""
        host, _, port = url.partition("://")[2].rpartition(":")
        opened = asyncio.open_connection(
            host.strip("[]"), int(port), ssl=tls or self.trusting, server_hostname=server_name or ""
        )
        _, writer = await asyncio.wait_for(opened, WAIT)
        try:
            return shown_to(writer)
        finally:
            writer.transport.abort()


def shown_to(writer: asyncio.StreamWriter) -> Shown:
    """The certificate that was shown on this connection."""
    connection = writer.get_extra_info("ssl_object")
    leaf = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True))
    alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = tuple(alternatives.get_values_for_type(x509.DNSName))
    return Shown(names, connection.version(), connection.selected_alpn_protocol(), leaf.serial_number)
