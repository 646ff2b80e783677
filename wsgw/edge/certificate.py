"""One certificate of the data plane: read from its PEM files, with the host names that it is for.

With a truststore beside it, clients are asked for a certificate of their own (mutual TLS). Who shows none is let in
here and refused above, where there are words for it; who shows one that nobody vouches for fails the handshake.
"""

from __future__ import annotations

import ssl
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509

from wsgw.caller import ClientCertificate
from wsgw.observe import metrics

_EXPLAINED = {
    "KEY_VALUES_MISMATCH": "{key} is not the key of the first certificate in {cert}",
    "ENCRYPTED": "{key} is encrypted; write it without a passphrase: openssl pkey -in … -out …",
}


class Unusable(ValueError):
    """Files give no certificate to serve with. `at` is the one at fault: "cert", "key", "truststore", or "" for any."""

    def __init__(self, at: str, text: str) -> None:
        super().__init__(text)
        self.at = at


class Pair(NamedTuple):
    """Names of PEM files: the chain, the host's own certificate first, and its private key.

    `truststore`: the authorities that sign clients' certificates; "" asks for none.
    """

    cert: str
    key: str
    truststore: str = ""

    def stamps(self) -> tuple[tuple[int, int, int, int] | None, ...]:
        """What changes when either file is written or replaced, or a symbolic link on the way to it is."""
        stamps: list[tuple[int, int, int, int] | None] = []
        for name in filter(None, self):
            try:
                stat = Path(name).stat()
                stamps.append((stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_dev))
            except OSError:
                stamps.append(None)
        return tuple(stamps)


class Certificate(NamedTuple):
    """A certificate to serve with. `names`: its DNS names in lower case; `not_after`: seconds of the epoch."""

    context: Context
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


class Context(ssl.SSLContext):
    """What one certificate is served with, and who vouches for clients.

    `vouched` has the fingerprints of clients' certificates that were verified here in a whole handshake: a resumed one
    (RFC 8446 §2.2) may have begun under another name, with another truststore.
    """

    truststore: str = ""
    vouched: set[bytes]


def server_context(pair: Pair) -> Context:
    """TLS 1.2 and later, with Python's choice of ciphers. Raises OSError (ssl.SSLError is one) and ValueError."""
    context = Context(ssl.PROTOCOL_TLS_SERVER)
    context.vouched = set()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client that renegotiates makes the server work for nothing; TLS 1.3 has dropped it.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = Handshake
    # An encrypted key would be asked for at the terminal: there may be none.
    context.load_cert_chain(pair.cert, pair.key, password="")
    if pair.truststore:
        context.truststore = pair.truststore
        context.load_verify_locations(pair.truststore)
        ask_for_certificates(context)
    return context


def ask_for_certificates(context: ssl.SSLContext, asks: bool = True) -> None:
    """Ask clients for a certificate from now on, or don't.

    OpenSSL takes this from the context that a handshake begins with; whom it then trusts, from the one that the host's
    name has chosen.
    """
    context.verify_mode = ssl.CERT_OPTIONAL if asks else ssl.CERT_NONE
    # A ticket of one name would be good for another, whose truststore its holder has never met.
    context.num_tickets = 0 if asks else 2
    if asks:
        context.options |= ssl.OP_NO_TICKET
    else:
        context.options &= ~ssl.OP_NO_TICKET


def read_certificate(pair: Pair) -> Certificate:
    """The certificate in these files. Raises Unusable with the reason, in words for whoever wrote them."""
    texts = {}
    for at, name in zip(("cert", "key", "truststore"), pair, strict=True):
        if not name:
            continue
        try:
            texts[at] = Path(name).read_bytes()
        except OSError as error:
            raise Unusable(at, f"{name} cannot be read: {error.strerror}") from error
    if b"CERTIFICATE-----" not in texts["cert"]:
        raise Unusable("cert", f"{pair.cert} holds no certificate in PEM form")
    if b"PRIVATE KEY-----" not in texts["key"]:
        elsewhere = ": name the file that does" if pair.key == pair.cert else ""
        raise Unusable("key", f"{pair.key} holds no private key in PEM form{elsewhere}")
    if pair.truststore and b"CERTIFICATE-----" not in texts["truststore"]:
        raise Unusable("truststore", f"{pair.truststore} holds no certificate in PEM form")
    try:
        context = server_context(pair)
        leaf = x509.load_pem_x509_certificate(texts["cert"])
        return Certificate(context, _dns_names(leaf), _subject(leaf), leaf.not_valid_after_utc.timestamp())
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        explained = _EXPLAINED.get("ENCRYPTED" if b"ENCRYPTED" in texts["key"] else reason)
        if explained is None:
            raise Unusable("", f"{', '.join(dict.fromkeys(filter(None, pair)))}: {reason}") from error
        raise Unusable("key", explained.format(**pair._asdict())) from error


#: How many fingerprints are remembered for each truststore.
_MOST_VOUCHED = 4_096


def vouched_for(tls: ssl.SSLObject) -> ClientCertificate | None:
    """The certificate that the client at the other end of `tls` has shown, if the host asked for one."""
    context = tls.context
    if not isinstance(context, Context) or not context.truststore:
        return None
    der = tls.getpeercert(binary_form=True)
    if der is None:
        return None
    fingerprint = sha256(der).digest()
    if tls.session_reused:
        return ClientCertificate(der, context.truststore) if fingerprint in context.vouched else None
    if len(context.vouched) >= _MOST_VOUCHED:
        context.vouched.clear()
    context.vouched.add(fingerprint)
    return ClientCertificate(der, context.truststore)


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
