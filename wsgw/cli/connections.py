"""`wsgw connections`: the live connections of a running gateway, over its control port."""

from __future__ import annotations

import http.client
import json
import os
import sys
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import click

control_option = click.option(
    "--control",
    default=lambda: f"http://127.0.0.1:{os.environ.get('WSGW_CONTROL_PORT') or 8081}",
    show_default="http://127.0.0.1:8081, or the port of WSGW_CONTROL_PORT",
    envvar="WSGW_CONTROL",
    help="The gateway's control address",
)


def ask(control: str, method: str, path: str, body: bytes | None = None) -> Any:
    """The answer's document; ends the command with exit code 1 and the reason if there is none."""
    document = _parsed(fetched(control, method, path, body))
    if document is None:
        _no_control_port(control)
    return document


def fetched(control: str, method: str, path: str, body: bytes | None = None) -> bytes:
    """The answer as it is; ends the command with exit code 1 and the reason if there is none, or it is a refusal."""
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
        remedy = "is `wsgw serve` running, and is this its control port (--control)?"
        click.echo(f"wsgw: no gateway answers at {control}: {reason}; {remedy}", err=True)
        sys.exit(1)
    finally:
        connection.close()
    if response.status >= 400:
        document = _parsed(text)
        message = response.reason if document is None else document.get("message", "")
        click.echo(f"wsgw: {response.status}: {message}", err=True)
        sys.exit(1)
    return text


def _no_control_port(control: str) -> NoReturn:
    click.echo(f"wsgw: what answers at {control} is no control port of a gateway", err=True)
    sys.exit(1)


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
@control_option
def list_(api: str | None, stage: str | None, as_json: bool, control: str) -> None:
    """Print every open connection, page by page."""
    after: str | None = ""
    while after is not None:
        query = {"after": after, "api": api, "stage": stage}
        page = ask(control, "GET", "/connections?" + urlencode({k: v for k, v in query.items() if v}))
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
@control_option
def get(connection_id: str, control: str) -> None:
    """Print one connection."""
    click.echo(json.dumps(ask(control, "GET", f"/connections/{quote(connection_id, safe='')}"), indent=2))


@connections.command()
@click.argument("connection_id")
@click.argument("message")
@control_option
def send(connection_id: str, message: str, control: str) -> None:
    """Send MESSAGE to a client; `-` reads it from standard input."""
    body = sys.stdin.buffer.read() if message == "-" else message.encode()
    ask(control, "POST", f"/connections/{quote(connection_id, safe='')}", body)


@connections.command()
@click.argument("connection_id", required=False)
@click.option("--principal", metavar="ID", help="Instead: all connections of this principal, on all nodes")
@click.option("--api", help="With --principal and --stage: only those of this API")
@click.option("--stage", help="With --principal and --api: only those of this stage")
@control_option
def close(connection_id: str | None, principal: str | None, api: str | None, stage: str | None, control: str) -> None:
    """Close a connection, or all connections of a principal, with code 1000."""
    if bool(connection_id) == bool(principal):
        raise click.UsageError("give a connection's id, or --principal")
    if connection_id:
        if api or stage:
            raise click.UsageError("--api and --stage go with --principal")
        ask(control, "DELETE", f"/connections/{quote(connection_id, safe='')}")
        return
    query = urlencode({name: value for name, value in (("api", api), ("stage", stage)) if value})
    ask(control, "DELETE", f"/principals/{quote(principal or '', safe='')}?{query}")
