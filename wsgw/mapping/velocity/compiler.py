"""Nodes → closures. Each construct becomes one function of the frame; what can be decided beforehand is.

An expression's function gives a value, None for null. A condition's gives a bool. A block's writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from wsgw.mapping.velocity import nodes
from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Dialect, Frame
from wsgw.mapping.velocity.maps import key_of, look_up
from wsgw.mapping.velocity.methods import Library
from wsgw.mapping.velocity.numbers import compute, equals, ordered
from wsgw.mapping.velocity.printing import to_text
from wsgw.mapping.velocity.values import LISTS, NUMBERS, VtlList

Getter: TypeAlias = Callable[[Frame], Any]
Test: TypeAlias = Callable[[Frame], bool]
StepGetter: TypeAlias = Callable[[Frame, Any], Any]
Run: TypeAlias = Callable[[Frame], None]
#: `$context.authorizer.claims` as a whole is null, though each of them is there. Source: developer guide, "$context".
_CLAIMS = (nodes.Property("authorizer"), nodes.Property("claims"))


class Definition:
    """The value of a variable that #define made: a block, rendered where it is printed."""

    __slots__ = ("body",)

    def __init__(self, body: Run) -> None:
        self.body = body


def captured(frame: Frame, body: Run) -> str:
    """What `body` writes, as a string."""
    out, size = frame.out, frame.size
    frame.out = []
    try:
        body(frame)
        text = "".join(frame.out)
    finally:
        frame.out, frame.size = out, size
    frame.make(len(text))
    return text


