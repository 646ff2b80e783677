"""Template text → nodes: text, comments, escapes, directives. References and expressions are in `expressions`.

The rules are those of Velocity 1.7's grammar, white space included: a directive's `)`, `#else`, `#end` and a line
comment take the newline that follows with them, and `#set` takes the blanks before it, but only where they follow
another element of the language directly (so indentation at the start of a line stays).
"""

from __future__ import annotations

import re

from wsgw.mapping.velocity import nodes
from wsgw.mapping.velocity.expressions import NAME, REFERENCE, Checks, ExpressionParser
from wsgw.mapping.velocity.frame import Dialect, TemplateLimits

_TEXT = re.compile(r"[^$#\\]+")
_SET = re.compile(r"[ \t]*#(?:set|\{set\}) *\(")
_WORD = re.compile(r"#(?:([A-Za-z_@][A-Za-z0-9_@]*)|\{([A-Za-z_][A-Za-z0-9_@]*)\})")
_NUMBER = re.compile(r"#-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_NEWLINE = re.compile(r"[ \t]*(?:\r\n|\n|\r)")
_BRACED = re.compile(r"\{[A-Za-z_]")
_SLASHED_BANG = re.compile(r"\$\\+!(?=\{?[A-Za-z_])")
_PARENTHESIS = re.compile(r"[ \t\r\n]*\(")
_LINE_COMMENT = re.compile(r"##[^\r\n]*(?:\r\n|\n|\r)?")

_RESERVED = frozenset(("if", "elseif", "else", "end"))
_ALWAYS = frozenset(("foreach", "define", "macro", "break", "stop", "literal"))
_OPTIONAL = frozenset(("evaluate", "parse", "include"))


class Parser(ExpressionParser):
    """Parses one template, or the inside of one string."""

    def __init__(
        self, source: str, dialect: Dialect, nesting: int, depth: int, checks: Checks, names: set[str], in_string: bool
    ) -> None:
        super().__init__(source, nesting, depth, checks, names)
        self.dialect = dialect
        self.in_string = in_string
        self.directives = _ALWAYS | _OPTIONAL if dialect.macros else _ALWAYS
        self.macro_names: set[str] = set()

    def template(self) -> nodes.Block:
        """The whole template. Raises TemplateSyntaxError."""
        block, ender = self.block()
        if ender:
            raise self.error(f"#{ender} without #if, #foreach, #define or #macro before it", self.ended_at)
        return block

    def string_body(self, text: str) -> nodes.Block:
        parser = Parser(text, self.dialect, self.nesting, self.depth + 1, self.checks, self.names, in_string=True)
        return parser.template()

    def block(self) -> tuple[nodes.Block, str]:
        """Nodes up to `#end`, `#else`, `#elseif` (which one: second item, "" at the end of the text)."""
        self.enter()
        found: list[nodes.Node] = []
        while self.at < len(self.source):
            if match := _SET.match(self.source, self.at):
                self.at = match.end()
                found.append(self.set_directive())
                continue
            char = self.source[self.at]
            if char == "$":
                self.dollar(found)
            elif char == "\\":
                self.backslashes(found)
            elif char == "#":
                ender = self.hash(found)
                if ender:
                    self.depth -= 1
                    return tuple(found), ender
            else:
                match = _TEXT.match(self.source, self.at)
                assert match is not None
                self.at = match.end()
                found.append(nodes.Text(match[0]))
        self.ended_at = self.at
        self.depth -= 1
        return tuple(found), ""

    def inner(self, name: str, start: int) -> nodes.Block:
        """The block of `#name`, up to and with its #end."""
        block, ender = self.block()
        if ender != "end":
            raise self.error(f"#{name} has no #end: expected #end{f', found #{ender}' if ender else ''}", start)
        return block

    # -- $ and \ -------------------------------------------------------------------------------------------------------

    def dollar(self, found: list[nodes.Node], slashes: int = 0) -> None:
        """At a `$`: a reference, or text that looks a little like one."""
        start = self.at
        source = self.source
        while source.startswith("$$", self.at):
            self.at += 1
        if self.at > start:
            found.append(nodes.Text(source[start : self.at]))
        if REFERENCE.match(source, self.at):
            reference = self.reference(slashes)
            found.append(reference)
            # Velocity reads braces right after a reference as a reference without $, and prints the { alone.
            if not reference.source.endswith("}") and _BRACED.match(source, self.at):
                self.braced()
                found.append(nodes.Text("{"))
            return
        if match := _SLASHED_BANG.match(source, self.at):
            # $\!name is the escape of $!name: one backslash less, and the rest is text.
            end = NAME.match(source, match.end() + (source[match.end()] == "{"))
            assert end is not None
            found.append(nodes.Text("$" + source[self.at + 2 : end.end()]))
            self.at = end.end()
            return
        self.at += 1
        rest = source[self.at : self.at + 1]
        if not rest and not self.in_string:
            raise self.error("expected a name after $", start)
        if rest == "#" and self.swallows_dollar():
            return
        if rest == "!" and source[self.at + 1 : self.at + 2] not in ("[", "{"):
            self.at += 1
        found.append(nodes.Text("\\" * slashes + "$"))

    def swallows_dollar(self) -> bool:
        """Whether the `#` here begins something that takes a `$` right before it away."""
        match = _WORD.match(self.source, self.at)
        reserved = match is not None and (match[1] or match[2]) in _RESERVED
        return reserved or bool(_SET.match(self.source, self.at)) or self.source.startswith(("##", "#*"), self.at)

    def backslashes(self, found: list[nodes.Node]) -> None:
        """At a backslash: an escape of the reference or directive after it, or just text."""
        start = self.at
        while self.source.startswith("\\", self.at):
            self.at += 1
        count = self.at - start
        text = "\\" * count
        if REFERENCE.match(self.source, self.at):
            self.dollar(found, count)
            return
        match = _WORD.match(self.source, self.at)
        if match is not None:
            name = match[1] or match[2]
            known = name in _RESERVED or name in self.directives or name in self.macro_names
            if count % 2:
                self.at = match.end()
                text = ("\\" * (count // 2) if known or name == "set" else text) + match[0]
            elif known:
                text = "\\" * (count // 2)
        found.append(nodes.Text(text))

    # -- # -------------------------------------------------------------------------------------------------------------

    def hash(self, found: list[nodes.Node]) -> str:
        """At a `#`. Gives the name of a directive that ends the block, else ""."""
        start = self.at
        source = self.source
        if match := _LINE_COMMENT.match(source, start):
            self.at = match.end()
        elif source.startswith("#*", start):
            end = source.find("*#", start + 2)
            self.at = len(source) if end < 0 else end + 2
        elif source.startswith("#[[", start):
            end = source.find("]]#", start + 3)
            if end < 0:
                raise self.error("#[[ has no end: expected ]]#", start)
            found.append(nodes.Text(source[start + 3 : end]))
            self.at = end + 3
        elif match := _WORD.match(source, start):
            self.at = match.end()
            return self.directive(match[1] or match[2], start, found)
        else:
            match = _NUMBER.match(source, start)
            self.at = match.end() if match else start + 1
            if self.at == len(source) and not match and not self.in_string:
                raise self.error("expected the name of a directive after #", start)
            found.append(nodes.Text(source[start : self.at]))
        return ""

    def directive(self, name: str, start: int, found: list[nodes.Node]) -> str:
        if name in ("end", "else"):
            self.ended_at = start
            self.skip(_NEWLINE)
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
        self.skip(_NEWLINE)

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


def parse(
    source: str, dialect: Dialect, limits: TemplateLimits, checks: Checks
) -> tuple[nodes.Block, set[str]]:
    """The nodes of a template, and the names of all variables in it. Raises TemplateSyntaxError."""
    parser = Parser(source, dialect, limits.nesting, 0, checks, set(), in_string=False)
    if len(source) > limits.source:
        raise parser.error(f"the template is longer than {limits.source} characters")
    return parser.template(), parser.names
