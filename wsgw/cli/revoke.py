"""`wsgw revoke`: refuse a principal or a key from now on, over the control port of a running gateway."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from urllib.parse import quote

import click

from wsgw.cli.connections import ask, control_option


@click.command()
@click.option("--principal", metavar="ID", help="A principal's id, as authorizers and tickets give it, or its ARN")
@click.option("--access-key", metavar="ID", help="An access key's id")
@click.option("--api-key", metavar="ID", help="An API key's id (not its value)")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
    help="UTC; without it: until it is lifted",
)
@click.option("--lift", is_flag=True, help="Let it in again")
@click.option("--list", "list_", is_flag=True, help="Print what is revoked")
@control_option
def revoke(
    principal: str | None,
    access_key: str | None,
    api_key: str | None,
    until: datetime | None,
    lift: bool,
    list_: bool,
    control: str,
) -> None:
    """Refuse a principal, an access key or an API key from now on, on all nodes.

    Connections that it has opened are closed with 4401 within a second.
    """
    asked = {"principal": principal, "accessKey": access_key, "apiKey": api_key}
    given = [(kind, name) for kind, name in asked.items() if name]
    if list_:
        if given or lift or until:
            raise click.UsageError("--list stands alone")
        _print(control)
        return
    if len(given) != 1:
        raise click.UsageError("give exactly one of --principal, --access-key and --api-key, or --list")
    ((kind, name),) = given
    if lift:
        if until:
            raise click.UsageError("--until goes with revoking, not with --lift")
        ask(control, "DELETE", f"/revocations/{kind}/{quote(name, safe='')}")
        return
    document: dict[str, object] = {f"{kind}Id": name}
    if until is not None:
        document["until"] = until.replace(tzinfo=UTC).timestamp()
    ask(control, "POST", "/revocations", json.dumps(document).encode())


def _print(control: str) -> None:
    for one in ask(control, "GET", "/revocations")["revocations"]:
        until = "until it is lifted" if one["until"] is None else f"until {_time(one['until'])}"
        click.echo(f"{one['kind']}  {one['name']}  since {_time(one['at'])}  {until}")
    sys.stdout.flush()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
