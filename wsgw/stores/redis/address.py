"""The setting `redis` taken apart: which kind of Redis, where, and as whom."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

SINGLE, SENTINEL, CLUSTER = "single", "sentinel", "cluster"

_DEFAULT_PORTS = {SINGLE: 6379, SENTINEL: 26379, CLUSTER: 6379}


class Address(NamedTuple):
    """A host, or an IP address (IPv6 without brackets), and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Target(NamedTuple):
    """What the URL says. `addresses` are those of the Redis, of its Sentinels, or of some nodes of the cluster."""

    kind: str
    addresses: tuple[Address, ...]
    user: str | None
    password: str | None
    service: str
    db: int
    tls: bool


def parse(url: str, password: str = "") -> Target:
    """The parts of `url`; `password` counts where the URL has none. Raises ValueError, whose text shows no password."""
    scheme, _, rest = url.partition("://")
    base, _, suffix = scheme.partition("+")
    if base not in ("redis", "rediss", "valkey", "valkeys") or suffix not in ("", SENTINEL, CLUSTER):
        raise ValueError(f"{scheme}:// is no scheme of a Redis; write redis://127.0.0.1:6379/0")
    kind = suffix or SINGLE
    authority, _, path = rest.partition("/")
    login, _, hosts = authority.rpartition("@")
    user, _, inline = login.partition(":")
    if "@" in path:
        raise ValueError(
            "a password does not belong in the URL: set redis_password (or write / in it as %2F, @ as %40)"
        )
    words = [unquote(word) for word in path.split("/") if word]
    service = ""
    if kind == SENTINEL:
        if not words:
            raise ValueError("the URL names no service; write redis+sentinel://HOST:26379,HOST:26379/mymaster")
        service = words.pop(0)
    db = words.pop(0) if words else "0"
    if words or not re.fullmatch(r"\d{1,5}", db):
        raise ValueError(f"{'/'.join((db, *words))!r} is no number of a database; write …/0")
    if kind == CLUSTER and db != "0":
        raise ValueError("a Redis Cluster has database 0 only; leave the number away")
    return Target(
        kind,
        tuple(_address(host, _DEFAULT_PORTS[kind]) for host in hosts.split(",")),
        unquote(user) or None,
        unquote(inline) or password or None,
        service,
        int(db),
        base in ("rediss", "valkeys"),
    )


def _address(text: str, default_port: int) -> Address:
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:\[\]]+))(?::(\d{1,5}))?", text)
    if match is None or int(match[3] or 0) > 65535:
        # After the colon may stand the password of a URL whose @ was forgotten.
        shown = re.sub(r":(?!\d+$).*", ":…", text)
        raise ValueError(f"{shown!r} is no address of a Redis; write HOST:PORT, IPv6 in []")
    six, host, port = match.groups()
    return Address(six or host, int(port) if port else default_port)
