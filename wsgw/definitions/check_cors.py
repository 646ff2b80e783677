"""What is wrong with the corsConfiguration of an HTTP API.

Source: developer guide, "Configuring CORS for HTTP APIs"; RFC 9110 for names of methods and headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wsgw.definitions.access import Cors
from wsgw.definitions.check_stage import is_origin
from wsgw.definitions.finding import Finding, Path, error, warning

_ANY_ORIGINS = frozenset({"*", "https://*", "http://*"})
_METHODS = frozenset({"*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
LEAST_AGE, MOST_AGE = -1, 86_400


def check_cors(path: Path, cors: Cors) -> Iterator[Finding]:
    """What is wrong with `cors`, at `path`."""
    for index, origin in enumerate(cors.allow_origins):
        # Between other characters a * stands for nothing: such an origin would match no page.
        if origin not in _ANY_ORIGINS and ("*" in origin or not is_origin(origin)):
            remedy = "write scheme://host[:port], https://*, http://* or *"
            yield error((*path, "allowOrigins", index), "not an Origin as browsers send it", remedy)
    if cors.allow_credentials and "*" in cors.allow_origins:
        remedy = "name the origins"
        yield error((*path, "allowCredentials"), "credentials cannot be allowed to every origin (*)", remedy)
    if not cors.allow_origins:
        message = "without allowOrigins no page of another origin may read an answer"
        yield warning((*path, "allowOrigins"), message, "add them")
    for index, method in enumerate(cors.allow_methods):
        if method not in _METHODS:
            yield error((*path, "allowMethods", index), "not an HTTP method", "write one in capitals, or *")
    yield from _names((*path, "allowHeaders"), cors.allow_headers)
    yield from _names((*path, "exposeHeaders"), cors.expose_headers)
    if cors.max_age is not None and not LEAST_AGE <= cors.max_age <= MOST_AGE:
        yield error((*path, "maxAge"), f"maxAge is {LEAST_AGE} to {MOST_AGE} seconds", "choose one in between")


def _names(path: Path, names: Iterable[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if not _TOKEN.fullmatch(name):
            yield error((*path, index), "not the name of a header", "write a name, or *")
