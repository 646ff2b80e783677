"""Signatures that are good for one request only: those that this node has taken, until they are too old for another."""

from __future__ import annotations

from typing import Final

#: What a node's UsedSignatures are kept by (`Access.kept`).
USED: Final = "signatures that were used"
#: How often signatures that are no good any more are forgotten.
_SWEEP_SECONDS: Final = 60


class UsedSignatures:
    """The signatures that were used and could be used again.

    Where there are more than `most`, the one that was used first is forgotten: nobody without a key can cause that.
    """

    def __init__(self, most: int = 1_000_000) -> None:
        self._most = most
        self._until: dict[str, float] = {}
        self._swept = 0.0

    def first(self, signature: str, until: float, now: float) -> bool:
        """Whether `signature`, which is good until `until`, was not used yet; from now on it was. Epoch seconds."""
        if signature in self._until:
            return False
        if now >= self._swept + _SWEEP_SECONDS:
            self._swept = now
            self._until = {known: end for known, end in self._until.items() if end >= now}
        elif len(self._until) >= self._most:
            del self._until[next(iter(self._until))]
        self._until[signature] = until
        return True
