"""The addresses that integrations of REST APIs call: stage variables, `{name}` and the query, put into a URI.

`{name}` is filled from `integration.request.path.name` alone. Host and port are those of the definition: no request can
change them.
Source: developer guide, "Set up an integration request"; the order of the query's parts was recorded on the service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, unquote, urlencode

from wsgw.errors import ApiConfigurationError
from wsgw.integrations.http_pool import Target

_STAGE_VARIABLE: Final = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_NAME: Final = re.compile(r"\{([a-zA-Z0-9._$-]+)\+?\}")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]*")
_ENCODED: Final = re.compile(r"(%[0-9A-Fa-f]{2}|/)")
_DOTS: Final = frozenset((".", ".."))
#: What would end a value of a query, or the query itself.
_QUERY_ENDS: Final = str.maketrans({"&": "%26", "#": "%23", "+": "%2B"})


def with_stage_variables(text: str, variables: Mapping[str, str]) -> str:
    """`text` with each `${stageVariables.NAME}` filled in; one that the stage does not have is empty."""
    return _STAGE_VARIABLE.sub(lambda found: variables.get(found[1], ""), text)


def as_path_value(text: str) -> str:
    """`text`, set by a template, percent-encoded for a path; what is encoded already, and slashes, stay."""
    parts = _ENCODED.split(text)
    return "".join(part if at % 2 else quote(part, safe="", errors="replace") for at, part in enumerate(parts))


class PathTemplate:
    """The path and query of a URI, perhaps with `{name}` in them. `constant`: without."""

    __slots__ = ("_parts", "_query_from", "constant", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        #: Literals and, between them, names.
        self._parts = _NAME.split(text)
        self.constant = len(self._parts) == 1
        before = len(_NAME.split(text.partition("?")[0]))
        #: Names from this part on stand in the query.
        self._query_from = before if "?" in text else len(self._parts)

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with `values`, percent-encoded for a path, put in; names that have none stay as they are, encoded.

        Raises ApiConfigurationError where they make a `.` or `..` of a part of the path, which would lead elsewhere, or
        have what no URL can.
        """
        made = []
        for at, part in enumerate(self._parts):
            if at % 2 == 0:
                made.append(part)
                continue
            value = values.get(part)
            if value is None:
                made.append(f"%7B{part}%7D")
            else:
                made.append(value.translate(_QUERY_ENDS) if at >= self._query_from else value.replace("#", "%23"))
        text = "".join(made)
        if not _VISIBLE.fullmatch(text):
            raise ApiConfigurationError(detail="a mapped path parameter has a character that no URL may have")
        if values:
            _refuse_dots(text)
        return text


def _refuse_dots(text: str) -> None:
    # As the backend will read it: %2F may be a slash to it, a backslash, too, and `..;` a `..`.
    path = unquote(text.partition("?")[0]).replace("\\", "/")
    if "/." in path and not _DOTS.isdisjoint(part.partition(";")[0] for part in path.split("/")):
        raise ApiConfigurationError(detail="a mapped path parameter makes a dot segment")


def with_query(text: str, raw_query: str, mapped: Sequence[tuple[str, str]]) -> str:
    """`text` with the client's query behind its own, and what is mapped behind both."""
    more = [part for part in (raw_query, urlencode(mapped, errors="replace") if mapped else "") if part]
    if not more:
        return text
    return f"{text}{'&' if '?' in text else '?'}{'&'.join(more)}"


def with_host(target: Target, host: str) -> Target:
    """`target` with another Host header. Raises ApiConfigurationError."""
    if not host or not _VISIBLE.fullmatch(host):
        raise ApiConfigurationError(detail="the value mapped to Host is no host")
    return target._replace(authority=host).at(target.request_target)
