"""`wsgw connections`: the live connections of a running gateway, over its control port."""

from __future__ import annotations

import http.client
import json
import sys
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click

_control = click.option(
    "--control",
    default="http://127.0.0.1:8081",
    show_default=True,
    envvar="WSGW_CONTROL",
    help="The gateway's control address",
)


def _ask(control: str, method: str, path: str, body: bytes | None = None) -> Any:
    """The answer's document; ends the command with exit code 1 and the reason if there is none."""
    parts = urlsplit(control)
    try:
        port = parts.port or 8081
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port:
        raise click.BadParameter(f"{control!r} is no address; write http://HOST:PORT", param_hint="--control")
    connection = http.client.HTTPConnection(parts.hostname, port, timeout=30)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        click.echo(f"wsgw: no gateway answers at {control}: {reason}; is `wsgw serve` running?", err=True)
        sys.exit(1)
    finally:
        connection.close()
    document = _parsed(text)
    if response.status >= 400:
        message = response.reason if document is None else document.get("message", "")
        click.echo(f"wsgw: {response.status}: {message}", err=True)
        sys.exit(1)
    if document is None:
        click.echo(f"wsgw: what answers at {control} is no control port of a gateway", err=True)
        sys.exit(1)
    return document


def _parsed(text: bytes) -> dict[str, Any] | None:
    """`text` as the control port answers it, an object or nothing; None for anything else."""
    try:
        document = json.loads(text or b"{}")
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


@click.group()
def connections() -> None:
    """List, look at, write to and close live connections."""


@connections.command(name="list")
@click.option("--api", help="Only those of this API")
@click.option("--stage", help="Only those of this stage")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line")
@_control
def list_(api: str | None, stage: str | None, as_json: bool, control: str) -> None:
    """Print every open connection, page by page."""
    after: str | None = ""
    while after is not None:
        query = {"after": after, "api": api, "stage": stage}
        page = _ask(control, "GET", "/connections?" + urlencode({k: v for k, v in query.items() if v}))
        for row in page["connections"]:
            if as_json:
                click.echo(json.dumps(row))
            else:
                identity = row["identity"]
                click.echo(
                    f"{row['connectionId']}  {row['apiId']}/{row['stage']}  {identity['sourceIp']}  "
                    f"connected {row['connectedAt']}  active {row['lastActiveAt']}"
                )
        after = page["next"]


@connections.command()
@click.argument("connection_id")
@_control
def get(connection_id: str, control: str) -> None:
    """Print one connection."""
    click.echo(json.dumps(_ask(control, "GET", f"/connections/{quote(connection_id, safe='')}"), indent=2))


@connections.command()
@click.argument("connection_id")
@click.argument("message")
@_control
def send(connection_id: str, message: str, control: str) -> None:
    """Send MESSAGE to a client; `-` reads it from standard input."""
    body = sys.stdin.buffer.read() if message == "-" else message.encode()
    _ask(control, "POST", f"/connections/{quote(connection_id, safe='')}", body)


@connections.command()
@click.argument("connection_id")
@_control
def close(connection_id: str, control: str) -> None:
    """Close a connection with code 1000."""
    _ask(control, "DELETE", f"/connections/{quote(connection_id, safe='')}")
