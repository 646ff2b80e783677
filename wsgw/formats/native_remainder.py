"""What is left of an API of a native file without the members whose shape is wrong, so that the rest is looked at, too.

One slip should not hide the others until it is mended. The rest is for findings alone: a file with an error is neither
served nor stored.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from wsgw.definitions.finding import Finding, Path

# Other parts of the API lead to them: without one, there would be findings about what does lead there.
_NAMED = frozenset({"models", "requestValidators", "stages"})
_NEEDED = frozenset({"protocol", "routes"})


def remainder(api: Any, faults: Iterable[Finding], depth: int) -> dict[str, Any] | None:
    """`api` without the routes and members that `faults` are about, or None where too little is left to look at.

    depth: how many parts of a fault's path lead to the API
    """
    if not isinstance(api, dict):
        return None
    rest: dict[str, Any] = copy.deepcopy(api)
    for path in {fault.path[depth:] for fault in faults}:
        if not path or not _taken_out(rest, path):
            return None
    return rest if rest.get("routes") else None


def _taken_out(api: dict[str, Any], path: Path) -> bool:
    member, *inner = path
    if member == "routes" and inner:
        _take_route(api, inner[0])
    elif member == "stages" and len(inner) > 1:
        stage = api["stages"].get(inner[0])
        if not isinstance(stage, dict):
            return False
        if inner[1] == "variables" and len(inner) > 2:
            stage["variables"][inner[2]] = ""
        else:
            stage.pop(inner[1], None)
    elif member == "authorizers" and inner:
        return _take_authorizer(api, inner[0])
    elif member in _NEEDED or (member in _NAMED and member in api):
        return False
    else:
        api.pop(str(member), None)
    return True


def _take_route(api: dict[str, Any], key: str | int) -> None:
    api["routes"].pop(key, None)
    stages = api.get("stages")
    for stage in stages.values() if isinstance(stages, dict) else ():
        for settings in ("methodSettings", "routeSettings"):
            if isinstance(stage, dict) and isinstance(stage.get(settings), dict):
                stage[settings].pop(key, None)


def _take_authorizer(api: dict[str, Any], name: str | int) -> bool:
    """Take it out of the routes that name it, too: that there is none of this name would be no news."""
    authorizers, routes = api.get("authorizers"), api.get("routes")
    if not isinstance(authorizers, dict) or not isinstance(routes, dict) or api.get("protocol") == "WEBSOCKET":
        return False  # of a WebSocket API, stages have members that nobody could look at without it
    authorizers.pop(name, None)
    for route in routes.values():
        if isinstance(route, dict) and name in (route.get("authorizer"), route.get("authorizerId")):
            for member in ("authorizer", "authorizerId", "authorizationType", "authorizationScopes"):
                route.pop(member, None)
    return True
