"""`wsgw import`: store what definition files define, where `wsgw serve` finds it: in the data directory or in Redis."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from wsgw.cli import import_store
from wsgw.cli.import_store import TOKENS
from wsgw.cli.options import settings_from, with_some_settings
from wsgw.settings import Settings

if TYPE_CHECKING:
    from wsgw.cli.definition_files import Beside
    from wsgw.definitions.finding import Finding
    from wsgw.formats.openapi_merge import Mode
    from wsgw.formats.openapi_paths import BasePathMode
    from wsgw.formats.parse import Parsed
    from wsgw.stores.base import Documents


class How(NamedTuple):
    """How OpenAPI documents are imported. Without a `mode` an API is replaced whole, its stages too."""

    basepath: BasePathMode
    mode: Mode | None
    fail_on_warnings: bool


@click.command("import")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--delete",
    multiple=True,
    metavar="ID",
    help=f"Delete an API, a domain name, an API key, a usage plan, an access key, or `{TOKENS}`",
)
@click.option(
    "--basepath",
    type=click.Choice(["ignore", "prepend", "split"]),
    default="ignore",
    help="What becomes of an OpenAPI document's base path; split leaves its first segment out  [default: ignore]",
)
@click.option(
    "--mode",
    type=click.Choice(["merge", "overwrite"]),
    help="Import OpenAPI documents into the stored APIs of their ids: merge adds and replaces, overwrite also deletes; "
    "both leave the stages as they are",
)
@click.option("--fail-on-warnings", is_flag=True, help="Store nothing if there are warnings")
@with_some_settings("data", "redis", "redis_password", "redis_ca", "redis_prefix", "cluster_secret", "stage")
def import_(
    files: tuple[Path, ...],
    delete: tuple[str, ...],
    basepath: BasePathMode,
    mode: Mode | None,
    fail_on_warnings: bool,
    **options: Any,
) -> None:
    """Store what definition FILES define. `wsgw serve` with the same --data or --redis serves it, and nodes that run
    already take it within seconds.

    An API is replaced whole, management tokens all together; what FILES do not name stays as it is. A secret written
    as ${NAME} is stored as this reference, any other as it is written. Nothing is stored if anything is wrong.

    A file that ends in .csv has API keys, as ImportApiKeys has them: Name,Key,Description,Enabled,UsagePlanIds.
    """
    from wsgw.stores.chosen import unusable

    settings = settings_from(options).settings
    if not settings.redis and not settings.data:
        click.echo("wsgw: where to? give --data DIR or --redis URL, as `wsgw serve` has it", err=True)
        sys.exit(2)
    if not files and not delete:
        click.echo("wsgw: name definition files, or what to --delete", err=True)
        sys.exit(2)
    faults = list(unusable(settings))
    for fault in faults:
        click.echo(f"wsgw: {fault}", err=True)
    how = How(basepath, mode, fail_on_warnings)
    sys.exit(2 if faults else asyncio.run(_import(settings, files, delete, how)))


async def _import(settings: Settings, files: tuple[Path, ...], delete: tuple[str, ...], how: How) -> int:
    from wsgw.cli.definition_files import Beside, checked, is_table, read_files
    from wsgw.cli.key_table import with_tables
    from wsgw.cli.stored_definitions import TOPIC, USAGE_PLAN, AsWritten
    from wsgw.definitions.finding import has_errors
    from wsgw.errors import StoreUnavailable
    from wsgw.formats.openapi import pseudo_parameters_of
    from wsgw.stores.document_store import document_store

    # As written: who imports needs none of the secrets that are served.
    pseudo_parameters = pseudo_parameters_of(settings.region, settings.account_id)
    tables = [file for file in files if is_table(file)]
    others = [file for file in files if file not in tables]
    parsed = read_files(others, AsWritten(), pseudo_parameters=pseudo_parameters, basepath=how.basepath)
    try:
        if how.mode is not None:
            async with document_store(settings) as store:
                parsed = await _into_stored(store.documents, parsed, how.mode)
        beside = Beside() if has_errors(parsed.findings) else await _beside(settings, parsed, delete)
        parsed, beside = with_tables(parsed, beside, tables)
    except StoreUnavailable as error:
        click.echo(f"wsgw: {error}", err=True)
        return 1
    definitions = checked(parsed, files, stage=settings.stage, beside=beside)
    if _refused(definitions.findings, how):
        return 1
    try:
        async with document_store(settings) as store:
            found = {name: await import_store.found(store.documents, name) for name in delete}
            unknown = [name for name, stored in found.items() if stored is None]
            if unknown:
                click.echo(f"wsgw: {store.place} has no {' and no '.join(unknown)}; nothing was changed", err=True)
                return 1
            if mapped := await import_store.mapped(store.documents, delete, definitions):
                for fault in mapped:
                    click.echo(f"wsgw: {fault}; nothing was changed", err=True)
                return 1
            # Plans first: a gateway that looks between two writes must not miss what they lead to.
            there = [(name, *stored) for name, stored in found.items() if stored is not None]
            for name, kind, names in sorted(there, key=lambda one: one[1] != USAGE_PLAN):
                await import_store.delete(store.documents, name, kind, names)
            await import_store.store(store.documents, parsed, settings.stage)
            await import_store.mark(store.documents)
            await store.announce(TOPIC)
    except StoreUnavailable as error:
        click.echo(f"wsgw: {error}", err=True)
        return 1
    return 0


async def _beside(settings: Settings, parsed: Parsed, delete: tuple[str, ...]) -> Beside:
    """What is stored and stays as it is. Raises StoreUnavailable."""
    from wsgw.cli.definition_files import Beside
    from wsgw.cli.stored_definitions import AsWritten, StoredDefinitions
    from wsgw.definitions.freeze import api_id_of, broken, freeze
    from wsgw.stores.document_store import document_store, would_be_made

    if would_be_made(settings):
        return Beside()
    async with document_store(settings) as store:
        stored = await StoredDefinitions(store.documents, store.place).read(AsWritten())
    gone = {*delete, *map(api_id_of, parsed.documents)}
    gone_keys = {*delete, *(key.id for key in parsed.api_keys)}
    gone_plans = {*delete, *(plan.id for plan in parsed.usage_plans)}
    keys = [key for key in stored.api_keys if key.id not in gone_keys]
    signers = [key for key in stored.access_keys if key.access_key_id not in gone]
    plans = [plan for plan in stored.usage_plans if plan.id not in gone_plans]
    if not (parsed.domain_names or parsed.usage_plans or plans):
        return Beside((), keys, plans, signers)
    apis = [freeze(one) for one in stored.documents if api_id_of(one) not in gone and not broken(one)]
    return Beside(apis, keys, plans, signers)


def _refused(findings: Sequence[Finding], how: How) -> bool:
    """Shows `findings`; whether they keep the files from being stored."""
    from wsgw.definitions.finding import has_errors

    for finding in findings:
        click.echo(str(finding), err=True)
    if not has_errors(findings) and not (how.fail_on_warnings and findings):
        return False
    click.echo("wsgw: nothing was stored" + ("" if has_errors(findings) else ": there are warnings"), err=True)
    return True


async def _into_stored(documents: Documents, parsed: Parsed, mode: Mode) -> Parsed:
    """`parsed` with each API as it is after the import into the stored one of its id, where there is one."""
    import orjson

    from wsgw.cli.stored_definitions import API
    from wsgw.definitions.finding import error
    from wsgw.definitions.freeze import api_id_of
    from wsgw.errors import DefinitionError
    from wsgw.formats.openapi_merge import merge

    stored = await documents.all(API)
    whole, findings = [], list(parsed.findings)
    for document in parsed.documents:
        api_id = api_id_of(document)
        if not parsed.sources["apis", api_id].places:
            fault = error(("apis", api_id), "--mode is for OpenAPI documents", "import this file without it")
            findings.append(parsed.placed(fault))
        elif api_id in stored:
            existing = orjson.loads(stored[api_id])
            if existing["protocolType"] != document["protocolType"]:
                message = f"the stored API is of another kind: {existing['protocolType']}"
                findings.append(parsed.placed(error(("apis", api_id), message, "give the document another id")))
                continue
            try:
                document = merge(existing, document, mode)
            except DefinitionError as faults:
                findings += [parsed.placed(error(("apis", api_id), fault)) for fault in faults.findings]
                continue
        whole.append(document)
    return parsed._replace(documents=tuple(whole), findings=tuple(findings))
