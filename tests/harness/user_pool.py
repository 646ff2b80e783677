"""A Cognito user pool of one key, as far as a gateway sees it: its keys are served, its tokens are what a test says."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.harness.token_issuer import TokenIssuer, jwk
from wsgw.definitions.authorizer import Authorizer

POOL, CLIENT = "us-east-1_Pool", "client-1"
ARN = f"arn:aws:cognito-idp:us-east-1:000000000000:userpool/{POOL}"
ISSUER = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}"


class UserPool:
    """Tokens of it are good from now on, unless their claims say otherwise. `url` is for `cognito_endpoint`."""

    def __init__(self) -> None:
        self.issuer = TokenIssuer(time.time)

    async def start(self) -> UserPool:
        await self.issuer.start()
        keys = {"keys": [jwk(self.issuer.key, self.issuer.kid, alg="RS256")]}
        self.issuer.backend.on(f"/{POOL}/.well-known/jwks.json", body=json.dumps(keys))
        return self

    async def stop(self) -> None:
        await self.issuer.stop()

    @property
    def url(self) -> str:
        return self.issuer.url

    def id_token(self, **claims: Any) -> str:
        """An ID token; a claim that is None is left out."""
        return self.issuer.token(**{"iss": ISSUER, "aud": CLIENT, "token_use": "id", **claims})

    def access_token(self, scope: str | None, **claims: Any) -> str:
        members = {"iss": ISSUER, "aud": None, "client_id": CLIENT, "token_use": "access", "scope": scope}
        return self.issuer.token(**{**members, **claims})


def pool_authorizer(**members: Any) -> Authorizer:
    """An authorizer `pool` of this pool, with the token in Authorization."""
    members.setdefault("provider_arns", (ARN,))
    members.setdefault("identity_sources", ("method.request.header.Authorization",))
    return Authorizer(id="pool", name="pool", type="COGNITO_USER_POOLS", **members)
