"""The country of an address, by a MaxMind DB file that the operator supplies (the extra `wsgw[geo]`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

#: The ISO 3166 code of an address's country; "" where the file does not know it.
Countries = Callable[[str], str]


def countries(file: str) -> Countries:
    """Reads `file`, the setting geo_database. Raises ValueError where that cannot be done."""
    if not file:
        raise ValueError("GeoMatchStatement needs a file of countries: set geo_database to a .mmdb file")
    try:
        import maxminddb
    except ImportError as error:
        raise ValueError("GeoMatchStatement needs a library that is not installed: pip install 'wsgw[geo]'") from error
    try:
        database: Any = maxminddb.open_database(Path(file))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise ValueError(f"geo_database {file!r} cannot be read: {error}") from error

    def country(address: str) -> str:
        try:
            found = database.get(address.partition("%")[0])
        except ValueError:
            # No address, or an IPv6 one in a file of IPv4.
            return ""
        if not isinstance(found, dict):
            return ""
        for member in ("country", "registered_country"):
            code = (found.get(member) or {}).get("iso_code")
            if code:
                return str(code)
        return str(found.get("country_code") or "")

    return country


def stamp(file: str) -> tuple[str, int, int]:
    """What tells two versions of `file` apart: a deployment opens one that has changed anew."""
    try:
        status = Path(file).stat()
    except OSError:
        return (file, 0, 0)
    return (file, status.st_mtime_ns, status.st_ino)
