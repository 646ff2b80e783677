"""`wsgw loadtest`: put load on a WebSocket server, and check every answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from wsgw.cli.load.plan import Credentials, Plan
from wsgw.cli.load.tally import Tally

SCENARIOS = ("request-reply", "push", "fan-out", "connect", "reconnect", "idle", "http")
# Open loop, unless --connections is given without --rate.
_RATES = {"request-reply": 1000.0, "push": 1000.0, "http": 1000.0, "fan-out": 1.0, "connect": 100.0, "reconnect": 100.0}
_CONNECTIONS = 64
_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    for value in values:
        if ":" not in value:
            raise click.BadParameter(f"{value!r} is not of the form 'Name: value'", context, parameter)
    parts = (value.partition(":") for value in values)
    return tuple((name.strip(), text.strip()) for name, _, text in parts)


def _writable(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    # Before the run, not after it.
    if value is not None and not value.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no directory {str(value.parent)!r}", context, parameter)
    return value


def _commas(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


@click.command()
@click.argument("url")
@click.option("--scenario", type=click.Choice(SCENARIOS), default="request-reply", show_default=True)
@click.option("--connections", type=click.IntRange(1), help=f"Clients; without --rate, a closed loop [{_CONNECTIONS}]")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="Messages, pushes, rounds or handshakes per second"
)
@click.option("--duration", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="Seconds")
@click.option("--warmup", type=click.FloatRange(0), default=0.0, help="Seconds before that, not measured")
@click.option("--size", type=click.IntRange(0), default=111, show_default=True, help="Bytes of a message")
@click.option(
    "--in-flight", type=click.IntRange(1), default=64, show_default=True, help="Most posts or handshakes at once"
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="Processes to share the load")
@click.option("--action", default="echo", show_default=True, help="The messages' `action`, by which routes are chosen")
@click.option(
    "--verify", type=click.Choice(["id", "order"]), default="id", show_default=True, help="How replies are told apart"
)
@click.option("--header", "headers", multiple=True, callback=_pairs, help="A header of the handshake, 'Name: value'")
@click.option("--subprotocol", "subprotocols", multiple=True, help="A sub-protocol to offer")
@click.option(
    "--source-addresses", default="", callback=_commas, help="Addresses to connect from, 127.0.0.2,127.0.0.3,…"
)
@click.option(
    "--heartbeat", type=click.FloatRange(0), default=0.0, help="idle: seconds between a client's pings; 0 = none"
)
@click.option("--push-url", default="", help="Where @connections is; default: the URL over http")
@click.option(
    "--id-message", default='{"action":"whoami"}', show_default=True, help="What is answered with a connectionId"
)
@click.option("--token", default="", help="Bearer token for pushes")
@click.option("--sign", is_flag=True, help="Sign pushes (SigV4), with the credentials that the AWS SDKs would find")
@click.option("--region", default="", help="Region in signatures")
@click.option("--insecure", is_flag=True, help="Accept any TLS certificate")
@click.option("--json", "json_file", type=_FILE, callback=_writable, help="Write the result as JSON")
@click.option("--report", "page_file", type=_FILE, callback=_writable, help="Write an HTML page with charts")
def loadtest(
    url: str,
    connections: int | None,
    rate: float | None,
    processes: int,
    sign: bool,
    region: str,
    json_file: Path | None,
    page_file: Path | None,
    **options: Any,
) -> None:
    """Put load on the WebSocket server at URL (http:// for the scenario http), and check that every message is
    answered once, by the right answer. Exits with 1 if one was not, or a connection was refused or lost.

    With --rate, events happen on a fixed timetable and latencies count from when they were due. With --connections
    alone, each connection sends its next message when the last is answered.

    \b
    request-reply  {"action":…,"id":…,"pad":…}, answered with that id (--verify order: with anything)
    push           posts to @connections, each to one client
    fan-out        rounds of one post to every client
    connect        open --connections as fast as asked, hold them
    reconnect      open new connections for old ones
    idle           hold --connections
    http           plain POST requests
    """
    _check_url(url, options["scenario"])
    if rate is None and connections is None:
        rate = _RATES.get(options["scenario"])
    credentials = _credentials(region) if sign else None
    plan = Plan(url=url, connections=connections or _CONNECTIONS, rate=rate, credentials=credentials, **options)
    try:
        # Only this command needs the extra; `--help` and wrong use must work without.
        from wsgw.cli.load.generator import TooManyFiles, execute
    except ImportError as error:
        raise click.ClickException(str(error)) from error
    try:
        tally = execute(plan, _reporter(), processes)
    except TooManyFiles as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.Abort from None
    _finish(plan, tally, processes, json_file, page_file)


def _check_url(url: str, scenario: str) -> None:
    wanted = ("http://", "https://") if scenario == "http" else ("ws://", "wss://")
    if not url.startswith(wanted):
        raise click.UsageError(f"URL must begin with {' or '.join(wanted)} for the scenario {scenario}")
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise click.UsageError(f"{url!r} names no host and port to connect to; write {wanted[0]}HOST:PORT/STAGE")


def _credentials(region: str) -> Credentials:
    from botocore.session import Session

    session = Session()
    found = session.get_credentials()
    if found is None:
        raise click.UsageError("--sign finds no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    frozen = found.get_frozen_credentials()
    return Credentials(
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token or "",
        region=region or os.environ.get("AWS_REGION") or session.get_config_variable("region") or "us-east-1",
    )


def _reporter() -> Callable[[Tally, float], None]:
    from wsgw.cli.load.report import progress

    terminal = sys.stderr.isatty()

    def report(tally: Tally, left: float) -> None:
        line = progress(tally, left)
        # \x1b[K clears what a longer line left behind.
        click.echo(f"\r{line}\x1b[K" if terminal else line, err=True, nl=not terminal)

    return report


def _finish(plan: Plan, tally: Tally, processes: int, json_file: Path | None, page_file: Path | None) -> None:
    from wsgw.cli.load.page import html
    from wsgw.cli.load.report import print_table, result

    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    outcome = result(plan, tally, processes, time.time())
    print_table(outcome, sys.stdout.isatty())
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2) + b"\n")
    if page_file is not None:
        page_file.write_text(html(outcome), encoding="utf-8")
    if not outcome["passed"]:
        sys.exit(1)