class ExpressionCompiler:
    """Compiles expressions. `block` is given by the subclass, for what strings have to render."""

    def __init__(self, dialect: Dialect, library: Library) -> None:
        self.dialect = dialect
        self.library = library

    def block(self, block: nodes.Block) -> Run:
        raise NotImplementedError

    # -- values --------------------------------------------------------------------------------------------------------

    def getter(self, node: nodes.Expression) -> Getter:
        match node:
            case nodes.Reference():
                return self.reference(node)
            case nodes.Literal(value):
                return lambda frame: value
            case nodes.Interpolated(body):
                run = self.block(body)
                return lambda frame: captured(frame, run)
            case nodes.ListLiteral(items):
                return self.list(items)
            case nodes.MapLiteral(pairs):
                return self.map(pairs)
            case nodes.Range(first, last):
                return self.range(first, last)
            case nodes.Binary("+", left, right):
                return self.sum(left, right)
            case nodes.Binary(operator, left, right) if operator in "-*/%":
                return _arithmetic(operator, self.getter(left), self.getter(right))
            case _:
                return self.test(node)

    def list(self, items: tuple[nodes.Expression, ...]) -> Getter:
        getters = [self.getter(item) for item in items]
        return lambda frame: VtlList([get(frame) for get in getters])

    def map(self, pairs: tuple[tuple[nodes.Expression, nodes.Expression], ...]) -> Getter:
        getters = [(self.getter(key), self.getter(value)) for key, value in pairs]
        return lambda frame: {key_of(key(frame)): value(frame) for key, value in getters}

    def range(self, first: nodes.Expression, last: nodes.Expression) -> Getter:
        ends = self.getter(first), self.getter(last)

        def get(frame: Frame) -> VtlList | None:
            start, end = ends[0](frame), ends[1](frame)
            if start.__class__ is not int or end.__class__ is not int:
                return None
            count = abs(end - start) + 1
            frame.grow(count)
            frame.spend(count >> 4)
            return VtlList(range(start, end + 1) if start <= end else range(start, end - 1, -1))

        return get

    def sum(self, left: nodes.Expression, right: nodes.Expression) -> Getter:
        """Strings are joined; so is anything to a string, null as its source text."""
        sides = self.getter(left), self.getter(right)
        sources = [node.source if isinstance(node, nodes.Reference) else "null" for node in (left, right)]

        def get(frame: Frame) -> Any:
            values = sides[0](frame), sides[1](frame)
            if values[0].__class__ is not str and values[1].__class__ is not str:
                return compute("+", *values)
            one, other = (
                source if value is None else self.text(frame, value)
                for value, source in zip(values, sources, strict=True)
            )
            frame.make(len(one) + len(other))
            return one + other

        return get

    def text(self, frame: Frame, value: Any) -> str:
        """`value` as it prints."""
        if value.__class__ is str:
            return str(value)
        if value.__class__ is Definition:
            with frame.deeper():
                return captured(frame, value.body)
        text = to_text(frame, value)
        frame.spend(len(text) >> 8)
        return text

    # -- conditions ----------------------------------------------------------------------------------------------------

    def test(self, node: nodes.Expression) -> Test:
        """A condition. As in Velocity 1.7 only references, booleans and operators can be true: a literal "a" is not."""
        match node:
            case nodes.Reference():
                get = self.getter(node)

                def true(frame: Frame) -> bool:
                    value = get(frame)
                    return value is not None and value is not False

                return true
            case nodes.Literal(True):
                return lambda frame: True
            case nodes.Not(operand):
                test = self.test(operand)
                return lambda frame: not test(frame)
            case nodes.Binary("&&", left, right):
                one, other = self.test(left), self.test(right)
                return lambda frame: one(frame) and other(frame)
            case nodes.Binary("||", left, right):
                one, other = self.test(left), self.test(right)
                return lambda frame: one(frame) or other(frame)
            case nodes.Binary("==", left, right):
                return self.equality(left, right)
            case nodes.Binary("!=", left, right):
                test = self.equality(left, right)
                return lambda frame: not test(frame)
            case nodes.Binary(operator, left, right) if operator[0] in "<>":
                first, second = self.getter(left), self.getter(right)
                return lambda frame: ordered(operator, first(frame), second(frame))
            case _:
                return lambda frame: False

    def equality(self, left: nodes.Expression, right: nodes.Expression) -> Test:
        sides = self.getter(left), self.getter(right)

        def test(frame: Frame) -> bool:
            one, other = sides[0](frame), sides[1](frame)
            kind = one.__class__
            if kind is other.__class__:
                return bool(one == other) if kind is str or kind is int else equals(one, other, frame.spend)
            if one is None or other is None:
                return False
            if kind in NUMBERS and other.__class__ in NUMBERS:
                return bool(one == other)
            if kind in LISTS and other.__class__ in LISTS:
                return equals(one, other, frame.spend)
            return self.text(frame, one) == self.text(frame, other)

        return test

    # -- references ----------------------------------------------------------------------------------------------------

    def reference(self, node: nodes.Reference) -> Getter:
        root = node.root
        missing = "" if self.dialect.empty_missing else None
        if node.root == "context" and node.steps == _CLAIMS:
            return lambda frame: missing
        steps = [self.step(step) for step in node.steps]
        if not steps:

            def variable(frame: Frame) -> Any:
                value = frame.variables.get(root)
                return missing if value is None else value

            return variable

        def get(frame: Frame) -> Any:
            value = frame.variables.get(root)
            for step in steps:
                if value is None:
                    return missing
                value = step(frame, value)
            return missing if value is None else value

        return get

    def step(self, step: nodes.Step) -> StepGetter:
        match step:
            case nodes.Property(name):
                return self.property(name)
            case nodes.Index(key):
                return self.index(key)
            case nodes.Call():
                return self.call(step)

    def property(self, name: str) -> StepGetter:
        properties = self.library.properties

        def get(frame: Frame, value: Any) -> Any:
            if value.__class__ is dict:
                return value.get(name)
            found = properties.get(value.__class__)
            read = found.get(name) if found is not None else None
            return None if read is None else read(frame, value)

        return get

    def index(self, key: nodes.Expression) -> StepGetter:
        get_key = self.getter(key)

        def get(frame: Frame, value: Any) -> Any:
            at = get_key(frame)
            if value.__class__ is dict:
                return look_up(value, at)
            if at.__class__ is not int or (value.__class__ is not list and value.__class__ is not VtlList):
                return None
            if not -len(value) <= at < len(value):
                raise TemplateRuntimeError(f"no element {at} in a list of {len(value)}")
            return value[at]

        return get

    def call(self, step: nodes.Call) -> StepGetter:
        methods = self.library.methods
        name = step.name, len(step.arguments)
        arguments = [self.getter(argument) for argument in step.arguments]

        def get(frame: Frame, value: Any) -> Any:
            table = methods.get(value.__class__)
            method = table.get(name) if table is not None else None
            if method is None:
                return None
            if value.__class__ is str and len(value) > 256:
                frame.spend(len(value) >> (10 if value.isascii() else 7))
            implementation, kinds = method
            values = [argument(frame) for argument in arguments]
            if kinds is not None:
                for item, kind in zip(values, kinds, strict=True):
                    if kind is not None and item.__class__ not in kind:
                        return None
            return implementation(frame, value, *values)

        return get


def _arithmetic(operator: str, left: Getter, right: Getter) -> Getter:
    return lambda frame: compute(operator, left(frame), right(frame))
