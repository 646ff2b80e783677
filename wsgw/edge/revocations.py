"""Revocations and endings as documents: what is stored of them, and what operators see.

Source: ours; docs/decisions/0016.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

log = logging.getLogger("wsgw.authority")

#: What nodes announce to each other when something was revoked, or a principal's connections are to end.
TOPIC: Final = "revocations"
REVOCATION: Final = "revocation"
ENDING: Final = "principalEnding"
#: `until` of a revocation that was lifted.
LIFTED: Final = 0.0

#: API, stage and principal of an ending. Its document is named by them, in JSON.
Whose = tuple[str, str, str]


class Revocation(msgspec.Struct, frozen=True, omit_defaults=True):
    """`until` and `at` in epoch seconds; `until` None: until it is lifted, 0: it was, at `at`."""

    at: float
    until: float | None = None


class Ending(msgspec.Struct, frozen=True, rename="camel"):
    """All connections of a principal that were opened by `at` (epoch seconds) end; api_id and stage "": of any."""

    principal_id: str
    api_id: str
    stage: str
    at: float

    @property
    def whose(self) -> Whose:
        return self.api_id, self.stage, self.principal_id


def name_of(whose: Whose) -> str:
    """The name of an ending's document."""
    return msgspec.json.encode(whose).decode()


def decoded(documents: Mapping[str, bytes], kind: Any) -> dict[str, Any]:
    """Each of `documents` as a `kind`; what is none is said in the log and left out."""
    found = {}
    for name, body in documents.items():
        try:
            found[name] = msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            log.error("the stored document %s cannot be read (%s): revoke it again", name.partition("/")[0], error)
    return found


def described(revocations: Mapping[str, Revocation]) -> Iterable[dict[str, Any]]:
    """`revocations` as the control port lists them."""
    for name, one in sorted(revocations.items()):
        kind, _, what = name.partition("/")
        yield {"kind": kind, "name": what, "at": one.at, "until": one.until}
