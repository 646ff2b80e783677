"""What is said of a Python function that cannot be called: the same where it is loaded and where it is looked for."""

from __future__ import annotations

from pathlib import Path


def unusable(spec: str, why: str) -> str:
    return f"python:{spec}: {why}"


def no_module(name: str, base: Path) -> str:
    return f"no module {name}: put it beside the definition file, in {base.resolve()}"


def import_failed(name: str, error: BaseException) -> str:
    return f"importing {name} failed: {type(error).__name__}: {error}"


def other_module(loaded: Path, file: Path) -> str:
    return f"{loaded} is loaded under the name of {file}: give one of the two another name"


def no_function(file: str, path: str) -> str:
    return f"{file} has no {path}: define `async def {path}(event, context)`"


def other_parameters(file: str, path: str) -> str:
    remedy = f"make it `async def {path.rpartition('.')[2]}(event, context)`"
    return f"{path} in {file} cannot be called with an event and a context: {remedy}"
