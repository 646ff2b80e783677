"""What the examples' READMEs show is what happens: both processes as a stranger starts them, every command run."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest

from tests.harness.ports import free_port
from tests.harness.serving import serving

EXAMPLES = Path(__file__).parents[2] / "examples"
#: The file that is the service behind each, and the ports that it and the definition name.
SERVICES = {"pets": ("backend.py", ["8091"]), "two-services": ("services.py", ["8092", "8093"])}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine: apt-get install curl"),
]


@contextlib.asynccontextmanager
async def running(ports: Iterable[str], *arguments: str, cwd: Path | None = None) -> AsyncIterator[None]:
    """`python ARGUMENTS`, as soon as it listens on each of `ports`; ended in the end."""
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=cwd, stdout=silent, stderr=silent)
    try:
        async with asyncio.timeout(20):
            for port in ports:
                while not await listens(port):
                    await asyncio.sleep(0.05)
        yield
    finally:
        process.kill()
        await process.wait()


async def listens(port: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(port))
    except OSError:
        return False
    writer.close()
    return True


def commands(readme: str) -> Iterator[tuple[list[str], str]]:
    """The words of each curl command that `readme` shows, with what it prints."""
    for block in re.findall(r"```console\n(.*?)```", readme, re.DOTALL):
        for shown in block.split("$ curl ")[1:]:
            command, _, printed = shown.partition("\n")
            yield ["curl", *shlex.split(command)], printed.rstrip("\n")


@pytest.mark.parametrize("example", SERVICES)
async def test_every_command_prints_what_the_readme_shows(example: str, tmp_path: Path):
    service, ports = SERVICES[example]
    free = {port: str(free_port()) for port in ports}
    for name in (service, "wsgw.yaml"):
        text = (EXAMPLES / example / name).read_text()
        for port, own in free.items():
            assert port in text
            text = text.replace(port, own)
        (tmp_path / name).write_text(text)
    shown = list(commands((EXAMPLES / example / "README.md").read_text()))
    assert len(shown) >= 7
    async with running(free.values(), str(tmp_path / service)), serving(tmp_path / "wsgw.yaml") as served:
        await each_prints(shown, served.ready["data"])


async def test_the_guarded_example_lets_in_and_refuses_as_its_readme_shows():
    shown = list(commands((EXAMPLES / "guarded" / "README.md").read_text()))
    assert len(shown) >= 14
    async with serving(EXAMPLES / "guarded" / "wsgw.yaml") as served:
        await each_prints(shown, served.ready["data"], cwd=EXAMPLES.parent)


async def each_prints(shown: list[tuple[list[str], str]], address: str, cwd: Path | None = None) -> None:
    for words, printed in shown:
        here = [word.replace("http://127.0.0.1:8080", address) for word in words]
        curl = await asyncio.create_subprocess_exec(*here, "-s", stdout=asyncio.subprocess.PIPE, cwd=cwd)
        got, _ = await curl.communicate()
        assert re.fullmatch(re.escape(printed).replace("…", ".+"), got.decode().rstrip("\n")), (words, got)


async def test_the_first_rest_and_http_apis_of_the_readme_answer_as_it_shows(tmp_path: Path):
    readme = (EXAMPLES.parent / "README.md").read_text()
    port = str(free_port())
    for name in ("web.yaml", "web.py"):
        written = re.search(rf"cat > {name} <<'(\w+)'\n(.*?)^\1$", readme, re.DOTALL | re.MULTILINE)
        assert written is not None
        (tmp_path / name).write_text(written[2].replace(":9000", f":{port}"))
    shown = list(commands(readme))
    assert len(shown) == 4
    backend = running([port], "-m", "http.server", port, "--bind", "127.0.0.1", cwd=tmp_path)
    async with backend, serving(tmp_path / "web.yaml") as served:
        await each_prints(shown, served.ready["data"])


@pytest.mark.parametrize("example", SERVICES)
def test_the_readme_starts_what_is_there(example: str):
    readme = (EXAMPLES / example / "README.md").read_text()
    for file in (SERVICES[example][0], "wsgw.yaml"):
        assert f" examples/{example}/{file} " in readme
        assert (EXAMPLES / example / file).is_file()
