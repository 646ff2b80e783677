"""Requests whose end can be read in two ways, and request lines and hosts that are none: material of attacks.

Sources: RFC 9112 sections 2.2, 3, 5.1, 5.2, 6.1, 6.3, 7.1 and 11.2; check S-01.
"""

from __future__ import annotations

from typing import NamedTuple


class Attack(NamedTuple):
    """`head`: header lines after the Host line, each with its ending; `body`: what follows the empty line.

    `{smuggled}` in the body stands for the request to smuggle, which is behind the body in any case.
    """

    id: str
    head: bytes
    body: bytes = b""
    statuses: tuple[int, ...] = (400,)


CL_AND_TE = [
    Attack("length-then-chunked", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("chunked-then-length", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    Attack("chunked-and-length-0", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("length-and-identity", b"Content-Length: 4\r\nTransfer-Encoding: identity\r\n", b"body"),
    Attack("length-and-unknown-coding", b"Content-Length: 4\r\nTransfer-Encoding: cow\r\n", b"body"),
    Attack("length-and-empty-coding", b"Content-Length: 4\r\nTransfer-Encoding:\r\n", b"body"),
    Attack("length-and-chunked-in-capitals", b"Content-Length: 5\r\nTRANSFER-ENCODING: CHUNKED\r\n", b"0\r\n\r\n"),
]

LENGTHS = [
    Attack("two-different-lengths", b"Content-Length: 0\r\nContent-Length: 4\r\n", b"body"),
    Attack("two-different-lengths-longer-first", b"Content-Length: 4\r\nContent-Length: 0\r\n", b"body"),
    Attack("two-equal-lengths", b"Content-Length: 4\r\nContent-Length: 4\r\n", b"body"),
    Attack("two-lengths-in-other-cases", b"content-length: 0\r\nCONTENT-LENGTH: 4\r\n", b"body"),
    *(
        Attack(f"length-{name}", b"Content-Length: " + value + b"\r\n", b"body")
        for name, value in (
            ("list-of-equals", b"4, 4"),
            ("list-of-different-ones", b"0, 4"),
            ("ends-in-comma", b"4,"),
            ("begins-with-comma", b",4"),
            ("plus", b"+4"),
            ("minus", b"-4"),
            ("minus-zero", b"-0"),
            ("hexadecimal", b"0x4"),
            ("hexadecimal-digit", b"a"),
            ("octal-prefix", b"0o4"),
            ("with-blank-inside", b"0 4"),
            ("with-underscore", b"0_4"),
            ("fraction", b"4.0"),
            ("exponent", b"4e0"),
            ("empty", b""),
            ("word", b"four"),
            ("in-quotes", b'"4"'),
            ("with-parameter", b"4;q=1"),
            ("arabic-indic-digit", "٤".encode()),
            ("fullwidth-digit", "４".encode()),
            ("latin-1-superscript", b"\xb2"),
            ("after-no-break-space", b"\xa04"),
            ("after-vertical-tab", b"\x0b4"),
            ("before-form-feed", b"4\x0c"),
            ("with-nul", b"4\x00"),
            ("beyond-64-bits", b"18446744073709551620"),
            ("of-two-thousand-digits", b"4" * 2000),
        )
    ),
    Attack("length-with-blank-before-colon", b"Content-Length : 4\r\n", b"body"),
    Attack("length-with-tab-before-colon", b"Content-Length\t: 4\r\n", b"body"),
    Attack("length-on-a-folded-line", b"Content-Length:\r\n 4\r\n", b"body"),
    Attack("length-continued", b"Content-Length: 0\r\n 4\r\n", b"body"),
    Attack("length-name-after-nul", b"\x00Content-Length: 4\r\n", b"body"),
]

CODINGS = [
    *(
        Attack(f"coding-{name}", b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n", statuses)
        for name, value, statuses in (
            ("unknown", b"xchunked", (400, 501)),
            ("unknown-after", b"chunkedx", (400, 501)),
            ("identity", b"identity", (400, 501)),
            ("chunked-not-last", b"chunked, identity", (400,)),
            ("chunked-twice", b"chunked, chunked", (400,)),
            ("chunked-with-parameter", b"chunked;a=b", (400, 501)),
            ("in-quotes", b'"chunked"', (400, 501)),
            ("after-vertical-tab", b"\x0bchunked", (400,)),
            ("before-form-feed", b"chunked\x0c", (400,)),
            ("after-no-break-space", b"\xa0chunked", (400, 501)),
            ("with-nul", b"chunked\x00", (400,)),
            ("with-bare-cr", b"\rchunked", (400,)),
            ("with-bare-lf", b"\nchunked", (400,)),
            ("empty", b"", (400, 501)),
            ("comma-alone", b",", (400, 501)),
            ("with-kelvin-sign", "chun\N{KELVIN SIGN}ed".encode(), (400, 501)),
        )
    ),
    Attack("codings-on-two-lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    Attack("identity-then-chunked", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("chunked-on-two-lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("coding-with-blank-before-colon", b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    Attack("coding-on-a-folded-line", b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    Attack("coding-continued", b"Transfer-Encoding: chunked\r\n , identity\r\n", b"0\r\n\r\n"),
    Attack("coding-hidden-by-bare-cr", b"X: y\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    Attack("coding-hidden-by-bare-lf", b"X: y\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
]

CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = [
    Attack(f"chunk-{name}", CHUNKED, body)
    for name, body in (
        ("size-hexadecimal-prefix", b"0x4\r\nbody\r\n0\r\n\r\n"),
        ("size-plus", b"+4\r\nbody\r\n0\r\n\r\n"),
        ("size-minus", b"-4\r\nbody\r\n0\r\n\r\n"),
        ("size-underscore", b"0_4\r\nbody\r\n0\r\n\r\n"),
        ("size-empty", b"\r\nbody\r\n0\r\n\r\n"),
        ("size-after-blank", b" 4\r\nbody\r\n0\r\n\r\n"),
        ("size-word", b"four\r\nbody\r\n0\r\n\r\n"),
        ("size-arabic-indic-digit", "٤".encode() + b"\r\nbody\r\n0\r\n\r\n"),
        ("size-with-nul", b"4\x00\r\nbody\r\n0\r\n\r\n"),
        ("size-beyond-64-bits", b"10000000000000004\r\nbody\r\n0\r\n\r\n"),
        ("size-ends-in-bare-lf", b"4\nbody\r\n0\r\n\r\n"),
        ("size-ends-in-bare-cr", b"4\rbody\r\n0\r\n\r\n"),
        ("longer-than-its-size", b"2\r\nbody\r\n0\r\n\r\n"),
        ("shorter-than-its-size", b"6\r\nbody\r\n0\r\n\r\n"),
        ("without-line-end", b"4\r\nbody0\r\n\r\n"),
        ("data-ends-in-bare-lf", b"4\r\nbody\n0\r\n\r\n"),
        ("data-ends-in-bare-cr", b"4\r\nbody\r0\r\n\r\n"),
        ("data-ends-in-other-bytes", b"4\r\nbodyxx0\r\n\r\n"),
        ("last-ends-in-bare-lf", b"0\n\r\n"),
        ("last-and-empty-line-in-bare-lf", b"0\n\n"),
        ("extension-with-bare-lf", b"4;a\nx\r\nbody\r\n0\r\n\r\n"),
        ("extension-with-bare-cr", b"4;a\rx\r\nbody\r\n0\r\n\r\n"),
        ("extension-with-nul", b"4;a\x00\r\nbody\r\n0\r\n\r\n"),
        ("trailer-with-bare-lf", b"0\r\nX: y\nZ: w\r\n\r\n"),
        ("trailer-with-bare-cr", b"0\r\nX: y\rZ: w\r\n\r\n"),
        ("trailer-with-nul", b"0\r\nX: \x00\r\n\r\n"),
        ("trailer-without-colon", b"0\r\nnothing\r\n\r\n"),
        ("trailer-with-blank-before-colon", b"0\r\nX : y\r\n\r\n"),
        ("trailer-folded", b"0\r\nX: y\r\n z\r\n\r\n"),
        ("trailer-host", b"0\r\nHost: other\r\n\r\n"),
        ("trailer-length", b"0\r\nContent-Length: 4\r\n\r\nbody"),
        ("trailer-coding", b"0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    )
]

HEADS = [
    Attack(f"header-{name}", line)
    for name, line in (
        ("with-bare-lf-at-its-end", b"X: y\n"),
        ("with-bare-cr-inside", b"X: y\rz\r\n"),
        ("with-bare-cr-at-its-end", b"X: y\rZ: w\r\n"),
        ("with-nul-in-its-value", b"X: \x00\r\n"),
        ("with-nul-in-its-name", b"X\x00: y\r\n"),
        ("with-control-character", b"X: \x01\r\n"),
        ("with-delete-character", b"X: \x7f\r\n"),
        ("without-colon", b"nothing\r\n"),
        ("without-name", b": y\r\n"),
        ("with-blank-in-its-name", b"X Y: z\r\n"),
        ("with-blank-before-colon", b"X : y\r\n"),
        ("with-tab-before-colon", b"X\t: y\r\n"),
        ("with-latin-1-name", b"X\xe9: y\r\n"),
        ("with-slash-in-its-name", b"X/Y: z\r\n"),
        ("with-brackets-in-its-name", b"X[0]: y\r\n"),
        ("folded-with-blank", b"X: y\r\n z\r\n"),
        ("folded-with-tab", b"X: y\r\n\tz\r\n"),
        ("that-ends-the-head-with-bare-lf", b"X: y\n\n"),
        ("that-ends-the-head-with-lf-crlf", b"X: y\n\r\n"),
        ("of-a-second-host", b"Host: other\r\n"),
        ("of-a-second-host-before-a-colon-blank", b"Host : other\r\n"),
        ("of-a-second-authorization", b"Authorization: a\r\nAuthorization: b\r\n"),
    )
]

ATTACKS = CL_AND_TE + LENGTHS + CODINGS + CHUNKS + HEADS

#: `{target}` and `{host}` stand for those of the attack.
LINES = [
    ("tabs", b"POST\t{target}\tHTTP/1.1"),
    ("vertical-tab", b"POST\x0b{target} HTTP/1.1"),
    ("blank-at-its-end", b"POST {target} HTTP/1.1 "),
    ("blank-at-its-start", b" POST {target} HTTP/1.1"),
    ("no-version", b"POST {target}"),
    ("no-target", b"POST HTTP/1.1"),
    ("version-0.9", b"POST {target} HTTP/0.9"),
    ("version-1.2", b"POST {target} HTTP/1.2"),
    ("version-2.0", b"POST {target} HTTP/2.0"),
    ("version-1.10", b"POST {target} HTTP/1.10"),
    ("version-01.1", b"POST {target} HTTP/01.1"),
    ("version-with-comma", b"POST {target} HTTP/1,1"),
    ("version-in-small-letters", b"POST {target} http/1.1"),
    ("version-in-arabic-indic-digits", b"POST {target} HTTP/" + "١.١".encode()),
    ("method-with-at-sign", b"PO@ST {target} HTTP/1.1"),
    ("method-in-latin-1", b"POST\xe9 {target} HTTP/1.1"),
    ("method-with-nul", b"PO\x00ST {target} HTTP/1.1"),
    ("target-with-blank", b"POST {target} x HTTP/1.1"),
    ("target-with-nul", b"POST {target}\x00 HTTP/1.1"),
    ("target-with-bare-cr", b"POST {target}\r HTTP/1.1"),
    ("target-with-bare-lf", b"POST {target}\n HTTP/1.1"),
    ("target-with-delete-character", b"POST {target}\x7f HTTP/1.1"),
    ("target-with-another-authority", b"POST http://other{target} HTTP/1.1"),
    ("target-with-user-information", b"POST http://a@{host}{target} HTTP/1.1"),
    ("target-of-another-scheme", b"POST ftp://{host}{target} HTTP/1.1"),
    ("target-without-slash", b"POST prod HTTP/1.1"),
    ("http-2-preface", b"PRI * HTTP/2.0"),
    ("tls-client-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("ssh-greeting", b"SSH-2.0-OpenSSH_9.6"),
]

#: Header lines in place of the one Host; `{host}` stands for the right one.
HOSTS = [
    ("none", b""),
    ("empty", b"Host: \r\n"),
    ("two-equal", b"Host: {host}\r\nHost: {host}\r\n"),
    ("list", b"Host: {host}, {host}\r\n"),
    ("user-information", b"Host: a@{host}\r\n"),
    ("path", b"Host: {host}/prod\r\n"),
    ("blank", b"Host: a b\r\n"),
    ("folded", b"Host: a\r\n b\r\n"),
]
