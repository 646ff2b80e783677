"""`wsgw check`: everything that is wrong with definition files, a line each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--stage", default="prod", help="Stage of an API that names none  [default: prod]")
def check(files: tuple[Path, ...], stage: str) -> None:
    """Say what is wrong with definition FILES: every finding with its file, line, path and remedy.

    Exit code 1 if any of them is an error; a warning can be served.
    """
    from wsgw.cli.definition_files import read_definitions

    definitions = read_definitions(files, os.environ, stage=stage)
    for finding in definitions.findings:
        click.echo(str(finding))
    errors = sum(finding.severity == "error" for finding in definitions.findings)
    warnings = len(definitions.findings) - errors
    summary = f"{_count(len(files), 'file')}, {_count(len(definitions.apis), 'API')}: "
    click.echo(summary + f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")
    sys.exit(1 if errors else 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
