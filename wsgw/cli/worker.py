"""What the supervisor starts: one worker, which serves as `wsgw serve` does, on sockets that it is given.

It is no command for people: without a supervisor at the other end of its pipes it refuses.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from wsgw.cli.addresses import addresses
from wsgw.cli.serve import Serving, run
from wsgw.server.worker import Leash, Ready

if TYPE_CHECKING:
    from wsgw.app import App, Listening
    from wsgw.definitions.api import Api


def main() -> int:
    """Serve as ordered; gives the exit code."""
    # A crash in native code ends with where it was.
    faulthandler.enable()
    try:
        leash = Leash.taken()
    except (OSError, ValueError, msgspec.DecodeError):
        click.echo("wsgw: this is started by `wsgw serve --workers N`, which says what to serve", err=True)
        return 2
    sys.dont_write_bytecode |= leash.order.watch
    try:
        return run(Worker(leash))
    finally:
        leash.clean_up()


class Worker(Serving):
    """Serves on the sockets of a slot, and drains when told, or when its supervisor is gone."""

    def __init__(self, leash: Leash) -> None:
        order = leash.order
        super().__init__(order.settings, tuple(map(Path, order.files)), order.watch)
        self._leash = leash

    async def open(self, app: App, apis: tuple[Api, ...]) -> Listening:
        await app.prepare()
        app.deploy(self.prepared(apis), self.base, domain_names=self._domain_names)
        return await app.listen(self._leash.sockets(), self._leash.order.control)

    def ready(self, listening: Listening) -> None:
        self._leash.report(
            Ready(
                node=listening.node,
                data=listening.data,
                addresses=addresses(listening.data, self._apis, self._domain_names),
            )
        )

    def signals(self) -> None:
        loop = asyncio.get_running_loop()
        # One that comes twice (to this process, and to all of its service) is no reason to hurry: a supervisor that
        # is asked to kills.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGUSR1, self._app.reopen_access_log)
        loop.add_signal_handler(signal.SIGUSR2, self.redeploy)
        self._leash.when_lost(self._stop.set)


if __name__ == "__main__":
    sys.exit(main())
