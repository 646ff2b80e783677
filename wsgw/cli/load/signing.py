"""SigV4 signatures for posts to @connections, at some microseconds each.

botocore takes some hundred microseconds for one, which would make a load generator measure itself. Source: IAM user
guide, "Create a signed AWS API request"; service `execute-api`, whose canonical path is encoded twice.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote

from wsgw.cli.load.plan import Credentials

_SERVICE = "execute-api"


class Signer:
    """Signs requests to one host. `now` gives epoch seconds."""

    def __init__(self, credentials: Credentials, host: str, now: Callable[[], float] = time.time) -> None:
        self._credentials = credentials
        self._host = host
        self._now = now
        self._second = -1
        self._date = self._scope = ""
        self._key = hmac.new(b"", digestmod=sha256)

    def headers(self, method: str, path: str, body: bytes) -> bytes:
        """The header lines that sign a request without a query. `path`: as it goes over the wire."""
        if int(self._now()) != self._second:
            self._turn(int(self._now()))
        token = self._credentials.session_token
        token_line = f"x-amz-security-token:{token}\n" if token else ""
        signed = "host;x-amz-date;x-amz-security-token" if token else "host;x-amz-date"
        canonical = (
            f"{method}\n{quote(path, safe='/~')}\n\nhost:{self._host}\nx-amz-date:{self._date}\n{token_line}\n"
            f"{signed}\n{sha256(body).hexdigest()}"
        )
        digest = sha256(canonical.encode()).hexdigest()
        mac = self._key.copy()
        mac.update(f"AWS4-HMAC-SHA256\n{self._date}\n{self._scope}\n{digest}".encode())
        extra = f"X-Amz-Security-Token: {token}\r\n" if token else ""
        return (
            f"X-Amz-Date: {self._date}\r\n{extra}Authorization: AWS4-HMAC-SHA256 "
            f"Credential={self._credentials.access_key}/{self._scope}, SignedHeaders={signed}, "
            f"Signature={mac.hexdigest()}\r\n"
        ).encode()

    def _turn(self, second: int) -> None:
        self._second = second
        self._date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day, region = self._date[:8], self._credentials.region
        self._scope = f"{day}/{region}/{_SERVICE}/aws4_request"
        key = b"AWS4" + self._credentials.secret_key.encode()
        for part in (day, region, _SERVICE, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = hmac.new(key, digestmod=sha256)
