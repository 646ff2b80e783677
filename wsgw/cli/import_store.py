"""What `wsgw import` writes and deletes in a store, a line on standard output for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wsgw.cli.definition_files import Definitions
    from wsgw.formats.parse import Parsed
    from wsgw.stores.base import Documents

#: What `--delete` takes for all management tokens together, which have no names.
TOKENS = "managementTokens"
#: How many keys or plans are stored in one piece, and how many are shown by their names.
_AT_ONCE, _SHOWN = 2_000, 20


async def store(documents: Documents, parsed: Parsed, stage: str) -> None:
    """Store all that `parsed` has, and say so, a line for each. Raises StoreUnavailable."""
    from wsgw.cli.stored_definitions import (
        ACCESS_KEY,
        API,
        API_KEY,
        DOMAIN_NAME,
        MANAGEMENT_TOKEN,
        USAGE_PLAN,
        access_key_body,
        api_body,
        api_key_body,
        domain_name_body,
        token_documents,
        usage_plan_body,
    )
    from wsgw.definitions.freeze import api_id_of

    # Who may call, first: the APIs are there when the last line is.
    if parsed.access_keys:
        keys = {key.access_key_id: access_key_body(key) for key in parsed.access_keys}
        revision = await documents.write(ACCESS_KEY, keys)
        for name in keys:
            click.echo(f"stored access key {name} (revision {revision})")
    if parsed.management_tokens:
        tokens = token_documents(parsed.management_tokens)
        before = await documents.all(MANAGEMENT_TOKEN)
        revision = await documents.write(MANAGEMENT_TOKEN, {**dict.fromkeys(before), **tokens})
        click.echo(f"stored management tokens: {len(tokens)} (revision {revision})")
    await _store_many(documents, "API key", API_KEY, {key.id: api_key_body(key) for key in parsed.api_keys})
    if parsed.documents:
        apis = {api_id_of(document): api_body(document, stage) for document in parsed.documents}
        revision = await documents.write(API, apis)
        for name in apis:
            click.echo(f"stored {name} (revision {revision})")
    # What leads to APIs, after these: a gateway may look between two writes.
    plans = {plan.id: usage_plan_body(plan) for plan in parsed.usage_plans}
    await _store_many(documents, "usage plan", USAGE_PLAN, plans)
    if parsed.domain_names:
        domains = {domain.name: domain_name_body(domain) for domain in parsed.domain_names}
        revision = await documents.write(DOMAIN_NAME, domains)
        for name in domains:
            click.echo(f"stored domain name {name} (revision {revision})")


async def mark(documents: Documents) -> None:
    """Have it seen that something was imported, so that a store that has lost it is told from one without APIs."""
    from wsgw.cli.stored_definitions import IMPORTED

    if not await documents.all(IMPORTED):
        await documents.write(IMPORTED, {IMPORTED: b"true"})


async def _store_many(documents: Documents, what: str, kind: str, bodies: dict[str, bytes]) -> None:
    """Some thousands at a time: all of them in one piece would hold up everybody else."""
    names = list(bodies)
    for start in range(0, len(names), _AT_ONCE):
        some = {name: bodies[name] for name in names[start : start + _AT_ONCE]}
        revision = await documents.write(kind, some)
        if len(names) > _SHOWN:
            click.echo(f"stored {what}s: {start + len(some)} of {len(names)} (revision {revision})")
            continue
        for name in some:
            click.echo(f"stored {what} {name} (revision {revision})")


async def mapped(documents: Documents, gone: tuple[str, ...], imported: Definitions) -> list[str]:
    """Why some of what would go has to stay: an API or stage that a stored domain name leads to."""
    import msgspec

    from wsgw.cli.stored_definitions import DOMAIN_NAME
    from wsgw.definitions.api import DomainName

    faults: list[str] = []
    changed = {*gone, *(domain.name for domain in imported.domain_names)}
    stages = {api.id: api.stages.keys() for api in imported.apis}
    for name, body in (await documents.all(DOMAIN_NAME)).items():
        try:
            domain = msgspec.json.decode(body, type=DomainName)
        except msgspec.MsgspecError:
            continue
        if name in changed:
            continue
        led_to = {mapping.api_id for mapping in domain.mappings} & set(gone)
        faults += [f"{api} is what the domain name {name} leads to: delete that, too" for api in sorted(led_to)]
        for one in domain.mappings:
            if one.stage and one.stage not in stages.get(one.api_id, {one.stage}):
                faults.append(f"the domain name {name} leads to stage {one.stage} of {one.api_id}: keep it")
    return faults


async def found(documents: Documents, name: str) -> tuple[str, list[str]] | None:
    """The kind, and the names of the documents, that `--delete name` means."""
    from wsgw.cli.stored_definitions import ACCESS_KEY, API, API_KEY, DOMAIN_NAME, MANAGEMENT_TOKEN, USAGE_PLAN

    if name == TOKENS:
        tokens = list(await documents.all(MANAGEMENT_TOKEN))
        return (MANAGEMENT_TOKEN, tokens) if tokens else None
    for kind in (API, ACCESS_KEY, DOMAIN_NAME, API_KEY, USAGE_PLAN):
        if name in await documents.all(kind):
            return kind, [name]
    return None


async def delete(documents: Documents, name: str, kind: str, names: list[str]) -> None:
    revision = await documents.write(kind, dict.fromkeys(names))
    click.echo(f"deleted {name} (revision {revision})")
