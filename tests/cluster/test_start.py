"""A node that cannot have what it keeps its state in says so in one line and ends; it does not serve without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.ports import free_port
from tests.harness.redis_server import RedisServer
from tests.harness.serving import DidNotStart, serving
from tests.harness.workers import serving_with_workers

_API = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      ping: {integration: {type: MOCK, responseTemplates: {$default: pong}}, twoWay: true}
    stages: {prod: {}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wsgw.yaml"
    path.write_text(_API)
    return path


async def refusal(file: Path, *options: str) -> tuple[int, str]:
    """The exit code, and the one line that it says instead of starting."""
    with pytest.raises(DidNotStart) as ended:
        async with serving(file, *options):
            pass
    (line,) = ended.value.said.strip().splitlines()
    assert line.startswith("wsgw: ")
    return ended.value.code, line


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_while_redis_is_down_it_does_not_start_and_when_redis_is_back_it_does(
    own_redis: RedisServer, file: Path, workers: str
):
    await own_redis.stop()
    code, line = await refusal(file, "--redis", own_redis.url, "--workers", workers)
    assert (code, f"Redis at {own_redis.address} cannot be reached" in line) == (1, True)
    await own_redis.restart()
    if workers == "1":
        async with serving(file, "--redis", own_redis.url):
            pass
    else:
        async with serving_with_workers(file, own_redis.url):
            pass


async def test_a_redis_that_does_not_answer_is_given_up(own_redis: RedisServer, file: Path):
    own_redis.freeze()
    try:
        code, line = await refusal(file, "--redis", own_redis.url)
    finally:
        own_redis.thaw()
    assert (code, f"Redis at {own_redis.address} does not answer in time" in line) == (1, True)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_wrong_password_is_named_as_such_and_not_repeated(
    file: Path, workers: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WSGW_REDIS_PASSWORD", "a-wrong-guess")
    async with RedisServer(password="the-right-one") as redis:
        code, line = await refusal(file, "--redis", redis.url_without_password, "--workers", workers)
    assert (code, "refuses the login" in line, "redis_password" in line) == (1, True, True)
    assert "a-wrong-guess" not in line


WRONG_URLS = [
    ("redis://nobody.invalid:6379", 1, "nobody.invalid has no address"),
    (f"redis+sentinel://127.0.0.1:{free_port()}/mymaster", 1, "cannot be reached"),
    (f"redis+cluster://127.0.0.1:{free_port()}", 1, "cannot be reached"),
    ("http://127.0.0.1:6379", 2, "that is no URL of a Redis; write redis://127.0.0.1:6379/0"),
    ("127.0.0.1:6379", 2, "that is no URL of a Redis; write redis://127.0.0.1:6379/0"),
]


@pytest.mark.parametrize(
    ("url", "code", "words"), WRONG_URLS, ids=["name", "sentinel", "cluster", "scheme", "no scheme"]
)
async def test_a_wrong_url_is_told_with_what_is_wrong(file: Path, url: str, code: int, words: str):
    """2: it is wrong use, whatever listens there."""
    ended, line = await refusal(file, "--redis", url)
    assert (ended, words in line) == (code, True)


async def test_a_data_directory_that_another_process_uses_is_told_with_its_process(file: Path, tmp_path: Path):
    options = ("--data", str(tmp_path / "data"))
    async with serving(file, *options) as first:
        code, line = await refusal(file, *options)
        assert code == 1
        assert line.startswith(f"wsgw: cannot start: the data directory {options[1]} is in use by another gateway")
        assert f"process {first.process.pid}" in line
    async with serving(file, *options):
        pass
