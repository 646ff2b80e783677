"""What the registry counts, for the metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Since the process began.

    takeovers: books of dead nodes that came to this one; fenced: how often others held this node for dead;
    resyncs: how often it wrote its book anew; garbage: values that were no records; entered_late: connections that
    opened before they were in the registry.
    """

    takeovers: int = 0
    fenced: int = 0
    resyncs: int = 0
    garbage: int = 0
    entered_late: int = 0
