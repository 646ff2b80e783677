"""What is said of a client's certificate. Source: developer guide, "Configuring mutual TLS authentication"."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.mapping.request_samples import request
from wsgw.caller import ClientCertificate
from wsgw.integrations.http_events import events_of_2_0
from wsgw.integrations.rest_events import identity
from wsgw.invocation import HttpInvocation
from wsgw.mapping.client_certificate import client_certificate
from wsgw.mapping.request_variables import request_context
from wsgw.mapping.variables import context_reader


def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


@pytest.fixture(scope="module")
def der() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(name((NameOID.ORGANIZATION_NAME, "Pets"), (NameOID.COMMON_NAME, "client, one")))
        .issuer_name(name((NameOID.COMMON_NAME, "authority")))
        .public_key(key.public_key())
        .serial_number(0xABC)
        .not_valid_before(datetime(2026, 5, 8, 12, 30, 2, tzinfo=UTC))
        .not_valid_after(datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.DER)


@pytest.fixture
def shown(der: bytes) -> HttpInvocation:
    one = request()
    one.caller.certificate = ClientCertificate(der, "truststore.pem")
    return one


def test_its_members(der: bytes) -> None:
    assert client_certificate(der) == {
        "clientCertPem": ssl.DER_cert_to_PEM_cert(der),
        "subjectDN": "CN=client\\, one,O=Pets",
        "issuerDN": "CN=authority",
        "serialNumber": "0a:bc",
        "validity": {"notBefore": "May  8 12:30:02 2026 GMT", "notAfter": "Dec 31 23:59:59 2027 GMT"},
    }


def test_bytes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="asn1"):
        client_certificate(b"no certificate")


VARIABLES = [
    ("subjectDN", "CN=client\\, one,O=Pets"),
    ("issuerDN", "CN=authority"),
    ("serialNumber", "0a:bc"),
    ("validity.notBefore", "May  8 12:30:02 2026 GMT"),
    ("validity.notAfter", "Dec 31 23:59:59 2027 GMT"),
]


@pytest.mark.parametrize(("variable", "value"), VARIABLES)
def test_each_is_a_variable(shown: HttpInvocation, variable: str, value: str) -> None:
    assert context_reader(f"identity.clientCert.{variable}", "REST")(shown) == value
    assert context_reader(f"identity.clientCert.{variable}", "HTTP")(shown) == value
    assert context_reader(f"identity.clientCert.{variable}", "REST")(request()) is None


def test_templates_and_events_have_them(shown: HttpInvocation, der: bytes) -> None:
    assert request_context(shown)["identity"]["clientCert"] == client_certificate(der)
    assert identity(shown)["clientCert"] == client_certificate(der)
    event = events_of_2_0("1")(shown)
    assert event["requestContext"]["authentication"] == {"clientCert": client_certificate(der)}
    assert "authentication" not in events_of_2_0("1")(request())["requestContext"]
    assert "clientCert" not in identity(request())
