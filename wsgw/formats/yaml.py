"""YAML and JSON texts → plain data, with the line of every value; safe with whatever somebody hands in.

What differs from PyYAML's safe loader: booleans are `true` and `false` alone; dates, octal, hexadecimal and sexagesimal
numbers and numbers with leading zeros stay texts (see `yaml_values`); keys are texts, as they are written; a key given
twice is refused; size, nesting and what aliases expand to are bounded. Merge keys (`<<`) are as in YAML 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from wsgw.definitions.finding import Path
from wsgw.formats.yaml_values import TEXT_TAGS, resolved, tagged

MOST_BYTES = 6 * 1024 * 1024
MOST_NESTED = 64
# A value counts for its characters and 64 more, an alias for all that it stands for.
MOST_EXPANDED = 32 * 1024 * 1024
_VALUE_COST = 64
# Each ${NAME} that lacks its quotes costs another reading of the file.
MOST_REPAIRS = 64
MOST_REPAIRABLE = 256 * 1024

_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}(?=\s*[,}\]])")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """A text cannot be read. `line` and `column` count from 1."""

    def __init__(self, name: str, line: int, column: int, what: str, remedy: str = "") -> None:
        self.name, self.line, self.column, self.what, self.remedy = name, line, column, what, remedy
        super().__init__(f"{name}:{line}:{column}: {what}" + (f", {remedy}" if remedy else ""))


class Mark:
    """Where a value begins, counted from 1, and the marks of what it holds."""

    __slots__ = ("children", "column", "line")

    def __init__(self, line: int, column: int, children: dict[str | int, Mark] | None = None) -> None:
        self.line = line
        self.column = column
        self.children: dict[str | int, Mark] = {} if children is None else children


class Located(NamedTuple):
    """A document. `data` is dicts, lists, texts, numbers, booleans and None; `root` has the marks."""

    data: Any
    root: Mark

    def mark(self, path: Path) -> Mark:
        """The mark of `path`, or of the last part of it that is in the document."""
        found = self.root
        for part in self.found(path):
            found = found.children[part]
        return found

    def found(self, path: Path) -> Path:
        """As much of `path` as is in the document."""
        at = self.root
        for length, part in enumerate(path):
            if part not in at.children:
                return path[:length]
            at = at.children[part]
        return path


def load(text: bytes, name: str) -> Located:
    """Read the one document in `text`; `name` is the file's, for messages. Raises YamlError."""
    if len(text) > MOST_BYTES:
        raise YamlError(name, 1, 1, f"the file has more than {MOST_BYTES >> 20} MiB", "split it")
    try:
        characters = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise YamlError(name, line, column, "this is not UTF-8 text", "save the file as UTF-8") from error
    if characters.lstrip()[:1] in ("{", "["):
        characters = _SURROGATES.sub(_joined, characters)
    return _Reader.read(characters, name)


def _json_error(characters: str, name: str) -> YamlError | None:
    """What is wrong with a text that was meant for JSON, in its terms."""
    if not characters.lstrip().startswith('{"') and not name.endswith(".json"):
        return None
    try:
        json.loads(characters)
    except json.JSONDecodeError as error:
        return YamlError(name, error.lineno, error.colno, f"not readable as JSON: {error.msg.removesuffix(' at')}")
    except (RecursionError, ValueError):
        pass
    return None


def _remedy(error: yaml.MarkedYAMLError, characters: str) -> str:
    mark = error.problem_mark
    if mark is not None and characters[mark.index : mark.index + 1] == "\t":
        return "indent with spaces: YAML takes no tabs"
    if error.problem in ("did not find expected ',' or '}'", "did not find expected ',' or ']'"):
        return "put a text with { } [ ] or , into quotes"
    return ""


def _joined(match: re.Match[str]) -> str:
    # JSON writes what lies beyond U+FFFF as two escapes, which libyaml refuses.
    pair = bytes.fromhex(match[2] + match[3])
    return match[1] + pair.decode("utf-16-be")


class _Node(NamedTuple):
    """A value that has been read: `cost` as counted above, `height` how many levels it holds."""

    value: Any
    mark: Mark
    cost: int
    height: int


