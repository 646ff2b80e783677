"""What a resource policy speaks of that no request here is about: actions nobody asks for, keys nobody has.

Such a policy is sound, and on the service it is taken as well. But a slip in a Deny lets in whoever it was to keep out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from wsgw.authorizers.arns import INVOKE, MANAGE_CONNECTIONS
from wsgw.authorizers.facts import KEYS
from wsgw.authorizers.patterns import Pattern

_ACTIONS: Final = (INVOKE, "execute-api:InvalidateCache", MANAGE_CONNECTIONS)
_TAG: Final = "aws:principaltag/"


def without_effect(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is without effect in a policy that compiles, and what to do about it; each message names its place."""
    given = document.get("Statement")
    for index, statement in enumerate(given if isinstance(given, list) else [given]):
        place = f"Statement[{index}]" if isinstance(given, list) else "Statement"
        name = "Action" if "Action" in statement else "NotAction"
        actions = statement[name] if isinstance(statement[name], list) else [statement[name]]
        for action in actions:
            if not _is_asked_about(action):
                yield f"{place}.{name}: no request is asked about {action}", f"there are: {', '.join(_ACTIONS)}"
        for operator, keys in statement.get("Condition", {}).items():
            for key in keys:
                if key.lower() not in KEYS and not key.lower().startswith(_TAG):
                    message = f"{place}.Condition.{operator}.{key}: no request has this key here: it counts as missing"
                    yield message, _nearest(key)


def _is_asked_about(action: str) -> bool:
    test = Pattern(action, variables=False, fold=True).fixed
    return test is None or any(test(known.lower()) for known in _ACTIONS)


def _nearest(key: str) -> str:
    near = get_close_matches(key.lower(), KEYS, n=1)
    return f"did you mean {KEYS[near[0]]}?" if near else "remove it, or use another one"
