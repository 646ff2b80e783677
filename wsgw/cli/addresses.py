"""Where the stages of the served APIs answer, for whoever has just started a gateway and wants to ask it something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

from wsgw.definitions.api import Api, DomainName

#: More than that tell a reader nothing.
MOST = 10


def addresses(data: str, apis: Iterable[Api], domains: Iterable[DomainName] = ()) -> list[str]:
    """Lines for stages, as `pets: http://127.0.0.1:8080/prod`, and for domain names' mappings: the first MOST of each.

    data: the data port's address, as the ready line has it
    The shortest form that leads there: without the API's id where no other API has a stage of that name, and without
    the stage where that is `$default`. An API that only its domain names lead to is left out.
    """
    apis = list(apis)
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
    return lines + _of_domains(data, apis, domains)


def _of_domains(data: str, apis: list[Api], domains: Iterable[DomainName]) -> list[str]:
    """Where domain names lead. `{stage}`: the mapping names none, and so the path has to."""
    scheme, port = urlsplit(data).scheme, urlsplit(data).port
    known = {api.id: api for api in apis}
    mappings = [(domain, mapping) for domain in domains for mapping in domain.mappings]
    lines = []
    for domain, mapping in mappings[:MOST]:
        api = known.get(mapping.api_id)
        is_socket = api is not None and api.protocol == "WEBSOCKET"
        base = f"{scheme.replace('http', 'ws') if is_socket else scheme}://{domain.name}:{port}/{mapping.key}"
        is_open = not mapping.stage and (api is None or "$default" not in api.stages)
        lines.append(f"{mapping.api_id}: {base.rstrip('/')}/{{stage}}" if is_open else f"{mapping.api_id}: {base}")
    if len(mappings) > MOST:
        lines.append(f"… and {len(mappings) - MOST} more mappings of domain names")
    return lines
