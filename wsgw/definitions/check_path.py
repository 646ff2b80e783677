"""What is wrong with route keys of HTTP and REST APIs: verb, path, variables, and how the keys go together.

Source: developer guide, "Create routes for HTTP APIs" and "Set up a proxy resource"; the service's own texts where it
is known what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wsgw.definitions.finding import Finding, Path, error

VERBS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
_VARIABLE = re.compile(r"\{([A-Za-z0-9._$:-]+)\+?\}")
_REST_PART = re.compile(r"[A-Za-z0-9_\-.,:]+")
# What would end the path, or not come out of a request line as it was written.
_HTTP_PART = re.compile(r"[^\s{}?#\x00-\x1f\x7f]+")


def check_route_key(path: Path, key: str, *, rest: bool) -> Iterator[Finding]:
    """What is wrong with one key that is no `$default`."""
    verb, _, template = key.partition(" ")
    if not template.startswith("/"):
        remedy = "write METHOD /PATH, as GET /pets/{id}"
        yield error(
            path, "the provided route key is not formatted properly", remedy if rest else f"{remedy}, or $default"
        )
        return
    if verb not in VERBS:
        yield error(path, f"Invalid HttpMethod specified. Valid options are {','.join(VERBS)}", "use one of them")
    segments = template[1:].split("/")
    if not rest and len(segments) > 1 and not segments[-1]:
        segments.pop()  # A path with a slash at its end is another path.
    if template != "/":
        yield from _segments(path, segments, rest)


def _segments(path: Path, segments: list[str], rest: bool) -> Iterator[Finding]:
    literal = _REST_PART if rest else _HTTP_PART
    names: list[str] = []
    for position, segment in enumerate(segments):
        variable = _VARIABLE.fullmatch(segment)
        if variable is not None:
            names.append(variable[1])
            if segment.endswith("+}") and position < len(segments) - 1:
                message = f"Cannot create a child of a resource with a greedy path variable: {segment}"
                yield error(path, message, "end the path with it")
        elif "{" in segment or "}" in segment:
            remedy = "write {name} between two slashes, or {name+} at the end"
            yield error(path, f"a path variable is a whole segment, and {segment!r} is none", remedy)
        elif not segment:
            yield error(path, "an empty segment in the path", "remove a slash")
        elif not literal.fullmatch(segment):
            allowed = "letters, digits, _ - . , and :" if rest else "no blanks, braces, ? and #"
            yield error(path, f"{segment!r} has characters that a path cannot have", f"use {allowed}")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield error(path, f"the path variable {name!r} is there twice", "give one of them another name")


def check_siblings(path: Path, keys: Iterable[str]) -> Iterator[Finding]:
    """A resource of a REST API has one child that is a variable, whatever its name."""
    variables: dict[str, str] = {}
    for key in keys:
        segments = key.partition(" ")[2].split("/")
        for position, segment in enumerate(segments):
            if not _VARIABLE.fullmatch(segment):
                continue
            first = variables.setdefault("/".join(segments[:position]), segment)
            if segment != first:
                message = f"A sibling ({first}) of this resource already has a variable path part"
                alike = first.endswith("+}") == segment.endswith("+}")
                remedy = f"call it {first} too" if alike else "remove one"
                yield error((*path, key), f"{message} -- only one is allowed", remedy)


def check_same_requests(path: Path, keys: Iterable[str]) -> Iterator[Finding]:
    """Two keys of an HTTP API that differ in the names of variables only would take the same requests."""
    seen: dict[str, str] = {}
    for key in keys:
        shape = re.sub(r"\{[^{}+]+(\+?)\}", r"{\1}", key)
        first = seen.setdefault(shape, key)
        if first != key:
            yield error((*path, key), f"it takes the same requests as {first}", "remove one")
