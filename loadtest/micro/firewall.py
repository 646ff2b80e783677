"""What a web ACL costs per request, by what its rules look at.

    python loadtest/micro/firewall.py

Each line is one web ACL with a rule that does not match, so that the whole of it is walked; the first is a web ACL
without rules. A stage without a web ACL does not come here at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.micro.mappings import report, request
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.firewall.compile import Place, compile_firewall
from wsgw.firewall.firewalls import Firewalls
from wsgw.firewall.injection import detector
from wsgw.invocation import HttpInvocation

Document = dict[str, Any]
SCRIPT = {"SearchString": "<script", "PositionalConstraint": "CONTAINS"}


def of_field(name: str, field: str | Document, *transformations: str, **members: Any) -> Document:
    to_match = {field: {}} if isinstance(field, str) else field
    return {name: {"FieldToMatch": to_match, "TextTransformations": list(transformations), **members}}


def networks(count: int) -> list[str]:
    """`count` networks that do not touch, none with the caller in it."""
    return [f"10.{number >> 7 & 255}.{(number & 127) * 2}.0/24" for number in range(count)]


JSON_BODY = {"JsonBody": {"MatchPattern": {"All": {}}, "MatchScope": "ALL"}}
HEADERS = {"Headers": {"MatchPattern": {"All": {}}, "MatchScope": "ALL", "OversizeHandling": "CONTINUE"}}
LINES: list[tuple[str, list[Document]]] = [
    ("no rules", []),
    ("a set of 1 network", [{"IPSetStatement": {"Addresses": networks(1)}}]),
    ("a set of 10,000 networks", [{"IPSetStatement": {"Addresses": networks(10_000)}}]),
    ("a country", [{"GeoMatchStatement": {"CountryCodes": ["AT"]}}]),
    ("a rate by address", [{"RateBasedStatement": {"Limit": 2_000_000_000}}]),
    ("a text in the path", [of_field("ByteMatchStatement", "UriPath", **SCRIPT)]),
    (
        "a text in the path, decoded, in lower case",
        [of_field("ByteMatchStatement", "UriPath", "URL_DECODE", "LOWERCASE", **SCRIPT)],
    ),
    ("a text in all arguments", [of_field("ByteMatchStatement", "AllQueryArguments", "URL_DECODE", **SCRIPT)]),
    ("a text in all headers", [of_field("ByteMatchStatement", HEADERS, **SCRIPT)]),
    ("a text in a body of 1 KiB", [of_field("ByteMatchStatement", "Body", **SCRIPT)]),
    ("a text in JSON of 1 KiB", [of_field("ByteMatchStatement", JSON_BODY, **SCRIPT)]),
    ("a pattern in a body of 1 KiB", [of_field("RegexMatchStatement", "Body", RegexString="(?i)<scr.pt[^>]*>")]),
    ("the size of a body", [of_field("SizeConstraintStatement", "Body", ComparisonOperator="GT", Size=8192)]),
    ("SQL injection in all arguments", [of_field("SqliMatchStatement", "AllQueryArguments", "URL_DECODE")]),
    ("cross-site scripting in a body of 1 KiB", [of_field("XssMatchStatement", "Body")]),
]
LINES.append(("five of them: set, rate, path, arguments, SQL", [LINES[at][1][0] for at in (2, 4, 6, 7, 13)]))
BODY = b'{"items": [' + b", ".join(b'{"id": %d, "name": "some name"}' % number for number in range(30)) + b"]}"


def firewall(statements: list[Document]) -> Callable[[HttpInvocation], None]:
    rules = [{"Name": f"r{at}", "Statement": one, "Action": "BLOCK"} for at, one in enumerate(statements)]
    place = Place(
        "orders",
        "dev",
        region="eu-west-1",
        account_id="000000000000",
        firewalls=Firewalls(lambda: 1_790_294_473.1),
        countries=lambda: lambda address: "DE",
        detector=detector,
    )
    return compile_firewall(web_acl_of({"Rules": rules}), place)


def main() -> None:
    one = request(BODY)
    for name, statements in LINES:
        ready = firewall(statements)

        def look(ready: Callable[[HttpInvocation], None] = ready) -> None:
            ready(one)

        report(name, look)


if __name__ == "__main__":
    main()
