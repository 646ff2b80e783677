"""Who was let in once and is not any more: principals, access keys and API keys that were revoked, by name.

Asked by every request that shows a credential, so it is one look-up in memory; edge/authority.py keeps it true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Final

from wsgw.caller import Caller

#: What can be revoked, as `kind/name` says it. An access key's is also what `Principal.credential` says.
KINDS: Final = ("principal", "accessKey", "apiKey")


class Revoked:
    """The revocations in force. `now` gives epoch seconds.

    `until`: by `kind/name`, the epoch second after which it is over; infinity for one without an end. Replaced as a
    whole.
    """

    __slots__ = ("_now", "until")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.until: Mapping[str, float] = {}

    def has(self, name: str) -> bool:
        """Whether `name` (`kind/name`) is revoked now."""
        return self.until.get(name, -inf) > self._now()

    def of(self, caller: Caller) -> str:
        """Which of the caller's names is revoked; "" if none is."""
        if not self.until:
            return ""
        return next(filter(self.has, names_of(caller)), "")


def names_of(caller: Caller) -> Iterator[str]:
    """Every name that a revocation may have for `caller`: of the principal, what it has shown, and its API key."""
    principal = caller.principal
    if principal is not None:
        yield f"principal/{principal.id}"
        if principal.credential:
            yield principal.credential
        if user := principal.identity.get("userArn"):
            yield f"principal/{user}"
    if caller.api_key is not None:
        yield f"apiKey/{caller.api_key.id}"
