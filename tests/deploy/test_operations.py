"""docs/operations.md: what is to be copied from it works, and what it names is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from wsgw.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/operations.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
STREAM, HTTP = [code for language, code in BLOCKS if language == "nginx"]
(HAPROXY,) = [code for _, code in BLOCKS if "option forwardfor" in code]
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
#: Words in the shape of a setting that are others'.
OTHERS = {"least_conn", "max_fails", "rule_files", "stop_grace_period", "worker_shutdown_timeout"}

#: Words of the gateway's own log.
REASONS = {
    "outbox_full",
    "principal_revoked",
    "session_token_wrong_or_missing",
    "signature_does_not_match",
    "slow_client_closed",
    "source_throttle",
}


def test_every_setting_that_it_names_is_one():
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?:: [^`]*)?`", TEXT))
    named -= OTHERS | REASONS
    named = {name for name in named if not name.startswith("wsgw_")}
    assert named <= set(Settings.__struct_fields__)
    assert len(named) > 20


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target


def nginx(tmp_path: Path, text: str) -> None:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        pytest.skip("no nginx here: apt-get install nginx")
    file = tmp_path / "nginx.conf"
    file.write_text(f"{text}\npid {tmp_path}/pid;\nevents {{}}\n")
    said = subprocess.run([program, "-t", "-c", file], capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 0, said.stderr


def test_nginx_takes_the_stream(tmp_path: Path):
    if not MODULE.exists():
        pytest.skip("no stream module here: apt-get install libnginx-mod-stream")
    nginx(tmp_path, f"load_module {MODULE};\nstream {{\n{STREAM.replace('listen 443', 'listen 18443')}\n}}")


def test_nginx_takes_the_http_server(tmp_path: Path):
    upstream = STREAM.partition("server {")[0]
    # A certificate is the reader's own.
    nginx(tmp_path, f"http {{ access_log off;\n{upstream}\n{HTTP.replace('listen 443 ssl', 'listen 18443')}\n}}")


def test_haproxy_takes_the_configuration(tmp_path: Path):
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    if not Path(program).exists():
        pytest.skip("no haproxy here: apt-get install haproxy")
    file = tmp_path / "haproxy.cfg"
    file.write_text(HAPROXY.replace(" ssl crt /etc/haproxy/wsgw.pem", ""))
    said = subprocess.run([program, "-c", "-f", file], capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 0, said.stderr
    assert "WARNING" not in said.stderr
