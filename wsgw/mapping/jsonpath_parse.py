"""What a JSONPath says: text to a tree of segments, in Jayway's grammar.

Grammar as Jayway JsonPath 2.0 reads it, and from its later releases: double quotes, backslash escapes, negative
indexes, functions at the end, the filter operators `in`, `nin`, `subsetof`, `anyof`, `noneof`, `contains`, `all`,
`size`, `empty`. Names may hold anything but `.`, `[`, `(` and blanks: `$.$ref`, `$.@type` and `$.a-b` are paths.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from wsgw.mapping.jsonpath_tree import (
    Compare,
    Descent,
    Either,
    Every,
    Exists,
    Filter,
    Function,
    Index,
    Indexes,
    Key,
    Keys,
    Literal,
    Not,
    Operand,
    Pattern,
    Segment,
    Slice,
    SubPath,
    Test,
    Wildcard,
)

MAX_LENGTH: Final = 8_192
MAX_NESTING: Final = 32


class JsonPathError(ValueError):
    """An expression that is no JSONPath; the message says where it stops being one."""


_FUNCTIONS: Final = frozenset({"length", "sum", "min", "max", "avg", "stddev", "keys", "first", "last"})
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_NAME: Final = re.compile(r"[^.\[( \t\r\n]+")
# Inside a filter a name ends where an operator or a parenthesis can begin, too.
_FILTER_NAME: Final = re.compile(r"[^.\[( \t\r\n)=!<>&|,\]}]+")
_LENGTH: Final = re.compile(r"\(\s*@\.length(?:\(\))?\s*-\s*([0-9]{1,9})\s*\)\s*\]")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,3})?")
_WORD: Final = re.compile(r"(true|false|null)(?![A-Za-z0-9_])")
_WORDS: Final = {"true": True, "false": False, "null": None}
_OPERATOR: Final = re.compile(
    r"===|!==|==|!=|<=|>=|=~|<|>|(?:subsetof|anyof|noneof|contains|empty|size|all|nin|in)(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_REGEX: Final = re.compile(r"/((?:[^/\\]|\\.)*)/([a-zA-Z]*)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def parse(expression: str) -> tuple[Segment, ...]:
    """The segments of `expression`, `$` left out; `a.b` is `$.a.b`. Raises JsonPathError."""
    text = expression.strip()
    if not text:
        raise JsonPathError("a JSONPath cannot be empty; write $ for the whole document")
    if len(text) > MAX_LENGTH:
        raise JsonPathError(f"a JSONPath of {len(text)} characters; at most {MAX_LENGTH} are allowed")
    if text[0] not in "$@":
        text = "$." + text
    return _Parser(text).whole()


class _Parser:
    __slots__ = ("_at", "_depth", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 1
        self._depth = 0

    def whole(self) -> tuple[Segment, ...]:
        segments = self._segments(_NAME)
        if self._at < len(self._text):
            self._fail("'.', '[' or the end; a name with blanks or brackets is written ['as this']")
        return segments

    # ---- segments

    def _segments(self, name: re.Pattern[str]) -> tuple[Segment, ...]:
        found: list[Segment] = []
        while True:
            if self._skip(".."):
                found.append(Descent())
                found.append(self._bracketed() if self._peek() == "[" else self._named(name))
            elif self._skip("."):
                found.append(self._bracketed() if self._peek() == "[" else self._named(name))
            elif self._peek() == "[":
                found.append(self._bracketed())
            else:
                return tuple(found)
            if isinstance(found[-1], Function):
                return tuple(found)

    def _named(self, pattern: re.Pattern[str]) -> Segment:
        match = pattern.match(self._text, self._at)
        if match is None:
            self._fail("a name, * or [")
        name = match[0]
        self._at = match.end()
        if name == "*":
            return Wildcard()
        if not self._skip("("):
            return Key(name)
        self._blanks()
        if name not in _FUNCTIONS or not self._skip(")"):
            self._fail(f"one of the functions {', '.join(sorted(_FUNCTIONS))}, without arguments")
        return Function(name)

    def _bracketed(self) -> Segment:
        length = _LENGTH.match(self._text, self._at + 1)
        if length is not None and int(length[1]) > 0:
            self._at = length.end()
            return Index(-int(length[1]))
        self._at += 1
        self._blanks()
        segment: Segment
        if self._peek() in ("'", '"'):
            segment = self._quoted_keys()
        elif self._skip("*"):
            segment = Wildcard()
        elif self._skip("?"):
            segment = self._filter()
        else:
            segment = self._numbers()
        self._blanks()
        self._expect("]")
        return segment

    def _quoted_keys(self) -> Segment:
        names = [self._string()]
        while self._skip_blanks_and(","):
            self._blanks()
            names.append(self._string())
        return Key(names[0]) if len(names) == 1 else Keys(tuple(names))

    def _numbers(self) -> Segment:
        first = self._integer()
        if self._skip_blanks_and(":"):
            self._blanks()
            stop = self._integer()
            if first is None and stop is None:
                self._fail("a number before or after the ':'")
            if self._skip_blanks_and(":"):
                # Jayway reads a step and takes no notice of it.
                self._blanks()
                self._integer()
            return Slice(first, stop)
        if first is None:
            self._fail("an index, a quoted name, *, ?(filter) or (@.length-1)")
        indexes = [first]
        while self._skip_blanks_and(","):
            self._blanks()
            following = self._integer()
            if following is None:
                self._fail("an index")
            indexes.append(following)
        return Index(first) if len(indexes) == 1 else Indexes(tuple(indexes))

    # ---- filters

    def _filter(self) -> Filter:
        self._blanks()
        self._expect("(")
        self._enter()
        test = self._any()
        self._leave()
        self._blanks()
        self._expect(")")
        return Filter(test)

    def _any(self) -> Test:
        tests = [self._all()]
        while self._skip_blanks_and("||"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else Either(tuple(tests))

    def _all(self) -> Test:
        tests = [self._one()]
        while self._skip_blanks_and("&&"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else Every(tuple(tests))

    def _one(self) -> Test:
        self._blanks()
        self._enter()
        test: Test
        if self._skip("!"):
            test = Not(self._one())
        elif self._skip("("):
            test = self._any()
            self._blanks()
            self._expect(")")
        else:
            test = self._comparison()
        self._leave()
        return test

    def _comparison(self) -> Test:
        left = self._operand()
        self._blanks()
        match = _OPERATOR.match(self._text, self._at)
        if match is None:
            return Exists(left)
        self._at = match.end()
        self._blanks()
        right = self._operand()
        operator = match[0].lower()
        if operator == "=~" and not isinstance(right, Pattern):
            self._fail("a /regular expression/ after =~")
        return Compare(operator, left, right)

    def _operand(self) -> Operand:
        sign = self._peek()
        if sign in ("@", "$"):
            self._at += 1
            self._enter()
            segments = self._segments(_FILTER_NAME)
            self._leave()
            return SubPath(sign == "$", segments)
        if sign == "/":
            return self._pattern()
        return Literal(self._literal())

    def _pattern(self) -> Pattern:
        match = _REGEX.match(self._text, self._at)
        if match is None:
            self._fail("the end of the regular expression, '/'")
        self._at = match.end()
        flags = "".join(sorted(set(match[2])))
        if not set(flags) <= set("ims"):
            self._fail("one of the flags i, m, s")
        return Pattern(f"(?{flags}){match[1]}" if flags else match[1])

    def _literal(self) -> Any:
        sign = self._peek()
        if sign in ("'", '"'):
            return self._string()
        if sign == "[":
            return self._list()
        if sign == "{":
            return self._object()
        match = _WORD.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            return _WORDS[match[1]]
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            self._fail("a path (@ or $), a string, a number, true, false, null, a list or an object")
        self._at = match.end()
        return int(match[0]) if match[0].lstrip("-").isdigit() else float(match[0])

    def _list(self) -> list[Any]:
        self._at += 1
        self._enter()
        values: list[Any] = []
        while not self._skip_blanks_and("]"):
            if values:
                self._expect(",")
            self._blanks()
            values.append(self._literal())
        self._leave()
        return values

    def _object(self) -> dict[str, Any]:
        self._at += 1
        self._enter()
        values: dict[str, Any] = {}
        while not self._skip_blanks_and("}"):
            if values:
                self._expect(",")
            self._blanks()
            name = self._string()
            self._blanks()
            self._expect(":")
            self._blanks()
            values[name] = self._literal()
        self._leave()
        return values

    # ---- characters

    def _string(self) -> str:
        quote = self._peek()
        if quote not in ("'", '"'):
            self._fail("a quoted name")
        at = self._at + 1
        text = self._text
        out: list[str] = []
        while text[at : at + 1] != quote:
            if at >= len(text):
                self._fail(f"a closing {quote}")
            char = text[at]
            if char == "\\" and at + 1 < len(text):
                at += 1
                char = _ESCAPES.get(text[at], text[at])
            out.append(char)
            at += 1
        self._at = at + 1
        return "".join(out)

    def _integer(self) -> int | None:
        match = _INTEGER.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return int(match[0])

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _skip(self, sign: str) -> bool:
        if self._text.startswith(sign, self._at):
            self._at += len(sign)
            return True
        return False

    def _skip_blanks_and(self, sign: str) -> bool:
        self._blanks()
        return self._skip(sign)

    def _blanks(self) -> None:
        match = _BLANKS.match(self._text, self._at)
        if match is not None:
            self._at = match.end()

    def _expect(self, sign: str) -> None:
        if not self._skip(sign):
            self._fail(f"'{sign}'")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            self._fail(f"a filter nested at most {MAX_NESTING} levels deep")

    def _leave(self) -> None:
        self._depth -= 1

    def _fail(self, expected: str) -> NoReturn:
        found = repr(self._peek()) if self._peek() else "the end"
        raise JsonPathError(f"JSONPath {self._text!r}: at position {self._at} found {found}, expected {expected}")
