"""Statements made ready: each becomes one function of what is inspected, which says whether it matches."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import re2

from wsgw.definitions.firewall import (
    And,
    ByteMatch,
    ForwardedIP,
    GeoMatch,
    IPSet,
    LabelMatch,
    Not,
    Or,
    RegexMatch,
    SizeConstraint,
    SqliMatch,
    Statement,
    XssMatch,
)
from wsgw.firewall.addresses import Address, AddressSet, address_of
from wsgw.firewall.countries import Countries
from wsgw.firewall.fields import Reader, reader
from wsgw.firewall.injection import Detector
from wsgw.firewall.inspected import Inspected
from wsgw.firewall.transformations import transformation

Match = Callable[[Inspected], bool]
Test = Callable[[bytes], bool]

#: Begins the labels that a country puts on a request.
COUNTRY_LABEL: Final = "awswaf:clientip:geo:country:"
_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "EQ": operator.eq,
    "NE": operator.ne,
    "LE": operator.le,
    "LT": operator.lt,
    "GE": operator.ge,
    "GT": operator.gt,
}


class Means(NamedTuple):
    """What statements are made ready with. `labels` begins the labels of the rules around them.

    `countries` and `detector` are asked for when a statement needs them, and raise ValueError where they are not there.
    """

    labels: str
    body_bytes: int
    countries: Callable[[], Countries]
    detector: Callable[[str], Detector]


def match_of(statement: Statement, means: Means) -> Match:
    """What says whether `statement` matches. Raises ValueError for what cannot be made ready."""
    if isinstance(statement, And | Or):
        parts = [match_of(one, means) for one in statement.statements]
        return _all(parts) if isinstance(statement, And) else _any(parts)
    if isinstance(statement, Not):
        inner = match_of(statement.statement, means)
        return lambda inspected: not inner(inspected)
    if isinstance(statement, IPSet):
        return _ip_set(statement)
    if isinstance(statement, GeoMatch):
        return _geo(statement, means.countries())
    if isinstance(statement, LabelMatch):
        return _label(statement, means.labels)
    if isinstance(statement, SqliMatch | XssMatch):
        read = reader(statement.field, means.body_bytes)
        found = means.detector(type(statement).__name__)
        return _detected(read, statement.transformations, found)
    if isinstance(statement, SizeConstraint):
        # Its length is known, however little of a body is read.
        read = reader(statement.field, means.body_bytes, whole=not statement.transformations)
        return _tested(read, statement.transformations, _size(statement))
    if isinstance(statement, ByteMatch | RegexMatch):
        read = reader(statement.field, means.body_bytes)
        test = _bytes(statement) if isinstance(statement, ByteMatch) else _regex(statement)
        return _tested(read, statement.transformations, test)
    raise ValueError(f"no statement: {type(statement).__name__}")


def _all(parts: Sequence[Match]) -> Match:
    def match(inspected: Inspected) -> bool:
        return all(part(inspected) for part in parts)

    return match


def _any(parts: Sequence[Match]) -> Match:
    def match(inspected: Inspected) -> bool:
        return any(part(inspected) for part in parts)

    return match


# ---- parts of the request


def _tested(read: Reader, transformations: tuple[str, ...], test: Test) -> Match:
    transform = transformation(transformations)

    def match(inspected: Inspected) -> bool:
        found = read(inspected)
        if isinstance(found, bool):
            return found
        # Mostly one: a generator would cost as much as the test does.
        for value in found:  # noqa: SIM110
            if test(value if transform is None else transform(value)):
                return True
        return False

    return match


def _detected(read: Reader, transformations: tuple[str, ...], detect: Detector) -> Match:
    transform = transformation(transformations)

    def match(inspected: Inspected) -> bool:
        found = read(inspected)
        if isinstance(found, bool):
            return found
        if transform is not None:
            found = [transform(value) for value in found]
        return any(found) and detect(found)

    return match


def _size(statement: SizeConstraint) -> Test:
    compare, size = _COMPARE[statement.comparison], statement.size
    return lambda value: compare(len(value), size)


def _bytes(statement: ByteMatch) -> Test:
    search = statement.search
    if statement.position == "EXACTLY":
        return partial(operator.eq, search)
    if statement.position == "STARTS_WITH":
        return lambda value: value.startswith(search)
    if statement.position == "ENDS_WITH":
        return lambda value: value.endswith(search)
    if statement.position == "CONTAINS":
        return lambda value: search in value
    # A word is of letters, digits and _; what is none needs no edge.
    word = re.compile(rb"(?<![A-Za-z0-9_])" + re.escape(search) + rb"(?![A-Za-z0-9_])")
    return lambda value: word.search(value) is not None


def _regex(statement: RegexMatch) -> Test:
    searches = [compiled_pattern(pattern).search for pattern in statement.patterns]
    if len(searches) == 1:
        search = searches[0]
        return lambda value: search(value) is not None
    return lambda value: any(search(value) is not None for search in searches)


def compiled_pattern(pattern: str) -> Any:
    """A pattern of RE2's syntax, over bytes. Raises ValueError."""
    if not pattern.isascii():
        # A class would take each byte of a character alone.
        raise ValueError(f"pattern {pattern!r}: write characters beyond ASCII by their UTF-8 bytes: (?:\\xc3\\xa9)")
    options = re2.Options()
    # Bytes that are no UTF-8 would else match nothing, and hide what stands around them.
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"pattern {pattern!r}: {text}") from error


