"""What the policies of a principal allow: decisions, each made once as long as it depends on nothing but the route."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from wsgw.authorizers.patterns import Context
from wsgw.authorizers.policy import Decision, Names, Policy, evaluate

#: Of one principal. There may be very many, and callers make up paths.
_MOST_DECISIONS: Final = 64
#: Longer names of resources are decided on each time.
_LONGEST: Final = 256


class Grants:
    """The policies of one principal or API, or what an authorizer has answered. `most` decisions are kept."""

    __slots__ = ("_decisions", "_most", "policies", "uses_context")

    def __init__(self, policies: Sequence[Policy], most: int = _MOST_DECISIONS) -> None:
        self.policies = tuple(policies)
        self.uses_context = any(policy.uses_context for policy in self.policies)
        self._most = most
        self._decisions: dict[tuple[str, str], Decision] = {}

    def decide(
        self,
        action: str,
        resource: str,
        facts: Callable[[], Context | Mapping[str, Any]],
        names: Names | None = None,
    ) -> Decision:
        """What they say about `action` on `resource`. `facts` gives the condition keys, and is asked only if needed.

        names: all that `resource` is called, where that is more than one; the same whenever it is asked for.
        """
        if self.uses_context:
            return evaluate(self.policies, action, resource, facts(), names)
        decision = self._decisions.get((action, resource))
        if decision is None:
            decision = evaluate(self.policies, action, resource, {}, names)
            if len(resource) > _LONGEST:
                return decision
            if len(self._decisions) >= self._most:
                del self._decisions[next(iter(self._decisions))]
            self._decisions[action, resource] = decision
        return decision
