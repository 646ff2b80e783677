"""A MaxMind DB file with the countries that a test wants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mmdb_writer
import netaddr


def write_countries(file: Path, networks: Mapping[str, str], *, member: str = "country") -> Path:
    """`networks`: the country of each. Written beside and moved into place, as operators are told to."""
    writer = mmdb_writer.MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-Country")
    for network, code in networks.items():
        writer.insert_network(netaddr.IPSet([network]), {member: {"iso_code": code}})
    beside = file.with_suffix(".new")
    writer.to_db_file(str(beside))
    return beside.rename(file)
