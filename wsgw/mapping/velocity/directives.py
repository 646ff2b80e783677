"""Directives → nodes: #set, #if, #foreach, #define, #macro and what is only text that has a # in it."""

from __future__ import annotations

import re

from wsgw.mapping.velocity import nodes
from wsgw.mapping.velocity.cursor import Checks
from wsgw.mapping.velocity.expressions import REFERENCE, ExpressionParser
from wsgw.mapping.velocity.frame import Dialect

NEWLINE = re.compile(r"[ \t]*(?:\r\n|\n|\r)")
_PARENTHESIS = re.compile(r"[ \t\r\n]*\(")

RESERVED = frozenset(("if", "elseif", "else", "end"))
_ALWAYS = frozenset(("foreach", "define", "macro", "break", "stop", "literal"))
_OPTIONAL = frozenset(("evaluate", "parse", "include"))


class DirectiveParser(ExpressionParser):
    """What follows a `#`. A subclass parses the blocks between directives."""

    def __init__(
        self, source: str, dialect: Dialect, nesting: int, depth: int, checks: Checks, names: set[str]
    ) -> None:
        super().__init__(source, nesting, depth, checks, names)
        self.dialect = dialect
        self.directives = _ALWAYS | _OPTIONAL if dialect.macros else _ALWAYS
        self.macro_names: set[str] = set()
        self.ended_at = 0

    def block(self) -> tuple[nodes.Block, str]:
        """Nodes up to `#end`, `#else`, `#elseif` (which one: second item, "" at the end of the text)."""
        raise NotImplementedError

    def inner(self, name: str, start: int) -> nodes.Block:
        """The block of `#name`, up to and with its #end."""
        block, ender = self.block()
        if ender != "end":
            raise self.error(f"#{name} has no #end: expected #end{f', found #{ender}' if ender else ''}", start)
        return block

    def directive(self, name: str, start: int, found: list[nodes.Node]) -> str:
        if name in ("end", "else"):
            self.ended_at = start
            self.skip(NEWLINE)
            return name
        if name == "elseif":
            self.ended_at = start
            return name
        if name == "if":
            found.append(self.if_directive(start))
        elif name == "foreach":
            found.append(self.foreach(start))
        elif name == "define":
            found.append(self.define(start))
        elif name == "macro":
            found.append(self.macro(start))
        elif name in ("break", "stop"):
            self.arguments()
            found.append(nodes.Break() if name == "break" else nodes.Stop())
        elif name == "literal":
            self.literal(start, found)
        elif name == "evaluate" and self.dialect.macros:
            arguments = self.arguments()
            if arguments is None or len(arguments) != 1 or isinstance(arguments[0], str):
                raise self.error("#evaluate: expected one argument in parentheses", start)
            found.append(nodes.Evaluate(arguments[0]))
        else:
            found.append(self.unknown(name, start))
        return ""

    def set_directive(self) -> nodes.Set:
        start = self.at
        self.blanks()
        if not REFERENCE.match(self.source, self.at):
            raise self.error("#set: expected a reference such as $name", start)
        target = self.reference(0)
        self.blanks()
        if not self.take("="):
            raise self.error("#set: expected = after the reference")
        value = self.expression()
        self.close("#set")
        return nodes.Set(target, value)

    def if_directive(self, start: int) -> nodes.If:
        branches: list[tuple[nodes.Expression, nodes.Block]] = []
        otherwise: nodes.Block = ()
        name, ender = "if", "elseif"
        while ender == "elseif":
            branches.append((self.condition(name), ()))
            block, ender = self.block()
            branches[-1] = (branches[-1][0], block)
            name = "elseif"
        if ender == "else":
            otherwise, ender = self.block()
        if ender != "end":
            raise self.error(f"#if has no #end: expected #end{f', found #{ender}' if ender else ''}", start)
        return nodes.If(tuple(branches), otherwise)

    def condition(self, name: str) -> nodes.Expression:
        self.blanks()
        if not self.take("("):
            raise self.error(f"#{name}: expected ( and a condition")
        condition = self.expression()
        self.close(f"#{name}")
        return condition

    def close(self, name: str) -> None:
        """A directive's `)`, with the newline that follows it."""
        self.blanks()
        if not self.take(")"):
            raise self.error(f"{name}: expected )")
        self.skip(NEWLINE)

    def foreach(self, start: int) -> nodes.Foreach:
        arguments = self.arguments()
        match arguments:
            case [nodes.Reference(root=variable), str(), source] if not isinstance(source, str):
                return nodes.Foreach(variable, source, self.inner("foreach", start))
        raise self.error("#foreach: expected ($name in list)", start)

    def define(self, start: int) -> nodes.Define:
        match self.arguments():
            case [nodes.Reference(root=name)]:
                return nodes.Define(name, self.inner("define", start))
        raise self.error("#define: expected ($name)", start)

    def macro(self, start: int) -> nodes.Node:
        arguments = self.arguments()
        names = [item.root for item in arguments or () if isinstance(item, nodes.Reference)]
        if not arguments or not isinstance(arguments[0], str) or len(names) != len(arguments) - 1:
            raise self.error("#macro: expected (name $parameter …)", start)
        body = self.inner("macro", start)
        if not self.dialect.macros:
            return nodes.Text("")
        self.macro_names.add(arguments[0])
        return nodes.Macro(arguments[0], tuple(names), body)

    def literal(self, start: int, found: list[nodes.Node]) -> None:
        if self.arguments() is None:
            found.append(nodes.Text(self.source[start : self.at]))
            return
        first = self.at
        self.inner("literal", start)
        found.append(nodes.Text(self.source[first : self.ended_at]))

    def unknown(self, name: str, start: int) -> nodes.Node:
        """A macro's call, or text that has a # in it."""
        if self.dialect.macros and name in _OPTIONAL:
            raise self.error(f"#{name} is not supported", start)
        arguments = self.arguments()
        if name.startswith("@") and arguments is not None:
            self.inner(name, start)
        source = self.source[start : self.at]
        if not self.dialect.macros or name.startswith("@"):
            return nodes.Text(source)
        values = tuple(item for item in arguments or () if not isinstance(item, str))
        return nodes.MacroCall(name, values, source)

    def arguments(self) -> list[nodes.Expression | str] | None:
        """A directive's arguments in parentheses, bare words as str; None if no parenthesis follows."""
        match = _PARENTHESIS.match(self.source, self.at)
        if match is None:
            return None
        self.at = match.end()
        found: list[nodes.Expression | str] = []
        while True:
            self.blanks()
            if found and self.take(","):
                self.blanks()
            if self.source.startswith(")", self.at):
                self.close("")
                return found
            word = self.word()
            found.append(self.operand(in_call=False) if word is None else word)
