"""The Condition block of IAM policies: operators, `IfExists`, `ForAllValues`, `ForAnyValue`.

A key that the request does not have fails an operator and passes its negation. Where a key has several values and no
`For…` is given, one that matches is enough (negated operators: one is enough to fail).
Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Multivalued context keys".
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from wsgw.authorizers.patterns import Context, Matcher, Pattern, Resolved, Wild, matcher, pieces_of, resolve

Test = Callable[[Context], bool]
#: One value of a policy: gives the test it is for one request, None if a variable in it has no value there.
Comparison = Callable[[Context], Matcher | None]
Comparer = Callable[[str, bool], Comparison]

_OPERATOR: Final = re.compile(r"(?:(forallvalues|foranyvalue):)?([a-z]+?)(ifexists)?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,64}(\.[0-9]{1,64})?")


def condition(operator: str, key: str, values: Sequence[str], *, variables: bool) -> Test:
    """The test for one operator and one key of a Condition block. Raises ValueError for what makes no sense."""
    named = _OPERATOR.fullmatch(operator)
    quantifier, name, if_exists = (part.lower() if part else "" for part in named.groups()) if named else ("",) * 3
    if name == "null":
        if quantifier or if_exists:
            raise ValueError("Null takes neither ForAllValues, ForAnyValue nor IfExists")
        return partial(_null, key.lower(), {_truth(value) for value in values})
    if name not in _OPERATORS:
        raise ValueError("there is no such operator")
    comparer, negated = _OPERATORS[name]
    comparisons = tuple(comparer(value, variables) for value in values)
    absent = bool(if_exists) or quantifier == "forallvalues" or (negated and quantifier != "foranyvalue")
    # All values must pass under ForAllValues, and by De Morgan under a negated operator without ForAnyValue.
    every = quantifier == "forallvalues" or (negated and quantifier != "foranyvalue")
    key = key.lower()
    tests = [one.test for one in comparisons if isinstance(one, Fixed)]
    if len(tests) == len(comparisons):
        return partial(_compare_fixed, key, tuple(tests), absent, negated, every)
    return partial(_compare, key, comparisons, absent, negated, every)


def _compare(
    key: str, comparisons: Sequence[Comparison], absent: bool, negated: bool, every: bool, context: Context
) -> bool:
    tests = [test for comparison in comparisons if (test := comparison(context)) is not None]
    return _compare_fixed(key, tests, absent, negated, every, context)


def _compare_fixed(
    key: str, tests: Sequence[Matcher], absent: bool, negated: bool, every: bool, context: Context
) -> bool:
    values = context.values(key)
    if not values:
        return absent
    for value in values:
        passes = negated
        for test in tests:
            if test(value):
                passes = not negated
                break
        if passes is not every:
            return passes
    return every


def _null(key: str, wanted: set[bool], context: Context) -> bool:
    return (not context.values(key)) in wanted


# ---- what values are compared as


class Fixed:
    """A comparison with a value that has no variables: `test` is the same for every request."""

    __slots__ = ("test",)

    def __init__(self, test: Matcher) -> None:
        self.test = test

    def __call__(self, _context: Context) -> Matcher:
        return self.test


def _string(value: str, variables: bool, *, wildcards: bool = False, fold: bool = False) -> Comparison:
    pattern = Pattern(value, variables=variables, wildcards=wildcards, fold=fold)
    return pattern.ready if pattern.fixed is None else Fixed(pattern.fixed)


def _parsed(
    parse: Callable[[str], Any], compare: Callable[[Any, Any], bool], value: str, _variables: bool
) -> Comparison:
    """Compare what `parse` makes of both sides; a value of the request that it cannot read matches nothing."""
    wanted = parse(value)

    def test(text: str) -> bool:
        try:
            return compare(parse(text), wanted)
        except ValueError:
            return False

    return Fixed(test)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _number(text: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no number")
    return Decimal(text)


def _instant(text: str) -> float:
    """Epoch seconds of an ISO 8601 date and time (UTC where it says no zone), or of epoch seconds."""
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@lru_cache(maxsize=4096)
def _address(text: str) -> tuple[int, int]:
    """Version and number of an address. Remembered: callers come back, and every network is asked about each."""
    address = ip_address(text)
    # A dual-stack listener shows IPv4 peers so; policies name them as they are.
    address = getattr(address, "ipv4_mapped", None) or address
    return address.version, int(address)


def _in_network(value: str, _variables: bool) -> Comparison:
    network = ip_network(value, strict=False)
    wanted, first, mask = network.version, int(network.network_address), int(network.netmask)

    def test(text: str) -> bool:
        try:
            version, number = _address(text)
        except ValueError:
            return False
        return version == wanted and number & mask == first

    return Fixed(test)


def _arn(value: str, variables: bool) -> Comparison:
    """The first five parts of an ARN are matched one by one, so that `*` does not reach over a colon there."""
    pieces = pieces_of(value, variables=variables, wildcards=True)
    fixed = resolve(pieces, None)
    if fixed is not None:
        test = _arn_test(fixed)
        if test is None:
            raise ValueError(f"{value!r} is no ARN: it has fewer than six parts")
        return Fixed(test)

    def comparison(context: Context) -> Matcher | None:
        resolved = resolve(pieces, context)
        return None if resolved is None else _arn_test(resolved)

    return comparison


def _arn_test(pieces: Iterable[Resolved]) -> Matcher | None:
    parts: list[list[Resolved]] = [[]]
    for piece in pieces:
        if isinstance(piece, Wild):
            parts[-1].append(piece)
            continue
        head, *rest = piece.split(":", 6 - len(parts))
        parts[-1].append(head)
        parts += [[text] for text in rest]
    if len(parts) < 6:
        return None
    tests = [matcher(part) for part in parts]

    def test(text: str) -> bool:
        given = text.split(":", 5)
        return len(given) == 6 and all(part(piece) for part, piece in zip(tests, given, strict=True))

    return test


def _operators() -> dict[str, tuple[Comparer, bool]]:
    like = partial(_string, wildcards=True)
    ignoring_case = partial(_string, fold=True)
    table: dict[str, tuple[Comparer, bool]] = {
        "stringequals": (_string, False),
        "stringnotequals": (_string, True),
        "stringequalsignorecase": (ignoring_case, False),
        "stringnotequalsignorecase": (ignoring_case, True),
        "stringlike": (like, False),
        "stringnotlike": (like, True),
        "bool": (partial(_parsed, _truth, eq), False),
        "binaryequals": (partial(_parsed, partial(b64decode, validate=True), eq), False),
        "ipaddress": (_in_network, False),
        "notipaddress": (_in_network, True),
        "arnequals": (_arn, False),
        "arnlike": (_arn, False),
        "arnnotequals": (_arn, True),
        "arnnotlike": (_arn, True),
    }
    for kind, parse in (("numeric", _number), ("date", _instant)):
        for name, compare, negated in (
            ("equals", eq, False),
            ("notequals", eq, True),
            ("lessthan", lt, False),
            ("lessthanequals", le, False),
            ("greaterthan", gt, False),
            ("greaterthanequals", ge, False),
        ):
            table[kind + name] = (partial(_parsed, parse, compare), negated)
    return table


_OPERATORS: Final = _operators()
