"""One token bucket of this process: what MemoryThrottle keeps by key, and what belongs to one connection."""

from __future__ import annotations

from wsgw.definitions.access import ThrottleSettings


class Bucket:
    """One token bucket, full when it is made. Times are seconds of a clock that never goes back."""

    __slots__ = ("as_of", "full_at", "tokens")

    def __init__(self, limit: ThrottleSettings, now: float) -> None:
        self.tokens = float(limit.burst_limit)
        self.as_of = self.full_at = now

    def take(self, limit: ThrottleSettings, now: float) -> bool:
        """Take one token; False if there is none left."""
        burst, rate = limit.burst_limit, limit.rate_limit
        tokens = self.tokens + (now - self.as_of) * rate
        if tokens > burst:
            tokens = burst
        allowed = tokens >= 1
        if allowed:
            tokens -= 1
        self.tokens = tokens
        self.as_of = now
        self.full_at = now + (burst - tokens) / rate if rate > 0 else float("inf")
        return allowed
