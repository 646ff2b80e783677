"""`wsgw serve --watch` and the Python modules of a definition: a saved module serves without a restart."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.harness.raw_websocket import RawWebSocket
from tests.harness.serving import serving
from wsgw.cli.modules import Modules

DEPLOYED = "wsgw: deployed"
KEPT = "what was deployed before is still served"

DEFINITION = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      ask: {integration: python:%s:answer, twoWay: true}
"""
HANDLER = "async def answer(event, context):\n    return {'statusCode': 200, 'body': %r}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wsgw.yaml"
    path.write_text(DEFINITION % "handlers")
    (tmp_path / "handlers.py").write_text(HANDLER % "one")
    return path


def save(path: Path, text: str, second: int | None = None) -> None:
    """As an editor does: another file, put in its place. `second` is that of its time stamp, if it matters.

    What Python has compiled looks right for any file of the same size and the same second.
    """
    other = path.with_suffix(".tmp")
    other.write_text(text)
    if second is not None:
        stat = other.stat()
        fraction = stat.st_mtime_ns % 10**9
        os.utime(other, ns=(stat.st_atime_ns, second * 10**9 + fraction))
    other.replace(path)


async def ask(client: RawWebSocket) -> str:
    await client.send_json({"action": "ask"})
    return await client.receive_text()


async def test_a_saved_module_answers_the_next_message_of_an_open_connection(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "compiled"))
    async with serving(file, "--watch") as gateway:
        client = await gateway.connect()
        assert await ask(client) == "one"
        for count, text in enumerate(("two", "six"), 1):
            save(tmp_path / "handlers.py", HANDLER % text, second=0)
            await gateway.says(DEPLOYED, count)
            assert await ask(client) == text


async def test_a_module_that_the_handlers_module_imports_counts_too(file: Path, tmp_path: Path):
    (tmp_path / "handlers.py").write_text(f"import words\n{HANDLER % 'x'}".replace("'x'", "words.WORD"))
    (tmp_path / "words.py").write_text("WORD = 'one'\n")
    async with serving(file, "--watch") as gateway:
        client = await gateway.connect()
        assert await ask(client) == "one"
        save(tmp_path / "words.py", "WORD = 'two'\n")
        await gateway.says(DEPLOYED)
        assert await ask(client) == "two"


async def test_a_module_that_cannot_be_imported_leaves_the_old_one_serving_until_it_can(file: Path, tmp_path: Path):
    async with serving(file, "--watch") as gateway:
        client = await gateway.connect()
        save(tmp_path / "handlers.py", "def (\n")
        await gateway.says(KEPT)
        assert await ask(client) == "one"
        save(tmp_path / "handlers.py", HANDLER % "two")
        await gateway.says(DEPLOYED)
        assert await ask(client) == "two"


async def test_a_module_that_was_missing_is_found_when_it_comes(file: Path, tmp_path: Path):
    async with serving(file, "--watch") as gateway:
        client = await gateway.connect()
        save(file, DEFINITION % "others")
        await gateway.says("no module others")
        assert await ask(client) == "one"
        save(tmp_path / "others.py", HANDLER % "other")
        await gateway.says(DEPLOYED)
        assert await ask(client) == "other"


async def test_a_saved_definition_alone_keeps_what_modules_remember(file: Path, tmp_path: Path):
    counting = HANDLER % "x"
    (tmp_path / "handlers.py").write_text(f"calls = []\n{counting}".replace("return", "calls.append(1)\n    return"))
    handlers = (tmp_path / "handlers.py").read_text().replace("'x'", "str(len(calls))")
    (tmp_path / "handlers.py").write_text(handlers)
    async with serving(file, "--watch") as gateway:
        client = await gateway.connect()
        assert await ask(client) == "1"
        save(file, DEFINITION % "handlers" + "# saved\n")
        await gateway.says(DEPLOYED)
        assert await ask(client) == "2"


async def test_without_watch_a_module_is_loaded_once(file: Path, tmp_path: Path):
    async with serving(file) as gateway:
        client = await gateway.connect()
        save(tmp_path / "handlers.py", HANDLER % "two")
        gateway.signal(signal.SIGHUP)
        await gateway.says(DEPLOYED)
        assert await ask(client) == "one"


def test_what_is_installed_and_what_is_elsewhere_is_not_loaded_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("wanda", "xdrlib_of_mine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    everywhere, here = Modules(Path("/")), Modules(tmp_path)
    (tmp_path / "wanda.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("wanda", "tabnanny", "wsgw.cli.check"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setitem(sys.modules, name, __import__(name, fromlist=["x"]))
    assert (everywhere.saved(), here.saved()) == (False, False)
    assert set(here.forget()) == {"wanda"}
