"""Where the control port listens: of a node and of the supervisor of many."""

from __future__ import annotations

from aiohttp import web

from wsgw.edge.listeners import Address, cannot_listen
from wsgw.settings import Settings

_OPTION = "--control-port"


async def open_port(runner: web.AppRunner, settings: Settings) -> str:
    """Serve what `runner` runs, which is set up, where the settings say; gives the URL. Raises OSError."""
    try:
        await web.TCPSite(runner, settings.control_host, settings.control_port).start()
    except OSError as error:
        raise cannot_listen(error, _OPTION, settings.control_host, settings.control_port) from error
    host, port = runner.addresses[0][:2]
    return Address(False, host, port, _OPTION).url


async def open_unix_socket(runner: web.AppRunner, path: str) -> str:
    """Serve what `runner` runs, which is set up, on the Unix socket `path`; gives its URL."""
    await web.UnixSite(runner, path).start()
    return f"unix:{path}"