class _Reader:
    """Builds one document from libyaml's events, so that nothing is built before it is known to be small enough."""

    def __init__(self, characters: str, name: str) -> None:
        self._events: Iterator[Any] = yaml.parse(characters, Loader=_LOADER)
        self._name = name
        self._anchors: dict[str, _Node] = {}
        self._cost = 0
        self._deepest = 0

    @classmethod
    def read(cls, characters: str, name: str, repairs: int = MOST_REPAIRS) -> Located:
        """The document in `characters`. Raises YamlError."""
        try:
            return cls(characters, name).document()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            variable = _VARIABLE.match(characters, max(0, mark.index - 1)) if mark else None
            if variable is None or repairs == 0 or len(characters) > MOST_REPAIRABLE:
                raise _json_error(characters, name) or YamlError(
                    name,
                    line,
                    column,
                    f"not readable as YAML: {error.problem or error.context}",
                    _remedy(error, characters),
                ) from error
        except yaml.reader.ReaderError as error:
            before = characters[: error.position]
            line, column = before.count("\n") + 1, error.position - before.rfind("\n")
            raise YamlError(name, line, column, "a control character", "remove it, or escape it in quotes") from error
        # `{secret: ${NAME}}` is what people write, though YAML wants quotes around a text with a brace in there.
        quoted = f'{characters[: variable.start()]}"{variable[0]}"{characters[variable.end() :]}'
        return cls.read(quoted, name, repairs - 1)

    def document(self) -> Located:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Located(None, Mark(1, 1))
        node = self._node(next(self._events), 0)
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._error(after, "a second document begins here", "put it into a file of its own")
        return Located(node.value, node.mark)

    def _node(self, event: Any, depth: int) -> _Node:
        """The value that begins with `event`, read to its end."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        before, outer = self._cost, self._deepest
        self._deepest = depth
        mark = _mark(event)
        if isinstance(event, yaml.ScalarEvent):
            self._spend(event, _VALUE_COST + len(event.value))
            value = self._scalar(event)
        else:
            self._spend(event, _VALUE_COST)
            self._reach(event, depth + 1)
            if isinstance(event, yaml.MappingStartEvent):
                value = self._mapping(mark, depth)
            else:
                value = self._sequence(mark, depth)
        node = _Node(self._tagged(event, value), mark, self._cost - before, self._deepest - depth)
        self._deepest = max(outer, self._deepest)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any, depth: int) -> _Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise self._error(event, f"there is no &{event.anchor} that ends before this alias")
        self._spend(event, node.cost)
        self._reach(event, depth + node.height)
        return node

    def _scalar(self, event: Any) -> Any:
        return event.value if event.style or event.tag in TEXT_TAGS else resolved(event.value)

    def _sequence(self, mark: Mark, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            node = self._node(event, depth + 1)
            mark.children[len(values)] = node.mark
            values.append(node.value)
        return values

    def _mapping(self, mark: Mark, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: _Node | None = None
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error(event, "a key that is no plain text", "write the key out")
            key, at = event.value, _mark(event)
            if key in lines:
                raise self._error(
                    event,
                    f"the key {key!r} is here for the second time",
                    f"remove one (the first is on line {lines[key]})",
                )
            lines[key] = at.line
            self._spend(event, len(key))
            node = self._node(next(self._events), depth + 1)
            if key == "<<" and not event.style:
                merged = self._merged(event, node)
                continue
            values[key] = node.value
            # People look for the key; its value may begin on the next line, or elsewhere behind an alias.
            mark.children[key] = Mark(at.line, at.column, node.mark.children)
        if merged is not None:
            values = merged.value | values
            mark.children = merged.mark.children | mark.children
        return values

    def _merged(self, event: Any, node: _Node) -> _Node:
        """What `<<: node` adds: a mapping, or several of which the first to have a key wins."""
        parts = node.value if isinstance(node.value, list) else [node.value]
        values: dict[str, Any] = {}
        mark = Mark(node.mark.line, node.mark.column)
        for index, part in enumerate(parts):
            if not isinstance(part, dict):
                raise self._error(event, "<< takes a mapping or a list of mappings")
            marks = node.mark.children[index] if isinstance(node.value, list) else node.mark
            values = part | values
            mark.children = marks.children | mark.children
        return _Node(values, mark, node.cost, node.height)

    def _tagged(self, event: Any, value: Any) -> Any:
        try:
            return tagged(event.tag, value)
        except ValueError as error:
            raise self._error(event, str(error), "remove it") from error

    def _spend(self, event: Any, cost: int) -> None:
        self._cost += cost
        if self._cost > MOST_EXPANDED:
            raise self._error(
                event,
                f"the file holds more than {MOST_EXPANDED >> 20} MiB once its aliases are written out",
                "split it",
            )

    def _reach(self, event: Any, depth: int) -> None:
        if depth > MOST_NESTED:
            raise self._error(event, f"nested more than {MOST_NESTED} deep", "make it flatter")
        self._deepest = max(self._deepest, depth)

    def _error(self, event: Any, what: str, remedy: str = "") -> YamlError:
        at = _mark(event)
        return YamlError(self._name, at.line, at.column, what, remedy)


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)
