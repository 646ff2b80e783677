"""Where the stages of the served APIs answer, for whoever has just started a gateway and wants to ask it something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from wsgw.definitions.api import Api

#: More than that tell a reader nothing.
MOST = 10


def addresses(data: str, apis: Iterable[Api]) -> list[str]:
    """A line for each stage, as `pets: http://127.0.0.1:8080/prod`; the first MOST of them.

    data: the data port's address, as the ready line has it
    The shortest form that leads there: without the API's id where no other API has a stage of that name, and without
    the stage where that is `$default`. An API that only its domain names lead to is left out.
    """
    stages = [(api, stage) for api in apis for stage in api.stages if not api.disable_execute_api_endpoint]
    known = Counter(stage for _, stage in stages)
    lines = []
    for api, stage in stages[:MOST]:
        base = data.replace("http", "ws", 1) if api.protocol == "WEBSOCKET" else data
        path = f"/{api.id}/{stage}" if known[stage] > 1 else "/" if stage == "$default" else f"/{stage}"
        # In quotes where a shell would take the stage for a variable.
        address = f"'{base}{path}'" if "$" in path else base + path
        lines.append(f"{api.id}: {address}")
    if len(stages) > MOST:
        lines.append(f"… and {len(stages) - MOST} more stages")
    return lines
