"""`wsgw demo`: the gateway with the chat example, whose HTTP backend (and its page) runs on the same loop."""

from __future__ import annotations

import errno
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

import wsgw
from wsgw.cli.options import WithHeadings, settings_from, with_settings
from wsgw.cli.serve import Serving, run
from wsgw.settings import Settings

if TYPE_CHECKING:
    from aiohttp import web

    from wsgw.app import App, Listening
    from wsgw.definitions.api import Api

_HOST, _PAGE_PORT = "127.0.0.1", 8090


@click.command(cls=WithHeadings)
@click.option(
    "--page-port",
    type=click.IntRange(0, 65535),
    help=f"Port of the chat page; 0 picks a free one  [default: {_PAGE_PORT}, a free one if that is taken]",
)
@with_settings
def demo(page_port: int | None, **options: Any) -> None:
    """Serve the bundled chat example with its page: open the page in two tabs.

    The page and the chat's backend are for this machine only, wherever the gateway listens.
    """
    settings, sources = settings_from(options)
    # A drain is for the thousands who would all come back at once, and an access log would bury the page's address.
    for name, value in (("drain_seconds", 0.0), ("access_log", "")):
        if sources[name] == "default":
            settings = msgspec.structs.replace(settings, **{name: value})
    if settings.workers > 1:
        click.echo("wsgw: --workers: the demo is one process; use `wsgw serve` for more", err=True)
        sys.exit(2)
    sys.exit(run(Demo(settings, page_port)))


class Demo(Serving):
    """Serves the example, its backend beside it; the definition's stage variable `backend` names that."""

    def __init__(self, settings: Settings, page_port: int | None = None) -> None:
        self._directory = example_directory()
        super().__init__(settings, (self._directory / "wsgw.yaml",))
        self._page_port = page_port
        self._runner: web.AppRunner | None = None
        self._page = ""

    async def open(self, app: App, apis: tuple[Api, ...]) -> Listening:
        listening = await app.start()
        await self._open_page(listening)
        app.deploy(self.prepared(apis), self._directory)
        return listening

    async def _open_page(self, listening: Listening) -> None:
        from aiohttp import web

        tokens = self.settings.management_tokens
        backend = _module(self._directory / "backend.py")
        application = backend.application(self._websocket_url(listening), tokens[0] if tokens else "")
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        await self._listen(self._runner)
        self._page = f"http://{_HOST}:{self._runner.addresses[0][1]}"

    async def _listen(self, runner: web.AppRunner) -> None:
        from aiohttp import web

        port = _PAGE_PORT if self._page_port is None else self._page_port
        try:
            await web.TCPSite(runner, _HOST, port).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if self._page_port is not None:
                raise OSError(f"port {port} is taken: choose another with --page-port, 0 for a free one") from error
            click.echo(f"wsgw: port {port} is taken: the chat page is on a free one", err=True)
            await web.TCPSite(runner, _HOST, 0).start()

    def _websocket_url(self, listening: Listening) -> str:
        base = self.settings.public_url.rstrip("/") or listening.data
        # Listening on every address, the gateway is at this one too.
        base = base.replace("//0.0.0.0:", f"//{_HOST}:").replace("//[::]:", "//[::1]:")
        return base.replace("http", "ws", 1) + "/chat/prod"

    def prepared(self, apis: tuple[Api, ...]) -> tuple[Api, ...]:
        (api,) = apis
        prod = api.stages["prod"]
        stage = msgspec.structs.replace(prod, variables={**prod.variables, "backend": self._page})
        return (msgspec.structs.replace(api, stages={"prod": stage}),)

    def ready(self, listening: Listening) -> None:
        super().ready(listening)
        click.echo(f"chat page {self._page}/")

    async def end(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


def example_directory() -> Path:
    """Where the example is: in an installed package, or in the checkout that the package stands in."""
    package = Path(wsgw.__file__).parent
    bundled = package / "_examples" / "chat"
    return bundled if bundled.is_dir() else package.parent / "examples" / "chat"


def _module(file: Path) -> Any:
    """The module in `file`, under a name that no other module has."""
    spec = importlib.util.spec_from_file_location("wsgw_example_chat", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
