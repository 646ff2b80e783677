"""Addresses and files that settings name, tried before anything is opened: what is wrong is said with the setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from wsgw.settings import Settings
from wsgw.stores.chosen import unusable


def unusable_files(settings: Settings) -> list[str]:
    """A line for each setting that cannot be served with."""
    return [*_addresses(settings), *_tls(settings), *unusable(settings), *_access_log(settings.access_log)]


def _access_log(name: str) -> Iterator[str]:
    if name in ("", "-"):
        return
    try:
        Path(name).open("ab").close()
    except OSError as error:
        yield f"access_log: {name} cannot be written: {error.strerror}"


def _addresses(settings: Settings) -> Iterator[str]:
    from wsgw.edge.listeners import addresses

    found = addresses(settings)
    for address in found[1:]:
        if address.port > 65535:
            yield f"listen: {address.url}: there is no port {address.port}"
        if address.secure and not settings.tls_cert:
            yield f"listen: {address.url} needs a certificate: give --tls-cert and --tls-key, or write http://"
    times = Counter((address.host, address.port) for address in found if address.port)
    for (host, port), count in times.items():
        if count > 1:
            yield f"listen: {host} port {port} is listened on {count} times, counting host and port: name it once"
    control = (settings.control_host, settings.control_port)
    if control in times:
        yield f"control_port: {control[0]} port {control[1]} is the data plane's: choose another, 0 for a free one"


def _tls(settings: Settings) -> Iterator[str]:
    if not settings.tls_cert:
        if settings.tls_key:
            yield "tls_key: a key without its certificate: give --tls-cert, too"
        if settings.tls_certificates:
            yield "tls_certificates: the first certificate, for clients that name no host, is missing: give --tls-cert"
        return
    from wsgw.edge.certificate import Unusable, read_certificate
    from wsgw.edge.tls import pairs

    for number, pair in enumerate(pairs(settings)):
        names = {"cert": "tls_cert", "key": "tls_key", "": "tls_cert, tls_key"}
        try:
            certificate = read_certificate(pair)
        except Unusable as error:
            yield f"{'tls_certificates' if number else names[error.at]}: {error}"
            continue
        if number and not certificate.names:
            yield f"tls_certificates: {pair.cert} names no host, so nobody would get it: give it as --tls-cert"
