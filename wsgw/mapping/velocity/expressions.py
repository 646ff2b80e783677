"""References and expressions of a template: `$a.b[0].c("x")`, `$x + 1 > 2 && !$y`, `[1..3]`, `{"k": $v}`."""

from __future__ import annotations

import re
from typing import NoReturn

from wsgw.mapping.velocity import nodes
from wsgw.mapping.velocity.cursor import WORD, WORD_OPERATORS, Cursor
from wsgw.mapping.velocity.errors import TemplateSyntaxError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
REFERENCE = re.compile(r"\$!?\{?[A-Za-z_]")
_PROPERTY = re.compile(r"\.([A-Za-z][A-Za-z0-9_-]*)")
_STRING = re.compile(r'"[^"]*+(?:""[^"]*+)*+"|\'[^\']*+(?:\'\'[^\']*+)*+\'')
_INTEGER = re.compile(r"-?[0-9]++(?:(?=\.\.)|(?!\.|[eE][+-]?[0-9]))")
_FLOAT = re.compile(r"-?(?:[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)")
_NEGATIVE = re.compile(r"-\.?[0-9]")
_UNICODE = re.compile(r"\\u([0-9A-Fa-f]{4})")
_OPERATOR = re.compile(r"&&|\|\||[=!<>]=|[<>+*/%-]|(?:and|or|eq|ne|lt|le|gt|ge)(?![A-Za-z0-9_@])")
_NOT = re.compile(r"!(?!=)|not(?![A-Za-z0-9_@])")

_PRECEDENCE = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}  # fmt: skip
_MAX_DIGITS = 1000
_MAX_OPERATORS = 200


