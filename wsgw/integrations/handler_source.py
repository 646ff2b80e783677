"""Python functions looked for in their files, without importing them: an import runs the user's code.

What is said here, `load_handler` would raise. It may raise more: what only an import can tell is not said here.
"""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
import sys
import warnings
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from pathlib import Path

from wsgw.integrations import handler_words as words

Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Names by which a module may get others than those that its text shows.
_DYNAMIC = frozenset({"__getattr__", "__dict__", "globals", "locals", "vars", "exec", "eval", "setattr", "modules"})


def handler_fault(spec: str, base: Path) -> str:
    """Why the function `spec`, as `load_handler` has it, cannot be called; "" where files tell of nothing wrong."""
    spec = spec.removeprefix("python:")
    name, _, path = spec.partition(":")
    try:
        why = _shadowed(name, base) or _fault(name, path, base)
    except ModuleNotFoundError as error:
        why = words.no_module(error.name or name, base)
    return words.unusable(spec, why) if why else ""


def _shadowed(name: str, base: Path) -> str:
    """Another module of this name, that the gateway itself uses, is what an import would give."""
    if name not in sys.modules:
        return ""
    loaded = Path(getattr(sys.modules[name], "__file__", None) or name).resolve()
    beside = base.resolve().joinpath(*name.split("."))
    for file in (beside.with_name(f"{beside.name}.py"), beside / "__init__.py"):
        if file.is_file() and file != loaded:
            return words.other_module(loaded, file)
    return ""


def _fault(name: str, path: str, base: Path) -> str:
    module = _found(name, base)
    if module is None or not module.origin or not module.origin.endswith(".py"):
        return ""
    try:
        source = Path(module.origin).read_bytes()
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source, module.origin)
            compile(tree, module.origin, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return words.import_failed(name, error)
    except (OSError, RecursionError, MemoryError):
        return ""
    names = _Names(tree)
    first, _, rest = path.partition(".")
    if names.open or _submodule(module, first) is not None:
        return ""
    found = names.bound.get(first)
    if found is None:
        return words.no_function(module.origin, path)
    if not rest and len(found) == 1 and isinstance(found[0], Function) and not _takes_two(found[0]):
        return words.other_parameters(module.origin, path)
    return ""


def _found(name: str, base: Path) -> ModuleSpec | None:
    """Where the module `name` is; None if that cannot be told. Raises ModuleNotFoundError."""
    # The file may have been written after Python last looked into its directory.
    importlib.invalidate_caches()
    top, *inner = name.split(".")
    loaded = sys.modules.get(top)
    if loaded is not None:
        found = getattr(loaded, "__spec__", None)
    else:
        found = _in((str(base.resolve()), *sys.path), top) or importlib.util.find_spec(top)
        if found is None:
            raise ModuleNotFoundError(name=top)
    for number, part in enumerate(inner, 2):
        if found is None:
            return None
        # Packages are not imported either: that would run them.
        found = _submodule(found, part)
        if found is None:
            raise ModuleNotFoundError(name=".".join((top, *inner)[:number]))
    return found


def _submodule(package: ModuleSpec, name: str) -> ModuleSpec | None:
    return _in(package.submodule_search_locations or (), f"{package.name}.{name}")


def _in(places: Iterable[str], name: str) -> ModuleSpec | None:
    """The module `name` in the first of `places` that has it, or else what directories without `__init__.py` make."""
    portions: list[str] = []
    for place in places:
        finder = pkgutil.get_importer(place)
        found = finder.find_spec(name) if finder is not None else None
        if found is not None and found.loader is not None:
            return found
        portions += found.submodule_search_locations or () if found is not None else ()
    if not portions:
        return None
    package = ModuleSpec(name, None, is_package=True)
    package.submodule_search_locations = portions
    return package


class _Names(ast.NodeVisitor):
    """The names that a module has once it is imported, with what gives them; `open`: there may be others."""

    def __init__(self, tree: ast.Module) -> None:
        self.bound: dict[str, list[ast.AST]] = {}
        everything = [*ast.walk(tree)]
        self.open = any(isinstance(one, ast.Match) or _names(one) & _DYNAMIC for one in everything)
        for one in everything:
            for name in one.names if isinstance(one, ast.Global) else ():
                self._bind(name, one)
        self.visit(tree)

    def _bind(self, name: str, by: ast.AST) -> None:
        self.bound.setdefault(name, []).append(by)

    # What stands in a function or class is its own.
    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._bind(node.name, node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._bind(node.name, node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bind(node.name, node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id, node)

    def visit_alias(self, node: ast.alias) -> None:
        self.open |= node.name == "*"
        self._bind(node.asname or node.name.partition(".")[0], node)


def _names(node: ast.AST) -> set[str]:
    return {name for member in ("id", "attr", "name") if isinstance(name := getattr(node, member, None), str)}


def _takes_two(function: Function) -> bool:
    """Whether `function` can be called with two arguments. What a decorator makes of it nobody knows."""
    if function.decorator_list:
        return True
    given = function.args
    places = len(given.posonlyargs) + len(given.args)
    named = [one for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    return not named and places - len(given.defaults) <= 2 and (places >= 2 or given.vararg is not None)
