"""Requests that botocore signs, as a server would receive them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from wsgw.authorizers.iam import SignatureVerifier, SignedRequest
from wsgw.definitions.access import AccessKey

NOW = int(datetime(2026, 9, 25, 12, 0, 0, tzinfo=UTC).timestamp())
HOST = "chat.execute-api.us-east-1.amazonaws.com"
CONNECTION = "/prod/@connections/Zm9vYmFyYmF6cXV4Zm9vYmFyYmE%3D"
KEY = AccessKey(
    access_key_id="AKIDEXAMPLE",
    secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    principal="arn:aws:iam::000000000000:user/backend",
)


def sign(
    method: str = "POST",
    target: str = CONNECTION,
    headers: dict[str, str] | None = None,
    body: bytes = b'{"text":"hello"}',
    *,
    key: AccessKey = KEY,
    service: str = "execute-api",
    region: str = "us-east-1",
    at: float = NOW,
    presigned: bool = False,
    expires: int = 60,
    params: dict[str, str] | None = None,
) -> SignedRequest:
    """What arrives when botocore signs this request at epoch second `at`."""
    credentials = Credentials(key.access_key_id, key.secret, key.session_token)
    if presigned:
        auth: Any = SigV4QueryAuth(credentials, service, region, expires)
    else:
        auth = SigV4Auth(credentials, service, region)
    request = AWSRequest(method, f"https://{HOST}{target}", headers, body, params)
    with patch("botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(at, UTC)):
        auth.add_auth(request)
    sent = request.prepare()
    received = [("Host", HOST)] if "host" not in sent.headers else []
    received += [(name, value if isinstance(value, str) else value.decode()) for name, value in sent.headers.items()]
    return SignedRequest(method, sent.url.removeprefix(f"https://{HOST}"), received, body)


def verifier(*keys: AccessKey, now: float = NOW, **options: Any) -> SignatureVerifier:
    """A verifier that knows `keys` (KEY if none are given) and whose clock stands at `now`."""
    known = {key.access_key_id: key for key in keys or (KEY,)}
    return SignatureVerifier(known.get, now=lambda: now, **options)


def altered(request: SignedRequest, **changes: Any) -> SignedRequest:
    """`request` with some of its parts replaced."""
    parts = {name: getattr(request, name) for name in SignedRequest.__slots__}
    return SignedRequest(**{**parts, **changes})


def with_header(request: SignedRequest, name: str, value: str | None) -> SignedRequest:
    """`request` with the header `name` replaced or added; None takes it away."""
    headers = [pair for pair in request.headers if pair[0].lower() != name.lower()]
    return altered(request, headers=headers if value is None else [*headers, (name, value)])
