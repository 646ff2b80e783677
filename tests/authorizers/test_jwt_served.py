"""JWT authorizers in a definition file, served by `wsgw serve`: from the file's text to a client's answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket
from tests.harness.serving import serving
from tests.harness.token_issuer import JWKS, TokenIssuer

DEFINITION = """
apis:
  app:
    protocol: HTTP
    authorizers:
      tokens:
        type: JWT
        identitySource: $request.header.Authorization
        issuer: {issuer}
        audience: [app]
    routes:
      GET /pets:
        authorizer: tokens
        integration: {{type: HTTP_PROXY, uri: "{issuer}/pets"}}
      GET /orders:
        authorizer: tokens
        authorizationScopes: [orders/read]
        integration: {{type: HTTP_PROXY, uri: "{issuer}/pets"}}
    stages: {{prod: {{}}}}
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    authorizers:
      tokens:
        type: JWT
        identitySource: [route.request.querystring.token]
        issuer: {issuer}
        audience: [app]
    routes:
      $connect: {{authorizer: tokens}}
    stages: {{live: {{}}}}
"""


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    one = await TokenIssuer(time.time).start()
    yield one
    await one.stop()


@pytest.mark.slow
async def test_a_file_with_jwt_authorizers_is_served(issuer: TokenIssuer, tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    file.write_text(DEFINITION.format(issuer=issuer.url))
    issuer.backend.on("/pets", body="pets")
    async with serving(file) as gateway, aiohttp.ClientSession() as client:
        await issuer.backend.wait_for(JWKS)  # before anybody asks
        url = gateway.ready["data"] + "/app/prod"

        async def status(path: str, **claims: object) -> int:
            async with client.get(url + path, headers={"Authorization": f"Bearer {issuer.token(**claims)}"}) as answer:
                return answer.status

        assert await status("/pets") == 200
        assert await status("/pets", aud="another") == 401
        assert await status("/pets", exp=int(time.time()) - 1) == 401
        assert await status("/orders") == 403
        assert await status("/orders", scope="orders/read") == 200
        async with client.get(url + "/pets") as answer:
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        secret = issuer.token()
        await gateway.connect(f"/chat/live?token={secret}")
        with pytest.raises(HandshakeRefused) as refusal:
            await RawWebSocket.connect(gateway.ready["data"].replace("http", "ws", 1) + "/chat/live?token=x")
        assert refusal.value.response.status == 401
        issuer.rotate("second")
        assert await status("/pets") == 200
    assert secret not in "\n".join(gateway.log)
