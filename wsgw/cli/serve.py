"""`wsgw serve`: read definitions, start, say so, redeploy when told, drain when asked to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsgw.cli.addresses import addresses
from wsgw.cli.modules import Modules
from wsgw.cli.options import WithHeadings, settings_from, with_settings
from wsgw.server.notify import READY, STOPPING, notify
from wsgw.settings import Settings

if TYPE_CHECKING:
    from wsgw.app import App, Listening
    from wsgw.cli.definition_files import Definitions
    from wsgw.definitions.api import Api

log = logging.getLogger("wsgw")


@click.command(cls=WithHeadings)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Redeploy when a definition file, or a Python module it uses, is saved")
@with_settings
def serve(files: tuple[Path, ...], watch: bool, **options: Any) -> None:
    """Serve the APIs that FILES define, and what `wsgw import` has stored in --data or --redis.

    SIGTERM and SIGINT drain, a second one ends at once. SIGUSR1 opens the access log anew, SIGUSR2 reads the files
    again. SIGHUP does both; with more than one worker it replaces them, one after the other.
    """
    settings = settings_from(options).settings
    if not files and not settings.redis and not settings.data:
        click.echo("wsgw: name at least one definition file: wsgw serve wsgw.yaml (or try: wsgw demo)", err=True)
        sys.exit(2)
    # Python takes what it has compiled for a file that was saved in the same second, with the same size.
    sys.dont_write_bytecode |= watch
    if settings.workers > 1:
        sys.exit(prepared(settings) or supervise(settings, files, watch))
    sys.exit(run(Serving(settings, files, watch)))


def prepared(settings: Settings) -> int:
    """Set up the log, and try the files that `settings` name. Gives 2 after saying what is wrong, else 0."""
    from wsgw.cli.preflight import unusable_files
    from wsgw.observe.logs import configure
    from wsgw.observe.stderr import never_fails

    never_fails()
    try:
        configure(settings.log_level.lower())
    except ValueError as error:
        click.echo(f"wsgw: {error}", err=True)
        return 2
    faults = unusable_files(settings)
    for fault in faults:
        click.echo(f"wsgw: {fault}", err=True)
    return 2 if faults else 0


def supervise(settings: Settings, files: tuple[Path, ...], watch: bool) -> int:
    """Have workers serve until a signal; gives the exit code."""
    from wsgw.server.supervisor import Supervisor

    # As this process was started: with the working directory on the path of modules, or without.
    flags = [] if sys.path[0] in ("", str(Path.cwd())) else ["-P"]
    command = (sys.executable, *flags, "-m", "wsgw.cli.worker")
    return asyncio.run(Supervisor(settings, files, command, watch=watch).run())


def run(serving: Serving) -> int:
    """Serve until a signal, in this process; gives the exit code."""
    import uvloop

    if code := prepared(serving.settings):
        return code
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serving.run())


class Serving:
    """One run of the command. Others serve with a difference: `open`, `prepared`, `ready`, `signals`, `end`."""

    def __init__(self, settings: Settings, files: tuple[Path, ...], watch: bool = False) -> None:
        self.settings = settings
        self._files = files
        self._watch = watch
        #: Where Python handlers are looked for.
        self.base = files[0].parent if files else Path.cwd()
        self._modules = Modules(self.base)
        self._stop = asyncio.Event()

    async def run(self) -> int:
        from wsgw.app import App
        from wsgw.cli.stored_following import Stored
        from wsgw.definitions.finding import has_errors
        from wsgw.edge.safety import NotSafe
        from wsgw.errors import DefinitionError, StoreUnavailable
        from wsgw.stores.document_store import place_of

        self._stored = Stored(self.settings)
        try:
            await self._stored.begin()
        except StoreUnavailable as error:
            click.echo(f"wsgw: {error}", err=True)
            return 1
        # Before they are read: what is saved while the gateway starts is a change, too.
        read = self._stamps()
        definitions = self._definitions()
        self._report(definitions.findings)
        if has_errors(definitions.findings):
            return 1
        app = App(
            self.settings,
            access_keys=definitions.access_keys,
            management_tokens=definitions.management_tokens,
            api_keys=definitions.api_keys,
            usage_plans=definitions.usage_plans,
        )
        self._app = app
        self._apis = definitions.apis
        self._domain_names = definitions.domain_names
        try:
            listening = await self.open(app, definitions.apis)
        except (NotSafe, DefinitionError, OSError, ValueError) as error:
            self._report(str(error).splitlines())
            await app.stop(drain=0)
            await self.end()
            return 1
        if not definitions.apis:
            none = "the files define no API" if self._files else f"no API is stored in {place_of(self.settings)}"
            click.echo(f"wsgw: {none}: every request is refused", err=True)
        if not app.guarded and any(api.protocol == "WEBSOCKET" for api in definitions.apis):
            click.echo(
                "wsgw: no access keys and no management tokens: @connections is open to callers on this machine only",
                err=True,
            )
        self.signals()
        _let_garbage_be()
        self.ready(listening)
        sys.stdout.flush()
        watchers = [asyncio.create_task(self._watch_files(read))] if self._watch else []
        if app.documents is not None:
            app.on_announcement(self._stored.announced)
            watchers.append(asyncio.create_task(self._stored.follow(app.documents, self.redeploy)))
        await self._stop.wait()
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        cut_off = await app.stop()
        if cut_off:
            click.echo(f"wsgw: {cut_off} invocations did not finish in time", err=True)
        await self.end()
        return 0

    async def open(self, app: App, apis: tuple[Api, ...]) -> Listening:
        """Serve `apis`. Raises NotSafe, DefinitionError, OSError and ValueError."""
        await app.prepare()
        # Before the first client: it would be refused.
        app.deploy(self.prepared(apis), self.base, domain_names=self._domain_names)
        return await app.listen()

    def prepared(self, apis: tuple[Api, ...]) -> tuple[Api, ...]:
        """What is deployed of what the files define."""
        return apis

    def ready(self, listening: Listening) -> None:
        """Say where it is served."""
        click.echo(f"ready data={listening.data} control={listening.control} node={listening.node} workers=1")
        for line in addresses(listening.data, self._apis, self._domain_names):
            click.echo(f"wsgw: {line}", err=True)
        notify(READY)

    async def end(self) -> None:
        """Stop what `open` has started beside the gateway, as far as it got."""

    def signals(self) -> None:
        """Answer signals from here on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        loop.add_signal_handler(signal.SIGUSR1, self._app.reopen_access_log)
        loop.add_signal_handler(signal.SIGUSR2, self.redeploy)

    def _hang_up(self) -> None:
        self._app.reopen_access_log()
        self._app.reload_certificates()
        self.redeploy()

    def _end(self) -> None:
        if self._stop.is_set():
            # Asked twice: whoever asks does not want to wait for the drain.
            sys.stderr.flush()
            os._exit(1)
        self._stop.set()
        notify(STOPPING)
        count, seconds = len(self._app.node), self.settings.drain_seconds
        if count and seconds:
            message = f"closing all connections ({count}) over {seconds:g} s; a second signal ends it now"
            click.echo(f"wsgw: {message}", err=True)

    @staticmethod
    def _report(findings: Any) -> None:
        for finding in findings:
            click.echo(f"wsgw: {finding}", err=True)

    def redeploy(self) -> bool:
        """Read the files again and serve them; if anything is wrong, say what, and serve what was served before."""
        from wsgw.definitions.finding import has_errors
        from wsgw.errors import DefinitionError

        try:
            definitions = self._definitions()
            self._report(definitions.findings)
            if has_errors(definitions.findings):
                click.echo("wsgw: not deployed; what was deployed before is still served", err=True)
                return False
            self._app.deploy(self.prepared(definitions.apis), self.base, domain_names=definitions.domain_names)
            self._app.admit(definitions.access_keys, definitions.management_tokens)
            self._app.admit_keys(definitions.api_keys, definitions.usage_plans)
        except (DefinitionError, ValueError) as error:
            click.echo(f"wsgw: not deployed; what was deployed before is still served: {error}", err=True)
            return False
        except Exception:
            # A fault of ours: it must neither end the watch nor pass in silence.
            log.exception("not deployed; what was deployed before is still served")
            return False
        click.echo("wsgw: deployed", err=True)
        return True

    def _definitions(self) -> Definitions:
        """What the files and the store define now."""
        from wsgw.cli.definition_files import read_definitions
        from wsgw.formats.openapi import pseudo_parameters_of

        settings = self.settings
        pseudo_parameters = pseudo_parameters_of(settings.region, settings.account_id)
        return read_definitions(
            self._files,
            os.environ,
            stage=settings.stage,
            stored=self._stored.parsed,
            pseudo_parameters=pseudo_parameters,
        )

    async def _watch_files(self, seen: list[tuple[int, int] | None]) -> None:
        self._modules.saved()
        while True:
            await asyncio.sleep(0.3)
            now, saved = self._stamps(), self._modules.saved()
            if now == seen and not saved:
                continue
            seen = now
            # Their state goes with them: only where Python itself was saved are modules loaded anew.
            loaded = self._modules.forget() if saved else {}
            done = self.redeploy()
            self._modules.deployed(done)
            if not done:
                self._modules.put_back(loaded)

    def _stamps(self) -> list[tuple[int, int] | None]:
        stamps: list[tuple[int, int] | None] = []
        for file in self._files:
            try:
                stat = file.stat()
                stamps.append((stat.st_mtime_ns, stat.st_size))
            except OSError:
                # Editors replace a file by renaming another over it: for a moment there is none.
                stamps.append(None)
        return stamps


def _let_garbage_be() -> None:
    """Look for cycles less often. What stands once the gateway serves stays, and what a message or a push makes goes by
    counts of references alone; looking for cycles after every 700 new objects cost a push a seventh of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
