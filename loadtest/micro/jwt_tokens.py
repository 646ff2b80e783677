"""What a JWT authorizer costs a request: `python loadtest/micro/jwt_tokens.py`.

RS256 with a key of 2048 bits and claims as Cognito's, each token another one where it is verified for the first time.
Prints the median of several rounds in microseconds per call, and its ratio to PyJWT's own `decode` in the same run.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from wsgw.authorizers.jwks_source import IssuerKeys, KeysPlace
from wsgw.authorizers.jwt import JwtAuthorizer, JwtTokens
from wsgw.authorizers.jwt_token import token_reader
from wsgw.caller import Caller
from wsgw.header_fields import HeaderFields
from wsgw.invocation import HttpInvocation

ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example01"
AUDIENCE = "1example23456789"
ROUNDS, TOKENS = 9, 500
KEY = generate_private_key(65537, 2048)


def token(number: int) -> str:
    now = int(time.time())
    claims = {
        "sub": f"aaaaaaaa-bbbb-cccc-dddd-{number:012}",
        "cognito:groups": ["admins", "staff"],
        "email_verified": True,
        "iss": ISSUER,
        "cognito:username": f"user-{number}",
        "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-111111111111",
        "aud": AUDIENCE,
        "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
        "token_use": "id",
        "auth_time": now,
        "exp": now + 3600,
        "iat": now,
        "jti": "aaaaaaaa-bbbb-cccc-dddd-222222222222",
        "email": f"user-{number}@example.com",
    }
    return jwt.encode(claims, KEY, "RS256", {"kid": "key"})


def request(text: str) -> HttpInvocation:
    site: Any = None
    fields = HeaderFields([("Host", "api.example.com"), ("Authorization", f"Bearer {text}")])
    caller = Caller()
    return HttpInvocation(site, caller, "id", 0, "GET", "/", "/", "", fields)


def keys(directory: str) -> IssuerKeys:
    file = Path(directory) / "keys.json"
    member = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    file.write_text(json.dumps({"keys": [{**member, "kid": "key", "alg": "RS256"}]}))
    made = IssuerKeys(
        KeysPlace(ISSUER, file=file), _nobody, asyncio.ensure_future, time.time, algorithms=("RS256",), refresh=3600
    )
    made.read_file()
    return made


async def _nobody(_url: str) -> Any:
    raise AssertionError


async def measure(name: str, call: Callable[[], Callable[[Any], Awaitable[Any]]], each: Sequence[Any]) -> float:
    """Print what a call costs; `call` makes what is called, anew for each round."""
    rounds = []
    for _ in range(ROUNDS):
        made = call()
        began = time.perf_counter()
        for one in each:
            await made(one)
        rounds.append((time.perf_counter() - began) / len(each) * 1e6)
    print(f"{name:<44}{median(rounds):8.1f} µs   (best {min(rounds):.1f})")
    return median(rounds)


async def main() -> None:
    texts = [token(number) for number in range(TOKENS)]
    requests = [request(text) for text in texts]
    public = KEY.public_key()
    read = token_reader("$request.header.Authorization", "$request")

    async def bare(text: str) -> Any:
        return jwt.decode(text, public, ["RS256"], audience=AUDIENCE, issuer=ISSUER)

    with tempfile.TemporaryDirectory() as directory:
        of_issuer = keys(directory)

        def authorizer() -> JwtAuthorizer:
            tokens = JwtTokens(of_issuer, ISSUER, (AUDIENCE,), time.time, leeway=0, remembered=10_000)
            return JwtAuthorizer(read, tokens, (), in_context=False)

        known = authorizer()
        for one in requests:
            await known.verify(one)
        decode = await measure("PyJWT's decode alone", lambda: bare, texts)
        first = await measure("authorizer, a token's first request", lambda: authorizer().verify, requests)
        again = await measure("authorizer, a token that is remembered", lambda: known.verify, requests)
    print(f"first: {first / decode:.2f} of PyJWT's decode; remembered: {again / decode:.3f} of it")


if __name__ == "__main__":
    asyncio.run(main())
