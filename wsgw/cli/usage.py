"""`wsgw usage`: what API keys have used of their usage plans, over the control port of a running gateway."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from wsgw.cli.connections import ask, control_option, fetched

_from = click.option("--from", "first", metavar="YYYY-MM-DD", help="First day, UTC  [default: today]")
_to = click.option("--to", "last", metavar="YYYY-MM-DD", help="Last day, UTC  [default: today]")
_key = click.option("--key", metavar="ID", help="Only this API key, by its id")


@click.group()
def usage() -> None:
    """List usage plans; show, extend and export what API keys have used of them."""


@usage.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line")
@control_option
def list_(as_json: bool, control: str) -> None:
    """Print every usage plan, its stages and limits."""
    for plan in ask(control, "GET", "/usageplans")["items"]:
        click.echo(json.dumps(plan) if as_json else _line(plan))


@usage.command()
@click.argument("plan_id", metavar="PLAN")
@_from
@_to
@_key
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each key")
@control_option
def show(plan_id: str, first: str | None, last: str | None, key: str | None, as_json: bool, control: str) -> None:
    """Print what each key of PLAN has used on each day, and what was left."""
    position: str | None = ""
    while position is not None:
        page = ask(control, "GET", _path(plan_id, "usage", first, last, key, position))
        began = date.fromisoformat(page["startDate"])
        for key_id, days in page["items"].items():
            if as_json:
                click.echo(json.dumps({"keyId": key_id, "startDate": page["startDate"], "usage": days}))
                continue
            for number, (used, remaining) in enumerate(days):
                left = "" if remaining is None else f"  remaining {remaining}"
                click.echo(f"{key_id}  {began + timedelta(number)}  used {used}{left}")
        position = page.get("position")


@usage.command()
@click.argument("plan_id", metavar="PLAN")
@click.argument("key_id", metavar="KEY")
@click.argument("remaining", type=click.IntRange(0))
@control_option
def extend(plan_id: str, key_id: str, remaining: int, control: str) -> None:
    """Have REMAINING requests left for KEY in the current period of PLAN's quota, whatever it has used."""
    patch = {"patchOperations": [{"op": "replace", "path": "/remaining", "value": str(remaining)}]}
    path = f"/usageplans/{quote(plan_id, safe='')}/keys/{quote(key_id, safe='')}/usage"
    ((used, left),) = ask(control, "PATCH", path, json.dumps(patch).encode())["items"][key_id]
    click.echo(f"{key_id}  used {used} today  remaining {left}")


@usage.command()
@click.argument("plan_id", metavar="PLAN")
@_from
@_to
@_key
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write to; else standard output")
@control_option
def export(plan_id: str, first: str | None, last: str | None, key: str | None, out: Path | None, control: str) -> None:
    """Write a line of CSV for each key and day of PLAN: key, name, plan, customer, date, used, remaining."""
    text = fetched(control, "GET", _path(plan_id, "usage.csv", first, last, key))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_bytes(text)
    except OSError as fault:
        raise click.ClickException(f"{out} cannot be written: {fault.strerror or fault}") from fault


def _path(
    plan_id: str, what: str, first: str | None, last: str | None, key: str | None, position: str | None = None
) -> str:
    # A range that names its first day only goes on to today, one that names its last only is that day.
    query = {"startDate": first or last, "endDate": last, "keyId": key, "position": position}
    return f"/usageplans/{quote(plan_id, safe='')}/{what}?" + urlencode({k: v for k, v in query.items() if v})


def _line(plan: dict[str, Any]) -> str:
    stages = ",".join(f"{one['apiId']}:{one['stage']}" for one in plan["apiStages"]) or "no stages"
    words = [plan["id"], stages, f"keys {len(plan['keys'])}"]
    if throttle := plan.get("throttle"):
        words.append(f"rate {throttle['rateLimit']:g}/s burst {throttle['burstLimit']}")
    if quota := plan.get("quota"):
        words.append(f"quota {quota['limit']} a {quota['period'].lower()}")
    return "  ".join(words)
