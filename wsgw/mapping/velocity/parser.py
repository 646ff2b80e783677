"""Template text → nodes: text, comments, escapes, directives. References and expressions are in `expressions`.

The rules are those of Velocity 1.7's grammar, white space included: a directive's `)`, `#else`, `#end` and a line
comment take the newline that follows with them, and `#set` takes the blanks before it, but only where they follow
another element of the language directly (so indentation at the start of a line stays).
"""

from __future__ import annotations

import re

from wsgw.mapping.velocity import nodes
from wsgw.mapping.velocity.cursor import Checks
from wsgw.mapping.velocity.directives import RESERVED, DirectiveParser
from wsgw.mapping.velocity.expressions import NAME, REFERENCE
from wsgw.mapping.velocity.frame import Dialect, TemplateLimits

_TEXT = re.compile(r"[^$#\\]+")
_SET = re.compile(r"[ \t]*#(?:set|\{set\}) *\(")
_WORD = re.compile(r"#(?:([A-Za-z_@][A-Za-z0-9_@]*)|\{([A-Za-z_][A-Za-z0-9_@]*)\})")
_NUMBER = re.compile(r"#-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_BRACED = re.compile(r"\{[A-Za-z_]")
_SLASHED_BANG = re.compile(r"\$\\+!(?=\{?[A-Za-z_])")
_LINE_COMMENT = re.compile(r"##[^\r\n]*(?:\r\n|\n|\r)?")


class Parser(DirectiveParser):
    """Parses one template, or the inside of one string."""

    in_string = False

    def template(self) -> nodes.Block:
        """The whole template. Raises TemplateSyntaxError."""
        block, ender = self.block()
        if ender:
            raise self.error(f"#{ender} without #if, #foreach, #define or #macro before it", self.ended_at)
        return block

    def string_body(self, text: str) -> nodes.Block:
        parser = Parser(text, self.dialect, self.nesting, self.depth + 1, self.checks, self.names)
        parser.in_string = True
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
            elif source.startswith("##", self.at) and _ends_in_property(reference):
                found.append(nodes.Text("##"))  # right after a property it begins no comment
                self.at += 2
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
        if self.swallows():
            return
        if rest == "!":
            after = source[self.at + 1 : self.at + 2]
            if not after and not self.in_string:
                raise self.error("expected a name after $!", start)
            if after not in ("[", "{", "$"):
                self.at += 1  # Velocity loses the mark of a quiet reference that is none
        found.append(nodes.Text("$"))

    def swallows(self) -> bool:
        """Whether what begins here takes away a lone `$` or `#` right before it."""
        match = _WORD.match(self.source, self.at)
        reserved = match is not None and (match[1] or match[2]) in RESERVED
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
            known = name in RESERVED or name in self.directives or name in self.macro_names
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
            if match or not _SET.match(source, self.at):  # a #set takes a lone # before it away
                found.append(nodes.Text(source[start : self.at]))
        return ""


def _ends_in_property(reference: nodes.Reference) -> bool:
    return bool(reference.steps) and isinstance(reference.steps[-1], nodes.Property) and reference.source[-1] != "}"


def parse(source: str, dialect: Dialect, limits: TemplateLimits, checks: Checks) -> tuple[nodes.Block, set[str]]:
    """The nodes of a template, and the names of all variables in it. Raises TemplateSyntaxError."""
    parser = Parser(source, dialect, limits.nesting, 0, checks, set())
    if len(source) > limits.source:
        raise parser.error(f"the template is longer than {limits.source} characters")
    return parser.template(), parser.names
