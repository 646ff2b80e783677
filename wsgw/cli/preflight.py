"""Files that settings name, tried before anything is opened: what is wrong is said with the setting's name."""

from __future__ import annotations

import ssl
from pathlib import Path

from wsgw.settings import Settings


def unusable_files(settings: Settings) -> list[str]:
    """A line for each setting whose file cannot be used."""
    return [fault for fault in (_tls(settings.tls_cert, settings.tls_key), _access_log(settings.access_log)) if fault]


def _access_log(name: str) -> str:
    if name in ("", "-"):
        return ""
    try:
        Path(name).open("ab").close()
    except OSError as error:
        return f"access_log: {name} cannot be written: {error.strerror}"
    return ""


def _tls(cert: str, key: str) -> str:
    if not cert:
        return ""
    texts: dict[str, bytes] = {}
    for setting, name in (("tls_cert", cert), ("tls_key", key or cert)):
        try:
            texts[setting] = Path(name).read_bytes()
        except OSError as error:
            return f"{setting}: {name} cannot be read: {error.strerror}"
    if b"CERTIFICATE-----" not in texts["tls_cert"]:
        return f"tls_cert: {cert} holds no certificate in PEM form"
    if b"PRIVATE KEY-----" not in texts["tls_key"]:
        return f"tls_key: {key} holds no private key in PEM form" if key else _NO_KEY.format(cert)
    try:
        # An encrypted key would be asked for at the terminal: there may be none.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key or None, password="")
    except (ssl.SSLError, ValueError) as error:
        if b"ENCRYPTED" in texts["tls_key"]:
            return f"tls_key: {key or cert} is encrypted; write it without a passphrase: openssl pkey -in … -out …"
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            return f"tls_key: {key or cert} is not the key of the first certificate in {cert}"
        return f"tls_cert, tls_key: {getattr(error, 'reason', None) or error}"
    return ""


_NO_KEY = "tls_key: {} holds no private key: name the file that does"
