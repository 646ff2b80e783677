"""What is said of a handler without importing it is what loading it would say, and nothing is said that is not sure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsgw.errors import DefinitionError
from wsgw.integrations.handler_source import handler_fault
from wsgw.integrations.local import load_handler

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Writes files into a directory of this test, and gives it; what loading changes in this process is undone."""
    path, modules = list(sys.path), set(sys.modules)

    def write(directory: str = "api", /, **files: str) -> Path:
        base = tmp_path / directory
        for name, text in files.items():
            file = base.joinpath(*name.split("__in__")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return base

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def said_when_loaded(spec: str, base: Path) -> str:
    try:
        load_handler(spec, base)
    except DefinitionError as error:
        return str(error)
    return ""


HANDLERS = """
import asyncio, json as reader
from functools import partial

async def send(event, context): ...
def plain(event, context, *, more=None): ...
def any_number(*args): ...
def three_with_one_left_out(event, context, more=1): ...
def one(event): ...
def three(event, context, more): ...
def named(event, context, *, more): ...
if reader:
    async def sometimes(event, context): ...
for looped in (send,): pass
with_value: object = send
number = 7
class Room:
    @staticmethod
    async def join(event, context): ...
def outer():
    def inner(event, context): ...
    global made
    def made(event, context): ...
outer()
def decorator(function): return send
@decorator
def decorated(): ...
def twice(): ...
def twice(event, context): ...
"""
SPECS = [
    *("send", "plain", "any_number", "three_with_one_left_out", "one", "three", "named", "sometimes", "looped", "made"),
    *("with_value", "Room.join", "inner", "decorated", "twice", "sendd", "Room2.join", "reader.dumps", "asyncio"),
]
#: What only an import tells.
UNSEEN = ("asyncio", "reader.dumps")


@pytest.mark.parametrize("path", SPECS)
def test_it_is_said_what_loading_would_say(write: Write, path: str):
    base = write(wsgw_seen=HANDLERS)
    said = handler_fault(f"wsgw_seen:{path}", base)
    assert "wsgw_seen" not in sys.modules
    assert said == ("" if path in UNSEEN else said_when_loaded(f"wsgw_seen:{path}", base))


@pytest.mark.parametrize(
    "spec",
    [
        "python:wsgw_nowhere:send",
        "wsgw_nowhere.handlers:send",
        "wsgw_package:send",
        "wsgw_package:other",
        "wsgw_package.deep:send",
        "wsgw_package.none:send",
        "wsgw_package.deep.none:send",
        "wsgw_plain.none:send",
        "wsgw_space.inner:send",
        "wsgw_space.inner.more:send",
        "wsgw_space.more.most:send",
        "wsgw_space.inner:other",
        "wsgw_space:send",
        "json:dumps",
        "email.utils:none_of_it",
        "logging.nothing:send",
        "sys:exit",
    ],
)
def test_modules_are_found_where_an_import_would(write: Write, spec: str):
    send = "def send(event, context): ..."
    base = write(
        wsgw_package__in____init__=send,
        wsgw_package__in__deep=send,
        wsgw_plain=send,
        wsgw_space__in__inner=send,
        wsgw_space__in__more__in__most=send,
    )
    said = handler_fault(spec, base)
    assert not [name for name in sys.modules if name.startswith(("wsgw_package", "wsgw_plain", "wsgw_space"))]
    loaded = said_when_loaded(spec, base)
    # What is no Python file, or has no file at all, only an import knows.
    assert said == ("" if spec in ("sys:exit", "wsgw_space:send") else loaded)


@pytest.mark.parametrize("text", ["def send(:", "return 1", "\0", "a = '\\N{no such name}'"], ids=repr)
def test_a_file_that_is_no_python_is_said_as_an_import_says_it(write: Write, text: str):
    base = write(wsgw_broken=text)
    said = handler_fault("wsgw_broken:send", base)
    assert "importing wsgw_broken failed: " in said
    assert said == said_when_loaded("wsgw_broken:send", base)


@pytest.mark.parametrize(
    "text",
    [
        "from json import *",
        "def __getattr__(name): return print",
        "globals()['send'] = print",
        "exec('def send(event, context): ...')",
        "import sys; setattr(sys.modules[__name__], 'send', print)",
        "match print:\n    case send: ...",
        "(send := print)",
        "import no.such as send",
        "import wsgw_missing_library\ndef send(event, context): ...",
        "1 / 0\ndef send(event, context): ...",
    ],
)
def test_what_only_an_import_can_tell_is_no_fault(write: Write, text: str):
    assert handler_fault("wsgw_open:send", write(wsgw_open=text)) == ""


def test_a_module_of_a_package_that_names_it_is_a_function_perhaps(write: Write):
    base = write(wsgw_whole__in____init__="", wsgw_whole__in__part="def send(event, context): ...")
    assert handler_fault("wsgw_whole:part.send", base) == ""


def test_another_module_of_this_name_is_loaded_already(write: Write):
    first, second = write("one", wsgw_twin=HANDLERS), write("two", wsgw_twin=HANDLERS)
    load_handler("wsgw_twin:send", first)
    said = handler_fault("wsgw_twin:send", second)
    assert "give one of the two another name" in said
    assert said == said_when_loaded("wsgw_twin:send", second)
    assert handler_fault("wsgw_twin:send", first) == ""


def test_a_name_of_the_standard_library_is_taken(write: Write):
    base = write(json=HANDLERS)
    assert handler_fault("json:send", base) == said_when_loaded("json:send", base) != ""


def test_the_path_of_modules_stays_as_it_is(write: Write):
    before = list(sys.path)
    handler_fault("wsgw_seen:send", write(wsgw_seen=HANDLERS))
    assert sys.path == before


def test_a_module_elsewhere_on_the_path_is_found(write: Write, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(write("library", wsgw_library=HANDLERS)))
    assert handler_fault("wsgw_library:send", write("api", other="")) == ""


def test_warnings_of_a_source_are_for_whoever_imports_it(write: Write, recwarn: pytest.WarningsRecorder):
    handler_fault("wsgw_warns:send", write(wsgw_warns="def send(event, context): return '\\d' is 1"))
    assert not recwarn.list
