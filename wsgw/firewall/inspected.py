"""A request or handshake as rules see it: each part in bytes, made when a rule first asks for it."""

from __future__ import annotations

from urllib.parse import unquote_plus

from wsgw.firewall.addresses import Address, source_address
from wsgw.invocation import HttpInvocation, Invocation

Pairs = list[tuple[bytes, bytes]]


def as_bytes(text: str) -> bytes:
    """Texts of heads are Latin-1; what is not was decoded from UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        # Not `surrogateescape`, which fails for other surrogates: nothing may.
        return text.encode("utf-8", "surrogatepass")


class Inspected:
    """One invocation on its way through a web ACL. `labels`: those that rules have put on it.

    Addresses are what the gateway believes: X-Forwarded-For is the client's own word only from proxies that are
    trusted. Of a handshake there is no body.
    """

    __slots__ = (
        "_arguments",
        "_cookies",
        "body",
        "invocation",
        "labels",
        "method",
        "path",
        "query",
    )

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self.labels: set[str] = set()
        self.body = invocation.body
        if isinstance(invocation, HttpInvocation):
            self.method, self.path, self.query = invocation.method, invocation.path, invocation.raw_query
        else:
            target = "" if invocation.received is None else invocation.received.target
            self.method = "GET"
            self.path, _, self.query = target.partition("?")
        self._arguments: list[tuple[str, bytes]] | None = None
        self._cookies: Pairs | None = None

    @property
    def address(self) -> Address | None:
        """Where it came from; None for what is no address, as of a Unix socket."""
        return source_address(self.invocation.caller.source_ip)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """All header lines."""
        invocation = self.invocation
        if isinstance(invocation, HttpInvocation):
            return [*invocation.fields.lines, *invocation.forwarded]
        return [line for line in invocation.headers if line[0] != "X-Amzn-Trace-Id"]

    def header(self, name: str) -> list[bytes]:
        """The values of a header, given in lower case. Two and more stand joined, too, as backends may read them."""
        invocation = self.invocation
        if isinstance(invocation, HttpInvocation):
            values = [as_bytes(value) for value in invocation.fields.all(name)]
            if name.startswith("x-forwarded-"):
                values += [as_bytes(value) for key, value in invocation.forwarded if key.lower() == name]
        else:
            values = [as_bytes(value) for key, value in invocation.headers if key.lower() == name]
        if len(values) > 1:
            values.append(b", ".join(values))
        return values

    @property
    def cookies(self) -> Pairs:
        """Names and values of all cookies, as they are written."""
        if self._cookies is None:
            found: Pairs = []
            for name, value in self.lines:
                if name.lower() == "cookie":
                    for part in as_bytes(value).split(b";"):
                        key, _, text = part.strip().partition(b"=")
                        found.append((key, text))
            self._cookies = found
        return self._cookies

    @property
    def arguments(self) -> list[tuple[str, bytes]]:
        """The query's names, decoded and in lower case, with their values as they are written."""
        if self._arguments is None:
            raw = self.query
            if isinstance(self.invocation, HttpInvocation):
                # Where events are made of a request, `;` separates as `&` does.
                raw = raw.replace(";", "&")
            found = []
            for part in raw.split("&"):
                if part:
                    name, _, value = part.partition("=")
                    found.append((unquote_plus(name).lower(), as_bytes(value)))
            self._arguments = found
        return self._arguments
