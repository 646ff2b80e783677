"""`wsgw export`: an API of definition files, or of what is stored, written out as OpenAPI or in the native format."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from wsgw.cli.options import settings_from, with_some_settings
from wsgw.settings import Settings

if TYPE_CHECKING:
    from wsgw.definitions.finding import Finding
    from wsgw.formats.parse import Parsed


class Wanted(NamedTuple):
    """What is to be written. No `form` is OpenAPI 3, and for a WebSocket API the native one."""

    api: str
    form: str | None
    extensions: frozenset[str]
    is_json: bool


@click.command()
@click.argument("api")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Definition file that has the API; else it is looked for where --data or --redis says",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["oas30", "swagger", "native"]),
    help="[default: oas30; of a WebSocket API native]",
)
@click.option("--output", type=click.Choice(["yaml", "json"]), help="[default: yaml, or as --out ends]")
@click.option("--extensions", metavar="LIST", help="Groups of extensions to write, comma-separated  [default: all]")
@click.option("--no-extensions", is_flag=True, help="Write plain OpenAPI")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write to; else standard output")
@with_some_settings("data", "redis", "redis_password", "redis_ca", "redis_prefix", "cluster_secret")
def export(
    api: str,
    files: tuple[Path, ...],
    form: str | None,
    output: str | None,
    extensions: str | None,
    no_extensions: bool,
    out: Path | None,
    **options: Any,
) -> None:
    """Write the API with the id API out, as OpenAPI 3, Swagger 2 or in the native format.

    What `wsgw import` makes of it again is the same API; what a format has no word for is said on standard error.
    """
    settings = settings_from(options).settings
    is_json = output == "json" if output else out is not None and out.suffix.lower() == ".json"
    wanted = Wanted(api, form, _extensions(extensions, no_extensions, form), is_json)
    if not files and not settings.redis and not settings.data:
        _refuse("where from? give --file FILE, or --data DIR or --redis URL, as `wsgw import` had it")
    from wsgw.stores.chosen import unusable

    if not files and (faults := list(unusable(settings))):
        _refuse(*faults)
    text = asyncio.run(_exported(settings, files, wanted))
    if text is None:
        sys.exit(1)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as fault:
        click.echo(f"wsgw: {out} cannot be written: {fault.strerror or fault}", err=True)
        sys.exit(1)


def _extensions(text: str | None, none: bool, form: str | None) -> frozenset[str]:
    """The groups of extensions that the options name. Ends the command where they contradict each other."""
    from wsgw.formats.openapi_form import EXTENSIONS

    if form == "native" and (none or text is not None):
        _refuse("the native format has no extensions: leave --extensions and --no-extensions out")
    if none and text is not None:
        _refuse("--extensions and --no-extensions contradict each other: give one")
    if none:
        return frozenset()
    chosen = EXTENSIONS if text is None else frozenset(part.strip() for part in text.split(",") if part.strip())
    if unknown := sorted(chosen - EXTENSIONS):
        _refuse(f"there are no extensions {', '.join(unknown)}; known are {', '.join(sorted(EXTENSIONS))}")
    return chosen


def _refuse(*faults: str) -> None:
    for fault in faults:
        click.echo(f"wsgw: {fault}", err=True)
    sys.exit(2)


async def _exported(settings: Settings, files: tuple[Path, ...], wanted: Wanted) -> str | None:
    """The text to write; None, and why not on standard error, if there is none."""
    from wsgw.definitions.finding import has_errors
    from wsgw.definitions.freeze import api_id_of
    from wsgw.formats.text import as_json, as_yaml

    parsed = await _parsed(settings, files)
    if parsed is None:
        return None
    by_id = {api_id_of(document): document for document in parsed.documents}
    about = [one for one in parsed.findings if files or one.path[:2] == ("apis", wanted.api)]
    document = by_id.get(wanted.api)
    if document is None or (files and has_errors(about)):
        faults = [one for one in about if one.severity == "error"]
        _show(faults)
        if not faults:
            known = f"known are {', '.join(sorted(by_id))}" if by_id else "there are none"
            click.echo(f"wsgw: there is no API {wanted.api!r}; {known}", err=True)
        return None
    data, findings = _written(document, wanted)
    _show(list(findings))
    if data is None:
        return None
    return as_json(data) if wanted.is_json else as_yaml(data, short_mappings="apis" in data)


def _written(document: dict[str, Any], wanted: Wanted) -> tuple[dict[str, Any] | None, tuple[Finding, ...]]:
    form = wanted.form or ("native" if document["protocolType"] == "WEBSOCKET" else "oas30")
    if form == "native":
        from wsgw.formats.native_writer import native_file

        return native_file(document)
    from wsgw.formats.openapi_writer import export_openapi

    return export_openapi(document, "swagger" if form == "swagger" else "oas30", wanted.extensions)


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        click.echo(str(finding), err=True)


async def _parsed(settings: Settings, files: tuple[Path, ...]) -> Parsed | None:
    """What the files define, or what is stored; None, and why on standard error, where that cannot be read."""
    from wsgw.cli.definition_files import read_files
    from wsgw.cli.stored_definitions import AsWritten, StoredDefinitions
    from wsgw.errors import StoreUnavailable
    from wsgw.formats.openapi import pseudo_parameters_of
    from wsgw.stores.document_store import document_store, would_be_made

    if files:
        pseudo_parameters = pseudo_parameters_of(settings.region, settings.account_id)
        return read_files(files, AsWritten(), pseudo_parameters=pseudo_parameters)
    if would_be_made(settings):
        click.echo(f"wsgw: nothing is stored in {settings.data}: give the directory that `wsgw import` had", err=True)
        return None
    try:
        async with document_store(settings) as store:
            return await StoredDefinitions(store.documents, store.place).read(AsWritten())
    except StoreUnavailable as error:
        click.echo(f"wsgw: {error}", err=True)
        return None
