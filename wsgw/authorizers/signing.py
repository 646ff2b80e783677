"""SigV4 from the signer's side: the headers that make a request one of an AWS account's.

Shares its canonical forms with the verifier (`canonical.py`).
Source: IAM User Guide, "Create a signed AWS API request"; S3 API reference, "Signature calculations".
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Final, NamedTuple

from wsgw.authorizers.canonical import Pair, encoded_once, folded, header_lines, path_forms, query_forms
from wsgw.authorizers.claims import ALGORITHM, basic_date

TERMINATOR: Final = "aws4_request"
_SLASHES: Final = re.compile(r"//+")
#: Signed beside x-amz-*. Other headers are not: proxies may change them on the way, or a client library add them.
_SIGNED: Final = frozenset(("content-type", "content-md5", "host", "range"))


class Credentials(NamedTuple):
    """An access key of AWS, with the token that temporary ones have."""

    key_id: str
    secret: str
    token: str | None = None


def derive(secret: str, day: str, region: str, service: str) -> bytes:
    """The key that signs the requests of one day (YYYYMMDD), region and service."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, TERMINATOR):
        key = hmac_digest(key, part.encode(), "sha256")
    return key


_derived = lru_cache(maxsize=256)(derive)


def canonical_target(path: str, query: list[Pair], service: str) -> tuple[str, str]:
    """The path and query to send, so that they can be signed as they stand: encoded once, the query in order.

    S3 keeps repeated slashes, for they are part of a key; elsewhere signers take them for one.
    """
    once = encoded_once(path if service == "s3" else _SLASHES.sub("/", path))
    return once, query_forms(query)[0]


def signed_headers(
    method: str,
    path: str,
    query: str,
    headers: list[Pair],
    body: bytes,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    now: float,
) -> list[Pair]:
    """What to add to `headers`, which must have Host. `path` and `query` are of `canonical_target`; now in seconds."""
    date = basic_date(now)
    payload = sha256(body).hexdigest()
    added: list[Pair] = [("X-Amz-Date", date)]
    if credentials.token is not None:
        added.append(("X-Amz-Security-Token", credentials.token))
    if service == "s3":
        added.append(("X-Amz-Content-Sha256", payload))
    by_name = folded([*headers, *added])
    names = sorted(name for name in by_name if name in _SIGNED or name.startswith("x-amz-"))
    signed = ";".join(names)
    # S3 alone signs a path as it is sent; all others encode it once more.
    path_form = path if service == "s3" else next(path_forms(path))
    canonical = f"{method}\n{path_form}\n{query}\n{header_lines(names, by_name)}\n{signed}\n{payload}"
    scope = f"{date[:8]}/{region}/{service}/{TERMINATOR}"
    hashed = sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    key = _derived(credentials.secret, date[:8], region, service)
    signature = hmac_digest(key, f"{ALGORITHM}\n{date}\n{scope}\n{hashed}".encode(), "sha256").hex()
    claim = f"{ALGORITHM} Credential={credentials.key_id}/{scope}, SignedHeaders={signed}, Signature={signature}"
    return [*added, ("Authorization", claim)]
