"""Reading one HTTP/1.1 answer after another out of bytes, strictly and within bounds; no I/O.

HTTP/1.0 and 1.1 only, nothing before the status line, no Content-Length beside Transfer-Encoding, no transfer coding
but `chunked`, no change of protocol, bounded heads and bodies. 1xx answers are passed over.
Source: RFC 9112 sections 4 to 9; llhttp does the parsing.
"""

from __future__ import annotations

import httptools

from wsgw.invocation import Reply

MAX_HEAD = 65_536
#: A body that is announced to be no larger comes within moments: `head` leaves it to be read whole.
SHORT_BODY = 16_384
_STATUS_LINES = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_START = len(_STATUS_LINES[0])


class Refused(Exception):
    """The answer can't be accepted. `reason` is a code: `invalid_response`, `response_too_large`, …"""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class AnswerReader:
    """Reads answers with bodies of up to `most` bytes. `reset` comes between two; `head_only` is set for HEAD.

    Where a body is to be passed on as it comes, `head` gives its beginning, `take` what has come since; that `feed`
    gives an answer says then that the body is complete with this one's. `take` lowers `most`.

    received: bytes of the answer so far (not counted further once its head is read)
    keep: after an answer, whether another may follow on the same connection: not where bytes beyond the answer have
    come, and not after HEAD, since llhttp can't be told that its Content-Length is not followed by a body.
    """

    __slots__ = (
        "_body",
        "_chunked",
        "_framed",
        "_headers",
        "_in_body",
        "_interim",
        "_parser",
        "_reply",
        "_start",
        "_trailer",
        "_trailing",
        "head_only",
        "keep",
        "most",
        "received",
    )

    def __init__(self, most: int) -> None:
        self.most = most
        self._parser = httptools.HttpResponseParser(self)
        self.reset()

    def reset(self) -> None:
        """Forget the last answer; a new one is to come."""
        self.head_only = False
        self._start = b""
        self._interim = self._in_body = self._chunked = self._framed = self._trailing = False
        self._trailer = 0
        self._headers: list[tuple[str, str]] = []
        self._body: bytes | bytearray = b""
        self._reply: Reply | None = None
        self.keep = True
        self.received = 0

    def feed(self, data: bytes) -> Reply | None:
        """Take bytes; gives the answer when it is complete. Raises Refused; the reader is then of no more use."""
        trailing = self._trailing
        if not self._in_body:
            before = self.received
            self.received = before + len(data)
            if before < _START:
                data = self._start + data
                if not self._begins(data):
                    return None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._reply is None:
                cause = error.__context__
                raise cause if isinstance(cause, Refused) else Refused("invalid_response") from error
            self.keep = False
        if self._reply is None:
            if not self._in_body and self.received > MAX_HEAD:
                raise Refused("response_head_too_large")
            if trailing and self._trailing:
                self._trailer += len(data)
                if self._trailer > MAX_HEAD:
                    raise Refused("response_head_too_large")
        return self._reply

    @property
    def plain(self) -> bool:
        """Whether what was read is one answer with nothing around it or in it: its head, then its body."""
        return self.keep and not (self._chunked or self._interim)

    def head(self) -> tuple[Reply, int | None] | None:
        """The answer as far as it has come, and its body's length where that is known; None if it is best waited for.

        Raises Refused for what would only be found out when the body is read.
        """
        if not self._in_body:
            return None
        length = next((int(value) for name, value in self._headers if name.lower() == "content-length"), None)
        coding = self._coding()
        if length is not None:
            if length > self.most:
                raise Refused("response_too_large")
            if length <= SHORT_BODY:
                return None
        elif coding is not None and (coding != "chunked" or self._parser.get_http_version() == "1.0"):
            raise Refused("invalid_response")
        self._framed = length is not None or coding is not None
        self._chunked = coding is not None
        reply = Reply(self._parser.get_status_code(), self.take(), self._headers)
        self._headers = []
        return reply, length

    def take(self) -> bytes:
        """What has come of the body since it was last asked."""
        body, self._body = self._body, b""
        self.most -= len(body)
        return body if type(body) is bytes else bytes(body)

    def end(self) -> Reply | None:
        """The connection has ended in order: the answer, if it is one that only this ends (RFC 9112 section 6.3)."""
        sized = self._framed or any(name.lower() == "content-length" for name, _ in self._headers)
        if not self._in_body or self._chunked or sized or self._coding() is not None:
            return None
        self._complete()
        return self._reply

    def close(self) -> None:
        """Let go of the parser, which refers to this reader."""
        del self._parser

    def _begins(self, start: bytes) -> bool:
        """Whether a status line begins here; llhttp itself would pass over line ends and take RTSP."""
        if start.startswith(_STATUS_LINES):
            return True
        if len(start) >= _START or not any(line.startswith(start) for line in _STATUS_LINES):
            raise Refused("invalid_response")
        self._start = start
        return False

    # ---- what the parser says

    def on_message_begin(self) -> None:
        if self._reply is not None:
            self.keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer: who reads headers has read them (RFC 9110 section 6.5.1 lets it be dropped)
        self._headers.append((name.decode("latin-1"), value.rstrip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_body = True
        if self.received > MAX_HEAD and sum(len(n) + len(v) + 4 for n, v in self._headers) > MAX_HEAD:
            raise Refused("response_head_too_large")
        if self._interim and self._parser.get_http_version() not in ("1.0", "1.1"):
            raise Refused("invalid_response")
        if self.head_only and self._reply is None and self._parser.get_status_code() >= 200:
            self.keep = False
            self._complete()

    def on_chunk_header(self) -> None:
        self._trailing = True  # if no byte follows, this is the last chunk, and a trailer may come
        if not self._chunked:
            self._chunked = True
            if self._parser.get_http_version() == "1.0" or self._coding() != "chunked":
                raise Refused("invalid_response")

    def on_body(self, data: bytes) -> None:
        body = self._body
        self._trailing = False
        if len(body) + len(data) > self.most:
            raise Refused("response_too_large")
        if not body:
            self._body = data
        else:
            # Not a list of the pieces: a chunk may be one byte, and an entry is eight.
            if type(body) is bytes:
                body = bytearray(body)
            body += data
            self._body = body

    def on_message_complete(self) -> None:
        if self._reply is not None:
            return
        status = self._parser.get_status_code()
        if status == 101:
            raise Refused("unexpected_upgrade")
        if status < 100:
            raise Refused("invalid_response")
        if status < 200:
            # Its headers are not passed on, but the bytes count against the size of the head.
            self._headers.clear()
            self._interim = True
            self._in_body = False
        else:
            if not self._parser.should_keep_alive():
                self.keep = False
            self._complete()

    def _complete(self) -> None:
        body = self._body
        status = self._parser.get_status_code()
        self._reply = Reply(status, body if type(body) is bytes else bytes(body), self._headers)
        # What may follow in the same bytes must not add to this answer.
        self._headers = []

    def _coding(self) -> str | None:
        codings = [value for name, value in self._headers if name.lower() == "transfer-encoding"]
        return ", ".join(codings).lower() if codings else None
