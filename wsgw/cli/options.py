"""Settings as command-line options: one option per setting, made from settings.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wsgw.settings import Loaded, Setting, SettingError, documented, load

_KINDS: dict[str, type] = {"int": int, "float": float, "str": str}

#: Headings of `--help`, each above the setting that comes first under it.
_HEADINGS = {
    "host": "Listening",
    "redis": "The cluster",
    "throttle_mode": "Throttles",
    "disconnect_retry_seconds": "$disconnect",
    "worker_ready_seconds": "Workers",
    "region": "Names",
    "heartbeat_seconds": "Connections",
    "head_seconds": "Requests",
    "http_connections_per_host": "Integrations",
    "management_tokens": "@connections",
    "drain_seconds": "Stopping",
    "log_level": "Logs",
}


class WithHeadings(click.Command):
    """A command whose help has the settings under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        heading = "Options"
        headings = {row.name: (heading := _HEADINGS.get(row.name, heading)) for row in documented()}
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                sections.setdefault(headings.get(parameter.name or "", "Options"), []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)


def _option(row: Setting) -> Callable[[Any], Any]:
    flag = "--" + row.name.replace("_", "-")
    unit = f" ({row.unit})" if row.unit else ""
    default = ",".join(row.default) if isinstance(row.default, tuple) else row.default
    if row.type == "bool":
        default = "on" if row.default else "off"
    text = f"{row.doc}{unit}" + (f"  [default: {default}]" if default not in ("", ()) else "")
    if row.type == "bool":
        return click.option(f"{flag}/--no-{flag[2:]}", row.name, default=None, help=text)
    if row.type == "list":
        return click.option(flag, row.name, default=None, help=text + " (comma-separated)")
    return click.option(flag, row.name, default=None, type=_KINDS[row.type], help=text)


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config` and an option per setting; they arrive as keyword arguments for `settings_from`."""
    return with_some_settings(*(row.name for row in documented()))(command)


def with_some_settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`with_settings` for a command that has use for these only; the others come from the file and the environment."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for row in reversed(documented()):
            if row.name in names:
                command = _option(row)(command)
        return _config_file(command)

    return decorate


def _config_file(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--config",
        "config_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="YAML file of settings, a line each",
    )(command)


def settings_from(options: dict[str, Any]) -> Loaded:
    """The settings in force. Ends the command with exit code 2 and every fault if they cannot be."""
    given = dict(options)
    config_file = given.pop("config_file", None)
    try:
        return load(given, os.environ, config_file)
    except SettingError as error:
        for line in str(error).splitlines():
            click.echo(f"wsgw: {line}", err=True)
        sys.exit(2)
