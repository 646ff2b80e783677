"""Custom domain names: which host has which mappings, and which mapping a path takes.

Source: developer guide, "Use API mappings to connect API stages to a custom domain name" and "Wildcard custom domain
names".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from wsgw.definitions.api import ApiMapping, DomainName

_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")


class Mapped(NamedTuple):
    """Where a path of a domain name leads: `stage` of the API, `rest` behind it without its leading slash.

    `prefix` is what stands before the rest: the base path, and the stage where the path says it; "" or with a slash.
    """

    api_id: str
    stage: str
    rest: str
    base_path: str
    prefix: str


class LiveDomain:
    """One domain name, ready to look paths up. `truststore`: who calls must show a certificate that it vouches for."""

    __slots__ = ("_deepest", "_mappings", "truststore")

    def __init__(self, domain: DomainName) -> None:
        self.truststore = domain.truststore
        self._mappings = {mapping.key.strip("/"): mapping for mapping in domain.mappings}
        self._deepest = max((key.count("/") + 1 for key in self._mappings if key), default=0)

    def find(self, path: str) -> Mapped | None:
        """Where the raw `path` leads: to the mapping with the longest key, by whole segments."""
        segments = path[1:].split("/")
        for depth in range(min(self._deepest, len(segments)), -1, -1):
            key = "/".join(segments[:depth])
            mapping = self._mappings.get(key)
            if mapping is not None:
                return _mapped(mapping, key, "/".join(segments[depth:]))
        return None


def _mapped(mapping: ApiMapping, key: str, rest: str) -> Mapped:
    prefix = f"/{key}" if key else ""
    stage = mapping.stage
    if not stage:
        stage, _, rest = rest.partition("/")
        prefix = f"{prefix}/{stage}"
    return Mapped(mapping.api_id, stage, rest, key, prefix)


class Domains:
    """All domain names that are served; an exact name goes before a wildcard, which stands for one label."""

    __slots__ = ("_exact", "_wildcards")

    def __init__(self, names: Iterable[DomainName] = ()) -> None:
        self._exact: dict[str, LiveDomain] = {}
        self._wildcards: dict[str, LiveDomain] = {}
        for domain in names:
            name = domain.name.lower().rstrip(".")
            if name.startswith("*."):
                self._wildcards[name[2:]] = LiveDomain(domain)
            else:
                self._exact[name] = LiveDomain(domain)

    @property
    def any_is_mutual(self) -> bool:
        """Some name asks for clients' certificates."""
        return any(domain.truststore is not None for domain in (*self._exact.values(), *self._wildcards.values()))

    def __bool__(self) -> bool:
        return bool(self._exact or self._wildcards)

    def find(self, host: str) -> LiveDomain | None:
        """The domain name that `host`, as in a Host header but in lower case, is of."""
        name = bare(host)
        found = self._exact.get(name)
        if found is not None or not self._wildcards:
            return found
        label, _, rest = name.partition(".")
        # It is said on to backends and functions: nothing but a host's name may stand there.
        return self._wildcards.get(rest) if _LABEL.fullmatch(label) else None


def bare(host: str) -> str:
    """`host` without its port and the dot of the root."""
    return host.partition(":")[0].rstrip(".")
