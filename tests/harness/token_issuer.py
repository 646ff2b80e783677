"""An OpenID Connect issuer for tests: keys, tokens, and the documents that it serves, each as the test says."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.harness.backend import Backend

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys.json"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key, always the same for the same name within one process: making one takes a while."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str, **members: Any) -> dict[str, Any]:
    """The public half of `key` as a JSON Web Key; a member that is None is left out."""
    of_kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    made = {**of_kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **members}
    made.pop("key_ops", None) if "key_ops" not in members else None
    return {name: value for name, value in made.items() if value is not None}


def segment(value: Any) -> str:
    """One segment of a token; `value` as JSON, unless it is bytes."""
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: Any, claims: Any, key: Any, algorithm: str = "RS256") -> str:
    """A token with exactly this header and these claims, objects or bytes, signed as `algorithm` says."""
    text = f"{segment(header)}.{segment(claims)}"
    signature = jwt.PyJWS().get_algorithm_by_name(algorithm).sign(text.encode(), key)
    return f"{text}.{segment(signature)}"


class TokenIssuer:
    """Serves discovery and keys over a socket. `url` is the issuer; `backend` says what was asked of it.

    `now` gives the time that tokens are issued at.
    """

    def __init__(self, now: Any) -> None:
        self.backend = Backend()
        self._now = now
        self.kid = "first"

    @property
    def url(self) -> str:
        return self.backend.url

    @property
    def key(self) -> rsa.RSAPrivateKey:
        return rsa_key(self.kid)

    async def start(self) -> TokenIssuer:
        await self.backend.start()
        self.serve()
        return self

    async def stop(self) -> None:
        await self.backend.stop()

    def serve(self, *keys: dict[str, Any], **discovery: Any) -> None:
        """Serve these keys (its own, if there are none) and a discovery document with these members."""
        document = {"issuer": self.url, "jwks_uri": self.url + JWKS, **discovery}
        self.backend.on(DISCOVERY, body=json.dumps(document))
        self.backend.on(JWKS, body=json.dumps({"keys": list(keys) or [jwk(self.key, self.kid, alg="RS256")]}))

    def rotate(self, kid: str) -> None:
        """Sign with another key from now on, and serve only that one."""
        self.kid = kid
        self.serve()

    def fail(self, status: int = 500) -> None:
        self.backend.on(DISCOVERY, status=status)
        self.backend.on(JWKS, status=status)

    def answer(self, path: str, answer: Any) -> None:
        self.backend.answer(path, answer)

    def claims(self, **members: Any) -> dict[str, Any]:
        """Good claims for the audience `app` and the subject `ada`, an hour long; one that is None is left out."""
        now = int(self._now())
        made = {"iss": self.url, "aud": "app", "sub": "ada", "iat": now - 1, "exp": now + 3600, **members}
        return {name: value for name, value in made.items() if value is not None}

    def header(self, **members: Any) -> dict[str, Any]:
        made = {"alg": "RS256", "typ": "JWT", "kid": self.kid, **members}
        return {name: value for name, value in made.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token with these claims beside the good ones."""
        return signed(self.header(**(header or {})), self.claims(**claims), self.key)

    def asked(self, path: str = JWKS) -> int:
        """How often `path` was asked for."""
        return len(self.backend.got(path))

    @property
    def requests(self) -> int:
        return len(self.backend.requests)


def redirect(to: str) -> Any:
    return lambda _request: web.Response(status=302, headers={"Location": to})
