"""What guarding a route costs: requests a second of one route with each authorizer, beside the same route without.

    python loadtest/authorizers.py [--trials 3] [--duration 4] [--only WORD]… [--python PATH]

Needs `wrk`, `nginx`, and `redis-server` for two lines. Each line of authorizers.yaml is served by a wsgw of its own,
alone on core 0; wrk, nginx and Redis share core 1. Every caller sends the same token, key or signature again and again,
as most callers do, so what can be remembered is: nginx answers the first call of the authorizer, and has the keys of
the user pool. A line whose definition is not served is left out, and the table says so. Results go to out/.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import foreign
import servers
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cluster import REDIS, redis_server
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CONNECTIONS = 64
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ALLOWED = json.dumps({"principalId": "somebody", "policyDocument": POLICY})
BACKEND = """server {
  listen 127.0.0.1:PORT;
  default_type application/json;
  location / { return 200 '{"message": "hello"}'; }
  location /authorize { return 200 'ALLOWED'; }
  location /us-east-1_Bench/.well-known/jwks.json { return 200 'KEYS'; }
}"""


class Found(NamedTuple):
    per_second: float
    per_core_second: float


class Tokens(NamedTuple):
    """Tokens of both issuers, and their keys as JSON."""

    id: str
    access: str
    keys: str


def main() -> int:
    options = _options()
    rows = yaml.safe_load((servers.HERE / "authorizers.yaml").read_text())["rows"]
    wanted = [row for row in rows if not options.only or any(word in row["name"] for word in options.only)]
    bases = {row.get("against") for row in wanted}
    rows = [row for row in rows if row in wanted or row["name"] in bases]
    results: dict[str, list[Found]] = {row["name"]: [] for row in rows}
    skipped: dict[str, str] = {}
    tokens = make_tokens()
    with ExitStack() as stack:
        inside = BACKEND.replace("ALLOWED", ALLOWED).replace("KEYS", tokens.keys)
        backend = stack.enter_context(foreign.nginx(servers.LOAD_CORE, inside))
        if any(row.get("redis") for row in rows):
            stack.enter_context(redis_server(servers.LOAD_CORE))
        for trial in range(options.trials):
            for row in rows:
                name = row["name"]
                if name in skipped:
                    continue
                try:
                    with _served(row, options.python, backend.base, tokens) as server:
                        found = _load(row, server, options.duration, tokens)
                except RuntimeError as error:
                    skipped[name] = str(error).splitlines()[0][:200]
                    print(f"{name}: left out: {skipped[name]}", flush=True)
                    continue
                results[name].append(found)
                print(f"{name:<60} trial {trial + 1}: {found.per_second:,.0f}/s", flush=True)
    _write(rows, results, skipped)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--duration", type=float, default=4)
    parser.add_argument("--only", action="append", default=[], help="lines with this in their names")
    parser.add_argument("--python", default=sys.executable, help="interpreter of wsgw")
    options = parser.parse_args()
    missing = [name for name in ("wrk", "nginx") if shutil.which(name) is None]
    if missing:
        parser.error(f"{' and '.join(missing)} must be installed")
    return options


# ---- what callers show


def make_tokens() -> Tokens:
    """Tokens that are good for a day, signed by a key made for this run."""
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.public_key().public_numbers()
    own = {"kty": "RSA", "kid": "bench", "use": "sig", "alg": "RS256"}
    own |= {name: _base64(number.to_bytes((number.bit_length() + 7) // 8)) for name, number in _parts(numbers)}
    now = int(time.time())
    times = {"iat": now, "exp": now + 86_400, "sub": "somebody"}
    pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Bench"
    return Tokens(
        _signed(key, {**times, "iss": pool, "token_use": "id", "aud": "bench"}),
        _signed(key, {**times, "iss": "https://issuer.example", "aud": "bench", "scope": "read write"}),
        json.dumps({"keys": [own]}),
    )


def _parts(numbers: rsa.RSAPublicNumbers) -> tuple[tuple[str, int], ...]:
    return ("n", numbers.n), ("e", numbers.e)


def _signed(key: rsa.RSAPrivateKey, claims: Mapping[str, Any]) -> str:
    head = {"alg": "RS256", "kid": "bench", "typ": "JWT"}
    text = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
    return f"{text}.{_base64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _headers(row: Mapping[str, Any], url: str, tokens: Tokens) -> dict[str, str]:
    headers = {
        name: value.replace("ID_TOKEN", tokens.id).replace("ACCESS_TOKEN", tokens.access)
        for name, value in row.get("headers", {}).items()
    }
    if row.get("sign"):
        request = AWSRequest("GET", url, headers)
        SigV4Auth(Credentials(servers.KEY, servers.SECRET), "execute-api", "us-east-1").add_auth(request)
        headers = dict(request.prepare().headers.items())
    return headers


# ---- serving and asking


@contextmanager
def _served(row: Mapping[str, Any], python: str, backend: str, tokens: Tokens) -> Iterator[servers.Server]:
    """wsgw with the line's definition, every default on, and an access log, to a file. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = json.dumps(row["definition"]).replace("BACKEND", backend).replace("FOLDER", name)
        (folder / "api.json").write_text(text)
        (folder / "jwks.json").write_text(tokens.keys)
        (folder / "handlers.py").write_text((servers.HERE / "handlers.py").read_text())
        command = [python, "-m", "wsgw", "serve", str(folder / "api.json"), "--port", "0", "--control-port", "0"]
        command += ["--access-log", str(folder / "access.log"), "--log-level", "warning", "--drain-seconds", "0"]
        command += [option.replace("BACKEND", backend) for option in row.get("options", ())]
        if row.get("redis"):
            command += ["--redis", REDIS]
        with servers.started(command, servers.SERVER_CORE, {"PYTHONPATH": str(servers.HERE.parent)}) as server:
            yield server