# ---- the caller


def _ip_set(statement: IPSet) -> Match:
    known = AddressSet(statement.addresses)
    forwarded = statement.forwarded
    if forwarded is None:

        def match(inspected: Inspected) -> bool:
            address = inspected.address
            return address is not None and address in known

        return match
    named, fallback, position = addresses_named(forwarded), forwarded.fallback == "MATCH", forwarded.position

    def match_forwarded(inspected: Inspected) -> bool:
        chain = named(inspected)
        if not chain:
            return False
        chosen = chain if position == "ANY" else [chain[0] if position == "FIRST" else chain[-1]]
        return any(fallback if one is None else one in known for one in chosen)

    return match_forwarded


def addresses_named(forwarded: ForwardedIP) -> Callable[[Inspected], list[Address | None]]:
    """Gives the addresses in a header, in order; None stands for what is none. Nothing where there is no header."""
    texts = _texts_named(forwarded)
    return lambda inspected: [address_of(text) for text in texts(inspected)]


def _texts_named(forwarded: ForwardedIP) -> Callable[[Inspected], list[str]]:
    name = forwarded.header

    def read(inspected: Inspected) -> list[str]:
        values = inspected.header(name)
        # Joined they stand last, where there is more than one.
        return [part.strip() for part in values[-1].decode("latin-1").split(",")] if values else []

    return read


def _geo(statement: GeoMatch, country: Countries) -> Match:
    wanted = frozenset(statement.countries)
    forwarded = statement.forwarded

    def is_from(inspected: Inspected, address: str) -> bool:
        code = country(address)
        if code:
            inspected.labels.add(COUNTRY_LABEL + code)
        return code in wanted

    if forwarded is None:
        return lambda inspected: is_from(inspected, inspected.invocation.caller.source_ip)
    named, fallback = _texts_named(forwarded), forwarded.fallback == "MATCH"

    def match_forwarded(inspected: Inspected) -> bool:
        chain = named(inspected)
        if not chain:
            return False
        if address_of(chain[0]) is None:
            return fallback
        return is_from(inspected, chain[0])

    return match_forwarded


def _label(statement: LabelMatch, own: str) -> Match:
    key = statement.key if statement.key.startswith("awswaf:") else own + statement.key
    if statement.scope == "LABEL":
        return lambda inspected: key in inspected.labels
    namespace = key if key.endswith(":") else key + ":"
    return lambda inspected: any(label.startswith(namespace) for label in inspected.labels)
