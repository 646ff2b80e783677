"""Blocks and directives → closures: text, printed references, #set, #if, #foreach, #define, macros, #evaluate."""

from __future__ import annotations

from typing import Any

from wsgw.mapping.velocity import nodes
from wsgw.mapping.velocity.collections import position, put_at
from wsgw.mapping.velocity.compiler import Definition, ExpressionCompiler, Getter, Run
from wsgw.mapping.velocity.errors import TemplateRuntimeError, TemplateSyntaxError
from wsgw.mapping.velocity.frame import Break, Dialect, Frame, Stop, TemplateLimits
from wsgw.mapping.velocity.maps import put
from wsgw.mapping.velocity.methods import Library
from wsgw.mapping.velocity.parser import parse
from wsgw.mapping.velocity.printing import to_text
from wsgw.mapping.velocity.values import LISTS, Loop


class Compiler(ExpressionCompiler):
    """Compiles one template. `names`: the variables that it mentions; loops keep only the counters among them."""

    def __init__(self, dialect: Dialect, library: Library, names: set[str]) -> None:
        super().__init__(dialect, library)
        self.counters = dialect.macros or "velocityCount" in names or "velocityHasNext" in names

    def block(self, block: nodes.Block) -> Run:
        """Runs the nodes in turn. Its cost and the length of its text are known beforehand and counted at once."""
        runs = [node.text if isinstance(node, nodes.Text) else self.run(node) for node in block]
        steps = len(runs) + 1
        size = sum(len(node.text) for node in block if isinstance(node, nodes.Text))

        def run(frame: Frame) -> None:
            frame.size += size
            frame.steps += steps
            if frame.steps > frame.limits.steps or frame.size > frame.limits.output:
                frame.spend(0)
            for part in runs:
                if isinstance(part, str):
                    frame.out.append(part)
                else:
                    part(frame)

        return run

    def run(self, node: nodes.Node) -> Run:
        match node:
            case nodes.Reference():
                return self.printed(node)
            case nodes.Set(target, value):
                return self.assignment(target, self.getter(value))
            case nodes.If():
                return self.conditional(node)
            case nodes.Foreach():
                return self.foreach(node)
            case nodes.Define(name, body):
                return self.define(name, body)
            case nodes.Macro():
                return self.macro(node)
            case nodes.MacroCall():
                return self.macro_call(node)
            case nodes.Evaluate(value):
                return self.evaluate(self.getter(value))
            case nodes.Break():
                return _raise_break
            case _:
                return _raise_stop

    # -- references and #set -------------------------------------------------------------------------------------------

    def printed(self, node: nodes.Reference) -> Run:
        """A reference in text; the backslashes before it escape it, or each other."""
        get = self.getter(node)
        half = "\\" * (node.slashes // 2)
        escaped = node.slashes % 2 == 1
        absent = "" if node.quiet and not escaped else "\\" * node.slashes + node.source

        def run(frame: Frame) -> None:
            value = get(frame)
            if value.__class__ is not str or half or escaped:
                if value is None:
                    value = absent
                elif escaped:
                    value = half + node.source
                else:
                    value = half + self.text(frame, value)
            frame.size += len(value)
            frame.out.append(value)

        return run

    def assignment(self, target: nodes.Reference, value: Getter) -> Run:
        """`#set`. Null is not assigned, and what cannot be assigned to stays as it is."""
        if not target.steps:
            name = target.root

            def run(frame: Frame) -> None:
                found = value(frame)
                if found is not None:
                    frame.variables[name] = found

            return run
        owner = self.getter(nodes.Reference(target.root, target.steps[:-1], target.source))
        match target.steps[-1]:
            case nodes.Property(name):
                return _assign_property(owner, name, value)
            case nodes.Index(key):
                return _assign_element(owner, self.getter(key), value)
            case nodes.Call():
                return _nothing

    # -- #if and #foreach ----------------------------------------------------------------------------------------------

    def conditional(self, node: nodes.If) -> Run:
        branches = [(self.test(condition), self.block(body)) for condition, body in node.branches]
        otherwise = self.block(node.otherwise)

        def run(frame: Frame) -> None:
            for test, body in branches:
                if test(frame):
                    body(frame)
                    return
            otherwise(frame)

        return run

    def foreach(self, node: nodes.Foreach) -> Run:
        source = self.getter(node.source)
        body = self.block(node.body)
        name = node.variable
        kept = [name, "foreach", "velocityCount", "velocityHasNext"] if self.counters else [name, "foreach"]

        def run(frame: Frame) -> None:
            items = source(frame)
            items = list(items.values() if items.__class__ is dict else items if items.__class__ in LISTS else ())
            frame.spend(len(items) >> 6)
            variables = frame.variables
            before = [(key, variables.get(key)) for key in kept]
            loop = frame.loop = Loop(len(items), frame.loop)
            try:
                for index, item in enumerate(items):
                    if index >= frame.limits.loop_turns:
                        raise TemplateRuntimeError(f"#foreach takes more than {index} turns")
                    loop.index = index
                    variables[name] = item
                    variables["foreach"] = loop
                    if self.counters:
                        variables["velocityCount"] = index + 1
                        variables["velocityHasNext"] = index + 1 < loop.total
                    body(frame)
            except Break:
                pass
            finally:
                frame.loop = loop.parent
                for key, old in before:
                    variables[key] = old

        return run

    # -- #define, #macro, #evaluate ------------------------------------------------------------------------------------

    def define(self, name: str, body: nodes.Block) -> Run:
        definition = Definition(self.block(body))

        def run(frame: Frame) -> None:
            frame.variables[name] = definition

        return run

    def macro(self, node: nodes.Macro) -> Run:
        """A macro's parameters are values, set for the time of the call."""
        body = self.block(node.body)

        def call(frame: Frame, arguments: list[Any]) -> None:
            variables = frame.variables
            before = [(name, variables.get(name)) for name in node.parameters]
            values = arguments + [None] * (len(node.parameters) - len(arguments))
            variables.update(zip(node.parameters, values, strict=False))
            try:
                with frame.deeper():
                    body(frame)
            finally:
                variables.update(before)

        def run(frame: Frame) -> None:
            frame.macros.setdefault(node.name, call)

        return run

    def macro_call(self, node: nodes.MacroCall) -> Run:
        arguments = [self.getter(argument) for argument in node.arguments]

        def run(frame: Frame) -> None:
            macro = frame.macros.get(node.name)
            if macro is not None:
                macro(frame, [argument(frame) for argument in arguments])
            else:
                frame.size += len(node.source)
                frame.out.append(node.source)

        return run

    def evaluate(self, value: Getter) -> Run:
        def run(frame: Frame) -> None:
            source = value(frame)
            if source is None:
                return
            text = to_text(frame, source)
            frame.spend(len(text))
            try:
                body = compile_nodes(text, self.dialect, frame.limits, self.library)
            except TemplateSyntaxError as error:
                raise TemplateRuntimeError(f"#evaluate: {error}") from error
            with frame.deeper():
                body(frame)

        return run


def _assign_property(owner: Getter, name: str, value: Getter) -> Run:
    def run(frame: Frame) -> None:
        found, target = value(frame), owner(frame)
        if found is not None and target.__class__ is dict:
            put(frame, target, name, found)

    return run


def _assign_element(owner: Getter, key: Getter, value: Getter) -> Run:
    def run(frame: Frame) -> None:
        found, target, at = value(frame), owner(frame), key(frame)
        if found is None:
            return
        if target.__class__ is dict:
            put(frame, target, at, found)
        elif target.__class__ in LISTS and at.__class__ is int:
            put_at(frame, target, position(target, at + len(target) if at < 0 else at), found)

    return run


def _nothing(_: Frame) -> None:
    """An assignment that has no effect."""


def _raise_break(_: Frame) -> None:
    raise Break


def _raise_stop(_: Frame) -> None:
    raise Stop


def _hoisted(block: nodes.Block) -> nodes.Block:
    """Macros at the top of a template are known before its first line runs."""
    macros = tuple(node for node in block if isinstance(node, nodes.Macro))
    return macros + tuple(node for node in block if not isinstance(node, nodes.Macro)) if macros else block


def compile_nodes(source: str, dialect: Dialect, limits: TemplateLimits, library: Library) -> Run:
    """A template's source as a function that renders it into a frame. Raises TemplateSyntaxError."""
    try:
        block, names = parse(source, dialect, limits, library.checks)
        return Compiler(dialect, library, names).block(_hoisted(block))
    except RecursionError as error:
        raise TemplateSyntaxError("the template has too many constructs inside each other", source) from error