def _load(row: Mapping[str, Any], server: servers.Server, duration: float, tokens: Tokens) -> Found:
    """Run wrk, after a short warm-up. Raises RuntimeError where an answer is no 200, or one is where none may be."""
    url = server.base + row["path"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        for name, value in _headers(row, url, tokens).items():
            script.write(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n")
        script.flush()
        command = ["taskset", "-c", str(servers.LOAD_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", "-s", script.name]
        subprocess.run([*command, "-d1s", url], check=True, capture_output=True)
        before, start = foreign.cpu(server), time.perf_counter()
        told = subprocess.run([*command, f"-d{duration:g}s", url], check=True, capture_output=True, text=True).stdout
        cpu, seconds = foreign.cpu(server) - before, time.perf_counter() - start
    numbers = {
        name.strip(): line.split()[-1] for line in told.splitlines() for name, sep, _ in [line.partition(":")] if sep
    }
    asked = int(next(line.split()[0] for line in told.splitlines() if " requests in " in line))
    other = int(numbers.get("Non-2xx or 3xx responses", 0))
    if "Socket errors" in told or (other < asked - 1 if row.get("refused") else other):
        raise RuntimeError(f"{other} of {asked} answers are no 2xx")
    per_second = float(numbers["Requests/sec"])
    return Found(per_second, per_second * seconds / cpu if cpu else 0.0)


# ---- what is written


def _write(rows: list[dict[str, Any]], results: Mapping[str, list[Found]], skipped: Mapping[str, str]) -> None:
    medians = {name: _median(trials) for name, trials in results.items() if trials}
    lines = ["| route | requests/s | ratio | µs a request | more than without |", "|---|---|---|---|---|"]
    for row in rows:
        name, base = row["name"], medians.get(row.get("against", ""))
        if name not in medians:
            lines.append(f"| {name} | left out: {skipped.get(name, '')} | | | |")
            continue
        found = medians[name]
        cost = 1e6 / found.per_core_second
        ratio = more = ""
        if base is not None:
            ratio = f"×{found.per_second / base.per_second:.2f}"
            more = f"{cost - 1e6 / base.per_core_second:+.1f} µs"
        lines.append(f"| {name} | {found.per_second:,.0f} | {ratio} | {cost:.1f} | {more} |")
    machine = (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    table = "\n".join(lines)
    servers.OUT.mkdir(exist_ok=True)
    file = servers.OUT / f"authorizers-{time.strftime('%Y%m%d-%H%M%S')}"
    trials = {name: [found._asdict() for found in some] for name, some in results.items()}
    text = json.dumps({"machine": machine, "trials": trials, "left out": dict(skipped)}, indent=2)
    file.with_suffix(".json").write_text(text + "\n")
    file.with_suffix(".md").write_text(f"{table}\n\n{machine}; medians; µs are of the server's own processor time.\n")
    print(f"\n{table}\n\n{file}.md")


def _median(trials: list[Found]) -> Found:
    return Found(
        statistics.median(trial.per_second for trial in trials),
        statistics.median(trial.per_core_second for trial in trials),
    )


if __name__ == "__main__":
    sys.exit(main())