class ExpressionParser(Cursor):
    """What can stand inside parentheses. A subclass knows what strings have to render."""

    def string_body(self, text: str) -> nodes.Block:
        """What is rendered where a double-quoted string stands."""
        raise NotImplementedError

    # -- references ----------------------------------------------------------------------------------------------------

    def reference(self, slashes: int) -> nodes.Reference:
        """At the `$` of a reference: `$a`, `$!a`, `${a}`, `$!{a}`, with what follows it."""
        start = self.at
        self.at += 1
        quiet = self.take("!")
        if self.source.startswith("{", self.at):
            root, steps = self.braced()
        else:
            root, steps = self.path()
        return nodes.Reference(root, steps, self.source[start : self.at], quiet, slashes)

    def braced(self) -> tuple[str, tuple[nodes.Step, ...]]:
        self.at += 1
        found = self.path()
        if not self.take("}"):
            raise self.error("expected } at the end of the reference")
        return found

    def path(self) -> tuple[str, tuple[nodes.Step, ...]]:
        self.enter()
        match = NAME.match(self.source, self.at)
        if match is None or match[0] in ("true", "false"):
            raise self.error("expected the name of a variable")
        self.at = match.end()
        self.names.add(match[0])
        steps: list[nodes.Step] = []
        while True:
            if self.take("["):
                steps.append(self.index())
            elif step := _PROPERTY.match(self.source, self.at):
                offset = self.at + 1
                self.at = step.end()
                last = self.at + 1 == len(self.source)
                if not last and self.take("("):
                    call = nodes.Call(step[1], self.call_arguments())
                    self.check(match[0], call, offset)
                    steps.append(call)
                elif step[1] in ("true", "false"):
                    raise self.error("expected the name of a property", offset)
                else:
                    steps.append(nodes.Property(step[1]))
            else:
                self.depth -= 1
                return match[0], tuple(steps)

    def index(self) -> nodes.Index:
        self.blanks()
        key = self.operand(in_call=False)
        allowed = isinstance(key, nodes.Reference | nodes.Interpolated) or (
            isinstance(key, nodes.Literal) and not isinstance(key.value, float)
        )
        self.blanks()
        if not allowed or not self.take("]"):
            raise self.error("expected an index such as 0, 'name' or $name, and ]")
        return nodes.Index(key)

    def call_arguments(self) -> tuple[nodes.Expression, ...]:
        """A method's arguments up to its `)`: values, not expressions (so Velocity 1.7)."""
        self.blanks()
        if self.take(")"):
            return ()
        return self.values(")", in_call=True)

    def values(self, end: str, in_call: bool) -> tuple[nodes.Expression, ...]:
        found: list[nodes.Expression] = []
        while True:
            self.blanks()
            found.append(self.operand(in_call))
            self.blanks()
            if self.take(end):
                return tuple(found)
            if not self.take(","):
                raise self.error(f"expected , or {end}")

    # -- expressions ---------------------------------------------------------------------------------------------------

    def expression(self, least: int = 1) -> nodes.Expression:
        """An expression of operators that bind at least as strongly as `least`."""
        self.enter()
        left = self.unary()
        for _ in range(_MAX_OPERATORS):
            self.blanks()
            match = _OPERATOR.match(self.source, self.at)
            operator = WORD_OPERATORS.get(match[0], match[0]) if match else ""
            # A minus that touches a digit belongs to the number, so `$x -1` is two values.
            if _PRECEDENCE.get(operator, 0) < least or (operator == "-" and _NEGATIVE.match(self.source, self.at)):
                self.depth -= 1
                return left
            assert match is not None
            self.at = match.end()
            left = nodes.Binary(operator, left, self.expression(_PRECEDENCE[operator] + 1))
        raise self.error(f"more than {_MAX_OPERATORS} operators in a row")

    def unary(self) -> nodes.Expression:
        self.blanks()
        if match := _NOT.match(self.source, self.at):
            self.at = match.end()
            self.enter()
            operand = self.unary()
            self.depth -= 1
            return nodes.Not(operand)
        if self.take("("):
            inner = self.expression()
            self.blanks()
            if not self.take(")"):
                raise self.error("expected an operator or )")
            return inner
        return self.operand(in_call=False)

    def operand(self, in_call: bool) -> nodes.Expression:
        """A reference or a literal. in_call: as a method's argument, where a bare word is null."""
        source = self.source
        char = source[self.at : self.at + 1]
        if char == "$":
            return self.reference(0) if REFERENCE.match(source, self.at) else self.refuse()
        if char in ('"', "'"):
            return self.string()
        if char in ("[", "{"):
            self.enter()
            self.at += 1
            found = self.bracketed(in_call) if char == "[" else self.map(in_call)
            self.depth -= 1
            return found
        if match := _INTEGER.match(source, self.at):
            if len(match[0]) > _MAX_DIGITS:
                raise self.error(f"a number of more than {_MAX_DIGITS} digits")
            self.at = match.end()
            return nodes.Literal(int(match[0]))
        if match := _FLOAT.match(source, self.at):
            self.at = match.end()
            return nodes.Literal(float(match[0]))
        match = (NAME if in_call else WORD).match(source, self.at)
        if match is not None and (in_call or match[0] in ("true", "false")):
            self.at = match.end()
            return nodes.Literal({"true": True, "false": False}.get(match[0]))
        return self.refuse()

    def refuse(self) -> NoReturn:
        found = self.source[self.at : self.at + 1]
        raise self.error(f"expected a reference, string, number, list or map, found {found or 'the end'}")

    def string(self) -> nodes.Expression:
        match = _STRING.match(self.source, self.at)
        if match is None:
            raise self.error("a string has no end")
        start = self.at
        self.at = match.end()
        quote = match[0][0]
        text = match[0][1:-1].replace(quote * 2, quote)
        if quote == "'":
            return nodes.Literal(text)
        text = _UNICODE.sub(lambda found: chr(int(found[1], 16)), text)
        if "$" not in text and "#" not in text:
            return nodes.Literal(text)
        self.depth += 1
        try:
            body = self.string_body(text)
        except TemplateSyntaxError as error:
            raise self.error(f"in a string: {error.reason}", start) from error
        self.depth -= 1
        return nodes.Interpolated(body)

    def bracketed(self, in_call: bool) -> nodes.Expression:
        """After `[`: a range or a list."""
        self.blanks()
        if self.take("]"):
            return nodes.ListLiteral(())
        first = self.operand(in_call)
        self.blanks()
        if self.take(".."):
            self.blanks()
            last = self.operand(in_call)
            self.blanks()
            if not all(_countable(end) for end in (first, last)) or not self.take("]"):
                raise self.error("a range: expected [first..last] of whole numbers or references")
            return nodes.Range(first, last)
        if self.take("]"):
            return nodes.ListLiteral((first,))
        if not self.take(","):
            raise self.error("expected , or ]")
        return nodes.ListLiteral((first, *self.values("]", in_call)))

    def map(self, in_call: bool) -> nodes.MapLiteral:
        """After `{`."""
        self.blanks()
        if self.take("}"):
            return nodes.MapLiteral(())
        pairs: list[tuple[nodes.Expression, nodes.Expression]] = []
        while True:
            self.blanks()
            key = self.operand(in_call)
            self.blanks()
            if not self.take(":"):
                raise self.error("expected : after the key")
            self.blanks()
            pairs.append((key, self.operand(in_call)))
            self.blanks()
            if self.take("}"):
                return nodes.MapLiteral(tuple(pairs))
            if not self.take(","):
                raise self.error("expected , or }")


def _countable(end: nodes.Expression) -> bool:
    """Whether a range may start or end with it."""
    if isinstance(end, nodes.Literal):
        return isinstance(end.value, int) and not isinstance(end.value, bool)
    return isinstance(end, nodes.Reference)
