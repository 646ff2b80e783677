"""What web ACLs have learnt and deployments leave alone: counts of rate-based rules, tallies, the file of countries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from weakref import WeakValueDictionary

from wsgw.firewall.countries import Countries, countries, stamp
from wsgw.firewall.rates import Rate, share_all
from wsgw.firewall.samples import Tally
from wsgw.stores.base import Quota

#: Seconds between two times that nodes tell each other what they have counted.
_SHARE = 1.0


class Firewalls:
    """One for each node. `now` gives epoch seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        # Held by the stages that use them: what no stage counts any more is forgotten.
        self._rates: WeakValueDictionary[tuple[str, int, int], Rate] = WeakValueDictionary()
        self._tallies: dict[tuple[str, str, str], Tally] = {}
        self._countries: tuple[tuple[str, int, int], Countries] | None = None
        self._sharing: asyncio.Task[None] | None = None
        self._share_at = 0.0

    def rate(self, name: str, limit: int, window: int) -> Rate:
        """The counts of a rule, the same object for the same rule as long as a stage uses it."""
        key = (name, limit, window)
        found = self._rates.get(key)
        if found is None:
            found = self._rates[key] = Rate(f"{name}/{window}", limit, window, self._now)
        return found

    def tally(self, api_id: str, stage: str, rule: str) -> Tally:
        """The tally of a rule, the same object for the same names."""
        key = (api_id, stage, rule)
        if key not in self._tallies:
            self._tallies[key] = Tally(*key)
        return self._tallies[key]

    def countries(self, file: str) -> Countries:
        """What `file` knows, opened anew where it has changed. Raises ValueError."""
        version = stamp(file)
        if self._countries is None or self._countries[0] != version:
            self._countries = (version, countries(file))
        return self._countries[1]

    def sweep(self, quota: Quota, begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """Have nodes tell each other what they have counted, once a second. Called some times a second."""
        now = self._now()
        due = not self._share_at - _SHARE <= now < self._share_at
        if not due or not self._rates or (self._sharing is not None and not self._sharing.done()):
            return
        self._share_at = now + _SHARE
        self._sharing = begin(share_all(list(self._rates.values()), quota))

    def tallies(self) -> Iterable[tuple[tuple[str, str, str, str], float]]:
        """How often each rule has done what: (api, stage, rule, action) and the number."""
        for tally in self._tallies.values():
            named = (tally.api_id, tally.stage, tally.rule)
            for action, number in (("allow", tally.allowed), ("block", tally.blocked), ("count", tally.counted)):
                if number:
                    yield (*named, action), number
