"""`wsgw check`: everything that is wrong with definition files, a line each."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from wsgw.cli.options import settings_from, with_some_settings


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@with_some_settings("stage", "geo_database")
def check(files: tuple[Path, ...], **options: Any) -> None:
    """Say what is wrong with definition FILES: every finding with its file, line, path and remedy.

    What they need is looked for where `wsgw serve` looks: Python functions (none is imported) and files of keys beside
    the first of FILES, the file of countries where settings name it. What is stored is not looked at.

    Exit code 1 if any of them is an error; a warning can be served.
    """
    from wsgw.cli.definition_files import read_definitions
    from wsgw.formats.openapi import pseudo_parameters_of
    from wsgw.live.prove_beside import Surroundings

    settings = settings_from(options).settings
    definitions = read_definitions(
        files,
        os.environ,
        stage=settings.stage,
        pseudo_parameters=pseudo_parameters_of(settings.region, settings.account_id),
        around=Surroundings(files[0].parent, settings.geo_database, settings.jwt_algorithms),
    )
    for finding in definitions.findings:
        click.echo(str(finding))
    errors = sum(finding.severity == "error" for finding in definitions.findings)
    warnings = len(definitions.findings) - errors
    summary = f"{_count(len(files), 'file')}, {_count(len(definitions.apis), 'API')}: "
    click.echo(summary + f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")
    sys.exit(1 if errors else 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
