"""Sends a case's request byte for byte as it says, and reads the answer: no library's client would leave it alone."""

from __future__ import annotations

import asyncio
import base64
from typing import NamedTuple

from tests.parity.cases import Case

#: What the client that the cases were recorded with sends, unless a case says otherwise.
_USUAL = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "python-requests/2.32"}


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


def body_of(case: Case) -> bytes | None:
    request = case["request"]
    if "body_base64" in request:
        return base64.b64decode(request["body_base64"])
    body = request.get("body")
    return body.encode() if isinstance(body, str) else None


def head_of(case: Case, target: str, host: str, body: bytes | None) -> bytes:
    request = case["request"]
    given = request.get("headers", {})
    omitted = {name.lower() for name in (*given, *request.get("omit_headers", ()))}
    lines = [f"{request['method']} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in _USUAL.items() if name.lower() not in omitted]
    lines += [f"{name}: {value}" for name, value in given.items() if value is not None]
    for name, values in request.get("repeat_headers", {}).items():
        lines += [f"{name}: {value}" for value in values]
    if body is not None or request["method"] in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body or b'')}")
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("latin-1")


async def send(url: str, head: bytes, body: bytes) -> Answer:
    """Send to the gateway at `url`; the connection is closed behind the answer."""
    host, _, port = url.partition("://")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head + body)
        data = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
    lines, _, payload = data.partition(b"\r\n\r\n")
    first, *rest = lines.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in rest)]
    if any(name.lower() == "transfer-encoding" for name, _ in headers):
        payload = _unchunked(payload)
    return Answer(int(first.split()[1]), headers, payload)


def _unchunked(payload: bytes) -> bytes:
    body = b""
    while payload:
        size, _, payload = payload.partition(b"\r\n")
        length = int(size, 16)
        body, payload = body + payload[:length], payload[length + 2 :]
        if not length:
            break
    return body
