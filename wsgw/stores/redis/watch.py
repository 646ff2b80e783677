"""Who is dead: a node whose beat has not changed for a lease, on the clock of whoever watches.

No clock is compared with another's, and none but a monotonic one is asked: a wall clock that jumps kills nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Sighting(NamedTuple):
    """`beat` has stood in `nodes` since `since`; a node that has stopped must have `lease` for its lease."""

    beat: bytes
    since: float
    lease: bytes


class Watch:
    """What this node has seen of the others. `now` is always this process's monotonic clock."""

    def __init__(self, lease_seconds: float, left: bytes) -> None:
        self._lease_seconds = lease_seconds
        self._left = b" " + left
        self._seen: dict[str, Sighting] = {}
        self._not_before = 0.0

    def restart(self, not_before: float) -> None:
        """Forget everything: who seemed to stand still may have been moving where we did not see it."""
        self._seen.clear()
        self._not_before = not_before

    def look(self, beats: Mapping[str, bytes], now: float, asked: float | None = None) -> list[tuple[str, bytes]]:
        """Note the beats of the other nodes; gives who is dead, with the lease that it must have.

        asked: when Redis was asked for them, if not `now`. What passed since then is no silence of theirs: if this
        process stood still over it, so may they.
        """
        judged = now if asked is None else asked
        before, self._seen = self._seen, {}
        dead = []
        for node, beat in beats.items():
            sighting = before.get(node)
            if sighting is None or sighting.beat != beat:
                sighting = Sighting(beat, max(now, self._not_before), beat)
            self._seen[node] = sighting
            has_left = beat.endswith(self._left) and sighting.lease == beat
            if has_left or judged - sighting.since >= self._lease_seconds:
                dead.append((node, sighting.lease))
        return dead

    def alive(self, node: str, lease: bytes, now: float) -> None:
        """`node` seemed dead, but has renewed its lease: only its entry in `nodes` has stood still."""
        sighting = self._seen.get(node)
        if sighting is not None:
            self._seen[node] = Sighting(sighting.beat, now, lease)
