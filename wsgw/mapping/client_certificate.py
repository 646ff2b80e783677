"""What `$context.identity.clientCert` and events say of the certificate that a client has shown in mutual TLS.

Source: developer guide, "Configuring mutual TLS authentication" and the events that it shows.
"""

from __future__ import annotations

import ssl
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=1_024)
def _facts(der: bytes) -> tuple[str, str, str, str, str, str]:
    # Only who asks for mutual TLS waits for the library.
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    serial = f"{certificate.serial_number:x}"
    octets = serial.zfill(len(serial) + len(serial) % 2)
    return (
        ssl.DER_cert_to_PEM_cert(der),
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        ":".join(octets[at : at + 2] for at in range(0, len(octets), 2)),
        _time(certificate.not_valid_before_utc),
        _time(certificate.not_valid_after_utc),
    )


def _time(moment: datetime) -> str:
    """`May 28 12:30:02 2019 GMT`, a day of one digit after two blanks."""
    return f"{_MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S} {moment.year} GMT"


def client_certificate(der: bytes) -> dict[str, Any]:
    """The `clientCert` object of a certificate, a new one. Raises ValueError for bytes that are none."""
    pem, subject, issuer, serial, not_before, not_after = _facts(der)
    return {
        "clientCertPem": pem,
        "subjectDN": subject,
        "issuerDN": issuer,
        "serialNumber": serial,
        "validity": {"notBefore": not_before, "notAfter": not_after},
    }
