"""Several nodes whose APIs are behind one authorizer, which the test plays: it says who is who, and counts questions.

async with GuardedCluster(tmp_path, [redis.url] * 3, door) as cluster:
    client = await cluster.enter(cluster.nodes[0], "ada")
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from tests.harness.backend import Backend, Received
from tests.harness.cluster import LEASE, ClusterUnderTest
from tests.harness.node import NodeUnderTest
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from tests.harness.staying import allowed

KEY = "partner-value-of-20-or-more"
OTHER_KEY = "another-value-of-20-or-more"
#: A WebSocket API, and a REST API with one method behind the authorizer and one for holders of API keys.
APIS = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    authorizers: {{door: {{type: REQUEST, uri: "DOOR/chat", identitySource: route.request.header.Authorization}}}}
    routes:
      $connect:
        authorizer: door
        integration: {{type: MOCK, requestTemplates: {{$default: '{{"statusCode": 200}}'}}}}
      who:
        integration: {{type: MOCK, responseTemplates: {{$default: '{{"who":"$context.authorizer.principalId"}}'}}}}
        twoWay: true
    stages:
      prod: {{limits: {{newConnectionsPerSecond: 0}}, tokens: {{ticket: ticket}}, tokenExpiry: CLOSE}}
  pets:
    protocol: REST
    authorizers:
      door: {{type: TOKEN, uri: "DOOR/pets", identitySource: method.request.header.X-Token, resultTtlInSeconds: 300}}
    routes:
      GET /guarded:
        authorizer: door
        integration: {{type: MOCK, requestTemplates: {{application/json: '{{"statusCode": 200}}'}}}}
      GET /keyed:
        apiKeyRequired: true
        integration: {{type: MOCK, requestTemplates: {{application/json: '{{"statusCode": 200}}'}}}}
    stages: {{dev: {{}}}}
"""
KEYS = f"""
apiKeys:
  partner: {{{{value: {KEY}}}}}
  another: {{{{value: {OTHER_KEY}}}}}
"""


class Door:
    """The authorizer: who has a token is the principal of that name, who is in `denied` is refused.

    `asked`: how often it was asked about each token. `open`: while it is not set, questions wait. `more`: members of
    each result, such as `expiresAt`.
    """

    def __init__(self, backend: Backend) -> None:
        self.asked: Counter[str] = Counter()
        self.denied: set[str] = set()
        self.more: dict[str, Any] = {}
        self.open = asyncio.Event()
        self.open.set()
        self.url = backend.url
        for path in ("/chat", "/pets"):
            backend.answer(path, self._answer)

    async def _answer(self, request: Received) -> web.StreamResponse:
        event = json.loads(request.body)
        headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
        token = event.get("authorizationToken") or headers["authorization"]
        self.asked[token] += 1
        result = None if token in self.denied else allowed(token, **self.more)
        await self.open.wait()
        return web.Response(status=403) if result is None else web.json_response(result)


class Told(NamedTuple):
    """An answer of a control port."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class GuardedCluster(ClusterUnderTest):
    """Nodes that serve `APIS` behind `door`. definition: what they serve besides, or apis: in place of those."""

    def __init__(
        self,
        directory: Path,
        urls: Sequence[str],
        door: Door,
        *options: str,
        definition: str = "",
        apis: str = APIS,
        lease: float = LEASE,
    ) -> None:
        whole = (apis + definition).replace("DOOR", door.url)
        super().__init__(directory, urls, *options, lease=lease, definition=whole)
        self._entered: list[RawWebSocket] = []

    async def __aexit__(self, *error: object) -> None:
        for client in self._entered:
            await client.drop()
        await super().__aexit__(*error)

    async def enter(
        self, node: NodeUnderTest, token: str = "", *, query: str = "", path: str = "/prod", key: str = ""
    ) -> RawWebSocket:
        """A client that shows this token, or API key, connected. Raises HandshakeRefused."""
        headers = [(name, value) for name, value in (("Authorization", token), ("x-api-key", key)) if value]
        client = await RawWebSocket.connect(f"{node.url.replace('http', 'ws', 1)}{path}{query}", headers)
        self._entered.append(client)
        return client

    async def status(self, node: NodeUnderTest, token: str = "", **shown: str) -> int:
        """What a handshake is answered."""
        try:
            await self.enter(node, token, **shown)
        except HandshakeRefused as refused:
            return refused.response.status
        return 101


async def get(node: NodeUnderTest, path: str, **headers: str) -> int:
    """The status of a request to the REST API; `x_token` is the header X-Token."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.get(f"{node.url}/pets/dev{path}", headers=named) as answer:
        return answer.status


async def tell(control: str, method: str, path: str, document: Any = None) -> Told:
    """The answer of the control port at this URL."""
    body = None if document is None else json.dumps(document).encode()
    async with aiohttp.ClientSession() as session, session.request(method, control + path, data=body) as answer:
        return Told(answer.status, await answer.read())


async def wsgw(*words: str) -> str:
    """Run the command with these words; gives its output. It must succeed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "wsgw", *words, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()
