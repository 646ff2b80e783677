"""Whether it is safe to listen where the settings say."""

from __future__ import annotations

from wsgw.authorizers.management import is_loopback
from wsgw.edge.aiohttp_door import STRICT_PARSER
from wsgw.edge.listeners import addresses
from wsgw.settings import Settings


class NotSafe(Exception):
    """Serving would let anybody on the network do what is not theirs to do; the text says what to change."""


def check_safe(settings: Settings, *, guarded: bool) -> None:
    """Raise NotSafe for settings that must not be served. guarded: not everybody may push to connections."""
    for address in addresses(settings):
        local = address.host == "localhost" or is_loopback(address.host)
        if not guarded and not settings.insecure and not local:
            raise NotSafe(
                f"listening on {address.host} without access keys or management tokens would let anybody who "
                "reaches it push to connections: configure accessKeys or management_tokens, or give --insecure"
            )
        if address.secure and not settings.tls_cert:
            raise NotSafe(f"listening on {address.url} needs a certificate: give tls_cert and tls_key")
    if (settings.tls_key or settings.tls_certificates) and not settings.tls_cert:
        raise NotSafe("tls_key or tls_certificates without tls_cert would serve without TLS: give tls_cert, too")
    if not STRICT_PARSER:
        raise NotSafe(
            "aiohttp runs without its parser in C, and the one in Python is too lenient with requests that can be "
            "read in two ways: unset AIOHTTP_NO_EXTENSIONS, or install aiohttp from a wheel"
        )
