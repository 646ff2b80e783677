"""Who may use a control port that has no authentication: callers of this machine, and no web page.

Whoever reaches it from another machine gets health and metrics, and nothing else. So that no web page can use it
through a browser on this machine, a request that names a foreign Host or carries an Origin is refused.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from wsgw.authorizers.management import is_loopback

#: What another machine may ask for. All else is for callers of this one, whatever is added to it.
_FOR_ALL = frozenset(("/healthz", "/readyz", "/metrics"))


def guard(host: str) -> Middleware:
    """The middleware for a control port that listens on `host`."""
    hosts = {host, f"[{host}]", "127.0.0.1", "localhost", "[::1]"}
    on_all_addresses = host in ("0.0.0.0", "::")

    def is_own(named: str) -> bool:
        """Whether a Host header names this machine. Only names can be made to lead here: an address is what it is."""
        name = named if named.endswith("]") else named.rpartition(":")[0] or named
        return name in hosts or (on_all_addresses and _is_address(name))

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_own(request.host) or "Origin" in request.headers:
            return json_response(403, {"message": "The control port answers no web page: wrong Host, or an Origin"})
        if request.path not in _FOR_ALL and not is_loopback(request.remote or ""):
            return json_response(403, {"message": "This is for callers on the gateway's own machine"})
        return await handler(request)

    return guarded


def json_response(status: int, document: Any) -> web.Response:
    """An answer of the control port."""
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
