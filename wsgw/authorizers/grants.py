"""What the policies of a principal allow: as much as an action and a resource decide is found out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from wsgw.authorizers.patterns import Context
from wsgw.authorizers.policy import Decision, Names, Outlook, Policy, outlook

#: Of one principal. There may be very many, and callers make up paths.
_MOST_OUTLOOKS: Final = 64
#: What is found out about longer names of resources is not kept.
_LONGEST: Final = 256


def just_one(_resource: str) -> None:
    """Says of a resource that it has no other names."""


class Grants:
    """The policies of one principal or API, or what an authorizer has answered. `most` outlooks are kept."""

    __slots__ = ("_keeps", "_most", "_outlooks", "policies")

    def __init__(self, policies: Sequence[Policy], most: int = _MOST_OUTLOOKS) -> None:
        self.policies = tuple(policies)
        # With variables in them, outlooks would hold more than their names, each its own.
        self._keeps = not any(policy.has_variables for policy in self.policies)
        self._most = most
        self._outlooks: dict[tuple[str, str], Outlook] = {}

    def decide(
        self,
        action: str,
        resource: str,
        facts: Callable[[], Context | Mapping[str, Any]],
        names: Callable[[str], Names | None] = just_one,
    ) -> Decision:
        """What they say about `action` on `resource`. `facts` gives the condition keys, and is asked only if needed.

        names: gives all that `resource` is called, None where that is the only name; the same whenever it is asked.
        """
        found = self._outlooks.get((action, resource))
        if found is None:
            found = self._found(action, resource, names(resource))
        decision, denies, allows = found
        if not denies and not allows:
            return decision
        context = facts()
        return found.decide(context if isinstance(context, Context) else Context(context))

    def _found(self, action: str, resource: str, names: Names | None) -> Outlook:
        found = outlook(self.policies, action, resource, names)
        if self._keeps and len(resource) <= _LONGEST:
            if len(self._outlooks) >= self._most:
                del self._outlooks[next(iter(self._outlooks))]
            self._outlooks[action, resource] = found
        return found
