"""Reading a certificate: for which hosts it is, until when, and what is said of files that are none."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtensionOID, NameOID

from tests.harness.gateway import TestClock
from wsgw.edge.certificate import Pair, Unusable, read_certificate, server_context
from wsgw.edge.tls import Certificates, pairs
from wsgw.settings import Settings

LAST_DAY = datetime(2090, 1, 1, tzinfo=UTC)


def write(directory: Path, *extensions: x509.ExtensionType, subject: str = "gw") -> Pair:
    """A certificate that signs itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(LAST_DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    file = directory / "both.pem"
    file.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return Pair(str(file), str(file))


def alternatives(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


NAMES = [
    pytest.param(["gw.example.com"], ("gw.example.com",), id="one"),
    pytest.param(["GW.Example.com"], ("gw.example.com",), id="in capitals"),
    pytest.param(["b.test", "a.test", "b.test"], ("b.test", "a.test"), id="in their order, each once"),
    pytest.param(["*.example.com"], ("*.example.com",), id="a wildcard"),
    pytest.param(["gw.example.com."], ("gw.example.com",), id="with the root's dot"),
]


@pytest.mark.parametrize(("written", "read"), NAMES)
def test_the_hosts_are_the_dns_names(tmp_path: Path, written: Sequence[str], read: tuple[str, ...]):
    assert read_certificate(write(tmp_path, alternatives(*written))).names == read


NO_NAMES = [
    pytest.param((), id="no names at all"),
    pytest.param(
        (x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x04\x82\x02\xff\xfe"),), id="no text"
    ),
    pytest.param((x509.SubjectAlternativeName([x509.RFC822Name("a@gw.example.com")]),), id="a mail address"),
]


@pytest.mark.parametrize("extensions", NO_NAMES)
def test_a_certificate_may_name_no_host_and_its_common_name_is_none(
    tmp_path: Path, extensions: tuple[x509.ExtensionType, ...]
):
    certificate = read_certificate(write(tmp_path, *extensions, subject="gw.example.com"))
    assert certificate.names == ()
    assert certificate.subject == "CN=gw.example.com"
    assert certificate.not_after == LAST_DAY.timestamp()


def test_a_file_with_both_needs_no_key_beside_it(tmp_path: Path):
    both = write(tmp_path, alternatives("gw.example.com"))
    assert pairs(Settings(tls_cert=both.cert)) == [both]
    Certificates(Settings(tls_cert=both.cert), TestClock())


def test_a_context_takes_no_old_version_and_no_renegotiation(tmp_path: Path):
    context = server_context(write(tmp_path))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.verify_mode == ssl.CERT_NONE


def test_what_nobody_foresaw_is_told_with_the_files(tmp_path: Path):
    pair = write(tmp_path)
    lines = Path(pair.cert).read_text().splitlines()
    Path(pair.cert).write_text("\n".join([lines[0], "AAAA", *lines[2:]]))
    with pytest.raises(Unusable, match=rf"^{pair.cert}: ") as unusable:
        read_certificate(pair)
    assert unusable.value.at == ""


def test_only_names_that_are_no_text_are_kept_off_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    for _ in range(2):
        Certificates(Settings(tls_cert=write(tmp_path).cert), TestClock())
    by_ssl = UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range(128)")
    others = [
        SimpleNamespace(exc_value=by_ssl, object=open),
        SimpleNamespace(exc_value=UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), object=b"\xff"),
        SimpleNamespace(exc_value=ValueError(), object=None),
    ]
    for unraisable in (SimpleNamespace(exc_value=by_ssl, object=b"\xff"), *others):
        sys.unraisablehook(unraisable)  # type: ignore[arg-type]
    assert seen == others
