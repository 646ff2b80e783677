"""Keys of CSV files added to what is imported: under the ids that they have already, and into the plans they name."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from wsgw.cli.definition_files import Beside
from wsgw.definitions.finding import Finding
from wsgw.definitions.finding import Path as At
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.formats.api_key_csv import KeyTable, read_api_keys
from wsgw.formats.parse import Parsed, Source

#: Some hundred thousand keys.
_MOST_BYTES = 64 << 20
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def with_tables(parsed: Parsed, beside: Beside, files: Sequence[Path]) -> tuple[Parsed, Beside]:
    """`parsed` with the keys in `files`, and what then stays beside it: no key or plan that was changed.

    A value that is known keeps its id, and what else is told of it is replaced, as on the service.
    """
    keys = {key.value: key for key in [*beside.api_keys, *parsed.api_keys]}
    taken = {key.id for key in keys.values()}
    plans = {plan.id: plan for plan in [*beside.usage_plans, *parsed.usage_plans]}
    named = {plan.id: [*plan.keys] for plan in plans.values()}
    members = {plan_id: set(ids) for plan_id, ids in named.items()}
    changed: dict[str, ApiKey] = {}
    findings: list[Finding] = list(parsed.findings)
    sources: dict[At, Source] = dict(parsed.sources)
    for file in files:
        table = _read(file)
        findings += table.findings
        for row in table.rows:
            known = keys.get(row.value)
            key_id = known.id if known is not None else _new_id(taken)
            key = ApiKey(
                id=key_id,
                value=row.value,
                name=row.name,
                enabled=row.enabled,
                description=row.description,
                customer_id="" if known is None else known.customer_id,
            )
            keys[row.value] = changed[key_id] = key
            sources["apiKeys", key_id] = Source(str(file))
            for plan_id in row.plans:
                if plan_id not in plans:
                    message = f"there is no usage plan {plan_id!r}: the key is not added to it"
                    findings.append(_warning(message, "import the plan first", str(file), row.line))
                elif key_id not in members[plan_id]:
                    members[plan_id].add(key_id)
                    named[plan_id].append(key_id)
    more = {id: plan for id, plan in plans.items() if len(plan.keys) != len(named[id])}
    own = {plan.id for plan in parsed.usage_plans} | more.keys()
    merged: list[UsagePlan] = [msgspec.structs.replace(plans[id], keys=tuple(named[id])) for id in plans if id in own]
    own_keys = {key.id: key for key in parsed.api_keys} | changed
    return (
        parsed._replace(
            api_keys=tuple(own_keys.values()), usage_plans=tuple(merged), findings=tuple(findings), sources=sources
        ),
        beside._replace(
            api_keys=[key for key in beside.api_keys if key.id not in own_keys],
            usage_plans=[plan for plan in beside.usage_plans if plan.id not in own],
        ),
    )


def _read(file: Path) -> KeyTable:
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES + 1)
    except OSError as fault:
        message = f"cannot be read: {fault.strerror or fault}"
        return KeyTable([], [Finding(message=message, remedy="name a CSV file of keys", file=str(file))])
    if len(text) > _MOST_BYTES:
        return KeyTable([], [Finding(message="the file is too large", remedy="split it", file=str(file))])
    return read_api_keys(text, str(file))


def _new_id(taken: set[str]) -> str:
    """Ten letters or digits that no key has: made at random, for one made of the value would tell of it."""
    while (one := "".join(secrets.choice(_LETTERS) for _ in range(10))) in taken:
        pass
    taken.add(one)
    return one


def _warning(message: str, remedy: str, file: str, line: int) -> Finding:
    return Finding(severity="warning", message=message, remedy=remedy, file=file, line=line, column=1)
