"""FieldToMatch made ready: what gives the parts of a request that a statement looks at, or its outcome at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from wsgw.definitions.firewall import Field
from wsgw.firewall.inspected import Inspected, as_bytes
from wsgw.firewall.json_parts import json_parts, pointer_parts

#: Gives values, or True or False where the outcome is settled: the part is too large, or no JSON.
Reader = Callable[[Inspected], "list[bytes] | bool"]

#: Heads beyond this are oversize, as AWS WAF has it. All of them is read nevertheless.
MOST_HEAD_BYTES: Final = 8 * 1024
MOST_HEADERS: Final = 200
_OUTCOMES: Final = {"MATCH": True, "NO_MATCH": False, "CONTINUE": None}


def reader(field: Field, body_bytes: int, *, whole: bool = False) -> Reader:
    """What reads `field`. whole: only lengths are asked for, so that a body need not be cut at `body_bytes`.

    Raises ValueError for a field that cannot be read.
    """
    if field.kind == "SingleHeader":
        name = field.name
        return lambda inspected: inspected.header(name)
    if field.kind == "SingleQueryArgument":
        name = field.name
        return lambda inspected: [value for key, value in inspected.arguments if key == name]
    if field.kind == "Body":
        return _body(field, body_bytes, whole)
    if field.kind == "JsonBody":
        return _json(field, body_bytes)
    if field.kind == "Headers":
        return _several(field, lambda inspected: ((as_bytes(key), as_bytes(value)) for key, value in inspected.lines))
    if field.kind == "Cookies":
        return _several(field, lambda inspected: inspected.cookies)
    if field.kind in _PLAIN:
        return _PLAIN[field.kind]
    raise ValueError(f"no part of a request: {field.kind}")


_PLAIN: Final[dict[str, Reader]] = {
    "AllQueryArguments": lambda inspected: [value for _, value in inspected.arguments],
    "UriPath": lambda inspected: [as_bytes(inspected.path)],
    "QueryString": lambda inspected: [as_bytes(inspected.query)],
    "Method": lambda inspected: [inspected.method.encode()],
}


def _body(field: Field, most: int, whole: bool) -> Reader:
    oversize = _OUTCOMES[field.oversize]

    def read(inspected: Inspected) -> list[bytes] | bool:
        body = inspected.body
        if len(body) > most:
            if oversize is not None:
                return oversize
            if not whole:
                body = body[:most]
        return [body]

    return read


def _json(field: Field, most: int) -> Reader:
    oversize = _OUTCOMES[field.oversize]
    wanted = None if field.included is None else tuple(map(pointer_parts, field.included))

    def read(inspected: Inspected) -> list[bytes] | bool:
        body = inspected.body
        if not body:
            return []
        if len(body) > most:
            if oversize is not None:
                return oversize
            body = body[:most]
        found = json_parts(body, wanted, field.scope)
        if found is not None:
            return found
        return [body] if field.invalid == "EVALUATE_AS_STRING" else field.invalid == "MATCH"

    return read


def _several(field: Field, pairs: Callable[[Inspected], Iterable[tuple[bytes, bytes]]]) -> Reader:
    oversize = _OUTCOMES[field.oversize]
    included = None if field.included is None else frozenset(name.encode() for name in field.included)
    excluded = frozenset(name.encode() for name in field.excluded)
    keys, values = field.scope != "VALUE", field.scope != "KEY"

    def read(inspected: Inspected) -> list[bytes] | bool:
        found: list[bytes] = []
        count = size = 0
        for key, value in pairs(inspected):
            count += 1
            size += len(key) + len(value)
            lower = key.lower()
            if (included is not None and lower not in included) or lower in excluded:
                continue
            if keys:
                found.append(key)
            if values:
                found.append(value)
        if oversize is not None and (size > MOST_HEAD_BYTES or count > MOST_HEADERS):
            return oversize
        return found

    return read
