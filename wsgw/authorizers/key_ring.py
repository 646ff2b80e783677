"""The API keys in force, by their values, and what the usage plans of each let it do on which stage.

A key is found by one look-up in a dict: by a hash that is seeded for each process, so that how long it takes tells
nothing of how much of a value is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wsgw.caller import CallerKey
from wsgw.definitions.access import ThrottleSettings, in_force
from wsgw.definitions.usage import ApiKey, QuotaSettings, UsagePlan

#: A stage, by the id of its API and its own name.
Where = tuple[str, str]


class Allowance(NamedTuple):
    """What a usage plan gives each of its keys on one stage; `methods` are limits by route key.

    Throttle and quota of a plan count what a key does on all of the plan's stages.
    """

    plan: str
    throttle: ThrottleSettings | None
    methods: Mapping[str, ThrottleSettings]
    quota: QuotaSettings | None


class HeldKey(NamedTuple):
    """A key in force. Keys of the same plans share one `stages`."""

    key: CallerKey
    stages: Mapping[Where, Allowance]


class KeyRing:
    """All keys that are enabled. It never changes: another one takes its place.

    A key that several plans have on one stage is under the first of them; who defines it so is told (check_usage).
    What a key may do is put together when it is first asked for: another ring of many keys must hold up nobody.
    """

    def __init__(self, keys: Iterable[ApiKey] = (), plans: Iterable[UsagePlan] = ()) -> None:
        self._keys = {key.value: key for key in keys if key.enabled}
        self._stages: list[dict[Where, Allowance]] = []
        self._plans: dict[str, tuple[int, ...]] = {}  # numbers of plans by key id
        for number, plan in enumerate(plans):
            self._stages.append(_allowances(plan))
            added: dict[str, tuple[int, ...]] = dict.fromkeys(plan.keys, (number,))
            for key_id in self._plans.keys() & added.keys():
                added[key_id] = (*self._plans[key_id], number)
            self._plans.update(added)
        self._merged: dict[tuple[int, ...], Mapping[Where, Allowance]] = {}
        self._held: dict[str, HeldKey] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, value: str) -> HeldKey | None:
        """The key whose value is `value`, None if there is none, or it is disabled."""
        held = self._held.get(value)
        if held is not None:
            return held
        key = self._keys.get(value)
        if key is None:
            return None
        held = self._held[value] = HeldKey(CallerKey(key.id, value), self._stages_of(self._plans.get(key.id, ())))
        return held

    def _stages_of(self, plans: tuple[int, ...]) -> Mapping[Where, Allowance]:
        if plans not in self._merged:
            self._merged[plans] = {
                where: one for number in reversed(plans) for where, one in self._stages[number].items()
            }
        return self._merged[plans]


def _allowances(plan: UsagePlan) -> dict[Where, Allowance]:
    return {
        (stage.api_id, stage.stage): Allowance(
            plan.id,
            in_force(plan.throttle),
            {key: limit for key, settings in stage.throttle.items() if (limit := in_force(settings))},
            plan.quota,
        )
        for stage in plan.stages
    }
