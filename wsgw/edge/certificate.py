"""One certificate of the data plane: read from its PEM files, with the host names that it is for."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509

from wsgw.observe import metrics

_EXPLAINED = {
    "KEY_VALUES_MISMATCH": "{key} is not the key of the first certificate in {cert}",
    "ENCRYPTED": "{key} is encrypted; write it without a passphrase: openssl pkey -in … -out …",
}


class Unusable(ValueError):
    """A pair of files gives no certificate to serve with. `at` is the file at fault: "cert", "key", or "" for both."""

    def __init__(self, at: str, text: str) -> None:
        super().__init__(text)
        self.at = at


class Pair(NamedTuple):
    """Names of two PEM files: the chain, the host's own certificate first, and its private key."""

    cert: str
    key: str

    def stamps(self) -> tuple[tuple[int, int, int, int] | None, ...]:
        """What changes when either file is written or replaced, or a symbolic link on the way to it is."""
        stamps: list[tuple[int, int, int, int] | None] = []
        for name in self:
            try:
                stat = Path(name).stat()
                stamps.append((stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_dev))
            except OSError:
                stamps.append(None)
        return tuple(stamps)


class Certificate(NamedTuple):
    """A certificate to serve with. `names`: its DNS names in lower case; `not_after`: seconds of the epoch."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    subject: str
    not_after: float


class Handshake(ssl.SSLObject):
    """One connection's TLS. A handshake that fails is counted, not logged: anybody can make any number of them."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            metrics.count("tls_handshake_failed")
            raise


def server_context(pair: Pair) -> ssl.SSLContext:
    """TLS 1.2 and later, with Python's choice of ciphers. Raises OSError (ssl.SSLError is one) and ValueError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client that renegotiates makes the server work for nothing; TLS 1.3 has dropped it.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = Handshake
    # An encrypted key would be asked for at the terminal: there may be none.
    context.load_cert_chain(pair.cert, pair.key, password="")
    return context


def read_certificate(pair: Pair) -> Certificate:
    """The certificate in these files. Raises Unusable with the reason, in words for whoever wrote them."""
    texts = {}
    for at, name in zip(("cert", "key"), pair, strict=True):
        try:
            texts[at] = Path(name).read_bytes()
        except OSError as error:
            raise Unusable(at, f"{name} cannot be read: {error.strerror}") from error
    if b"CERTIFICATE-----" not in texts["cert"]:
        raise Unusable("cert", f"{pair.cert} holds no certificate in PEM form")
    if b"PRIVATE KEY-----" not in texts["key"]:
        elsewhere = ": name the file that does" if pair.key == pair.cert else ""
        raise Unusable("key", f"{pair.key} holds no private key in PEM form{elsewhere}")
    try:
        context = server_context(pair)
        leaf = x509.load_pem_x509_certificate(texts["cert"])
        return Certificate(context, _dns_names(leaf), _subject(leaf), leaf.not_valid_after_utc.timestamp())
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        explained = _EXPLAINED.get("ENCRYPTED" if b"ENCRYPTED" in texts["key"] else reason)
        if explained is None:
            raise Unusable("", f"{', '.join(dict.fromkeys(pair))}: {reason}") from error
        raise Unusable("key", explained.format(**pair._asdict())) from error


def _dns_names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The names of hosts in its subjectAltName. The subject's common name is none (RFC 9525 §2)."""
    names: Any = ()
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
    except (x509.ExtensionNotFound, ValueError):
        pass  # None, or not written as it should be: it still serves whoever asks for no name.
    return tuple(dict.fromkeys(name.lower().rstrip(".") for name in names))


def _subject(leaf: x509.Certificate) -> str:
    try:
        return leaf.subject.rfc4514_string()
    except ValueError:
        return ""
