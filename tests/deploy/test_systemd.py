"""The unit and the kernel settings, as systemd and the kernel read them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wsgw.settings import Settings

SYSTEMD = Path(__file__).parents[2] / "deploy/systemd"
UNIT = (SYSTEMD / "wsgw.service").read_text()


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, flags=re.MULTILINE)


def test_systemd_finds_no_fault(tmp_path: Path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    unit = tmp_path / "wsgw.service"
    # It wants programs that exist; this one does.
    unit.write_text(UNIT.replace("/opt/wsgw/bin/wsgw", sys.executable))
    said = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stderr) == (0, "")


def test_it_may_take_as_long_to_stop_as_the_settings_allow():
    (limit,) = values("TimeoutStopSec")
    defaults = Settings()
    assert int(limit) > defaults.drain_seconds + defaults.stop_seconds


def test_workers_are_told_by_their_supervisor_and_reload_closes_nobody():
    assert values("KillMode") == ["mixed"]
    assert values("ExecReload") == ["/bin/kill -USR2 $MAINPID"]


def test_secrets_come_from_a_file_and_the_service_is_nobody_in_particular():
    assert "-/etc/wsgw/secrets" in values("EnvironmentFile")
    assert values("DynamicUser") == ["yes"]
    assert not re.search(r"^Environment=.*(PASSWORD|SECRET|TOKEN)", UNIT, flags=re.MULTILINE)


def test_each_connection_may_have_a_file():
    (files,) = values("LimitNOFILE")
    assert int(files) >= 100_000


def kernel_settings() -> list[str]:
    lines = (line.lstrip("-") for line in (SYSTEMD / "sysctl.conf").read_text().splitlines())
    return [line.partition("=")[0].strip() for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", kernel_settings())
def test_the_kernel_knows_each_setting(name: str):
    path = Path("/proc/sys") / name.replace(".", "/")
    if not path.parent.exists():
        pytest.skip(f"{path.parent} is not on this machine")
    if not path.exists() and name.startswith("net.netfilter"):
        pytest.skip("the module nf_conntrack is not loaded")
    if not path.exists() and name == "net.core.somaxconn":
        pytest.skip("not in this network namespace")
    assert path.exists()


def test_the_kernel_holds_back_no_connections_that_the_settings_ask_for():
    (kept,) = re.findall(r"^net\.core\.somaxconn = (\d+)$", (SYSTEMD / "sysctl.conf").read_text(), flags=re.MULTILINE)
    assert int(kept) >= Settings().backlog
