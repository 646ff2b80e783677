"""HTTP APIs as their users write them, and a client that asks them for paths as they are given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

import aiohttp
from yarl import URL

from tests.harness.gateway import TestGateway
from wsgw.definitions.api import Api
from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse


class Answer(NamedTuple):
    """What a client got: `headers` in order, names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        found = self.all(name)
        return found[0] if found else None

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks one gateway; `host` is said where a request has no Host of its own. No header is added but what it needs."""

    def __init__(self, session: aiohttp.ClientSession, gateway: TestGateway, host: str = "web.localhost") -> None:
        self._session = session
        self._gateway = gateway
        self._host = host

    async def ask(
        self, target: str, method: str = "GET", headers: Any = (), data: bytes | IO[bytes] | None = None, **more: Any
    ) -> Answer:
        """The answer to one request; `target` goes out as it stands."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if not any(name.lower() == "host" for name, _ in pairs):
            pairs.insert(0, ("Host", self._host))
        url = URL(self._gateway.url + target, encoded=True)
        async with self._session.request(
            method, url, headers=pairs, data=data, allow_redirects=False, **more
        ) as answer:
            body = await answer.read()
            found = [(name.decode().lower(), value.decode("latin-1")) for name, value in answer.raw_headers]
            return Answer(answer.status, found, body)


def new_session() -> aiohttp.ClientSession:
    """A session that shows answers as they came, and says nothing of its own."""
    own = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
    return aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=own, cookie_jar=aiohttp.DummyCookieJar())


def web_api(routes: Mapping[str, Any], **members: Any) -> Api:
    """The HTTP API `web` of a native definition; `members` by their names there. Nothing may be wrong with it."""
    text = json.dumps({"apis": {"web": {"protocol": "HTTP", "routes": routes, **members}}})
    parsed = parse(text.encode(), "web.yaml", {})
    assert parsed.findings == ()
    return freeze(parsed.documents[0])


def proxy(uri: str, **members: Any) -> dict[str, Any]:
    """A route that is proxied to `uri`; `members` of its integration."""
    return {"integration": {"type": "HTTP_PROXY", "uri": uri, **members}}


def function(version: str = "2.0", uri: str = "handle", **members: Any) -> dict[str, Any]:
    """A route to a Lambda function."""
    return {"integration": {"type": "AWS_PROXY", "uri": uri, "payloadFormatVersion": version, **members}}
