"""Benchmarks: wsgw beside the baseline, in the same run, on the same machine.

    python loadtest/bench.py [--only NAME]… [--trials 3] [--duration 5] [--targets baseline,wsgw]

Every trial starts a new server, alone on core 0; backend and load generator share core 1. Trials of the targets
alternate, and medians are compared. Results go to loadtest/out/ as JSON and as a Markdown table.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cases
import servers
from cases import CASES, Case

Results = dict[str, dict[str, list[dict[str, Any]]]]  # case: target: trials


def main() -> int:
    options = _options()
    chosen = [case for case in CASES if case.name in options.only or (not options.only and case.usual)]
    targets = options.targets.split(",")
    results: Results = {case.name: {target: [] for target in targets} for case in chosen}
    with servers.backend(sys.executable) as backend:
        for case in chosen:
            for trial in range(1 if case.name == "hold" else options.trials):
                for target in targets:
                    _trial(case, target, trial, backend, results, options)
    table = _table(chosen, targets, results)
    print(f"\n{table}")
    machine = _machine(options)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    (servers.OUT / f"{stamp}.json").write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")
    heading = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    (servers.OUT / f"{stamp}.md").write_text(f"# Benchmarks\n\n{heading}\n\n{table}")
    print(f"\nwritten: {servers.OUT / stamp}.json and .md")
    return 0 if all(trial["passed"] for case in results.values() for trials in case.values() for trial in trials) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmarks: wsgw beside the baseline.")
    names = [case.name for case in CASES]
    parser.add_argument("--only", action="append", default=[], choices=names, help="this case; may be repeated")
    parser.add_argument("--trials", type=int, default=3, help="of each case and target (3)")
    parser.add_argument("--duration", type=float, default=5, help="of a trial, in seconds (5)")
    parser.add_argument("--targets", default="baseline,wsgw", help="what to measure (baseline,wsgw)")
    parser.add_argument("--python", default=sys.executable, help="interpreter for the servers under test")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2 or not hasattr(os, "sched_setaffinity"):
        parser.error("needs Linux and two cores: one for the server, one for backend and load generator")
    if unknown := set(options.targets.split(",")) - set(servers.TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    return options


def _trial(
    case: Case, target: str, trial: int, backend: servers.Server, results: Results, options: argparse.Namespace
) -> None:
    arguments = list(case.options)
    if target == "baseline" and case.baseline:
        arguments = list(next(other for other in CASES if other.name == case.baseline).options)
    if case.half:
        # Without the case `message` in this run there is nothing to take half of.
        reached = [trial["figure"] for trial in results.get("message", {}).get(target, [])]
        rate = max(1, statistics.median(reached) / 2) if reached else 2000
        arguments += ["--rate", f"{rate:.0f}", "--connections", "64"]
    if case.timed:
        arguments += ["--duration", str(options.duration)]
    if target == "baseline":
        arguments = [argument for argument in arguments if argument != "--sign"]
    start = servers.TARGETS[target]
    with start(options.python, backend.base, signed=case.signed, heartbeat=case.heartbeat) as server:
        address = servers.url(target, server, connect=case.connect, heartbeat=case.heartbeat)
        load = servers.load(target, server, address, arguments)
    found = cases.figure(case, load)
    results[case.name][target].append(
        {
            "figure": found,
            "per_core_second": cases.per_core_second(case, load),
            "server_cpu": load.cpu,
            "passed": load.outcome["passed"],
            "resident": load.held,
            "load": load.outcome,
        }
    )
    faults = "" if load.outcome["passed"] else f"  FAILED: {load.outcome['faults']}"
    busy = f"server {load.cpu / load.seconds:.0%} busy, generator {load.outcome['generator']['busy']:.0%}"
    print(f"{case.name:<14} {target:<9} trial {trial + 1}: {_number(found)} {case.unit}; {busy}{faults}")
    sys.stdout.flush()


def _table(chosen: list[Case], targets: list[str], results: Results) -> str:
    """Medians, as measured and per second of the server's processor time; a ratio above 1 is in wsgw's favour."""
    efficiency = [f"{target}, per core-second" for target in targets]
    lines = [f"| {' | '.join(['work', *targets, 'ratio', *efficiency, 'ratio'])} |"]
    lines.append(f"|---|{'---|' * (2 * len(targets) + 2)}")
    for case in chosen:
        trials = [results[case.name][target] for target in targets]
        figures = [statistics.median(trial["figure"] for trial in of) for of in trials]
        per_core = [[trial["per_core_second"] for trial in of] for of in trials]
        efficient = [statistics.median(of) for of in per_core] if all(all(of) for of in per_core) else []
        cells = [_number(value) for value in figures] + [_ratio(case, figures)]
        cells += [_number(value) for value in efficient] or [""] * len(targets)
        lines.append(f"| {case.work} ({case.unit}) | {' | '.join(cells)} | {_ratio(case, efficient)} |")
    return "\n".join(lines) + "\n"


def _ratio(case: Case, values: list[float]) -> str:
    if len(values) != 2 or min(values) <= 0:
        return ""
    return f"×{values[1] / values[0] if case.better == 'more' else values[0] / values[1]:.2g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _machine(options: argparse.Namespace) -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    version = subprocess.run([options.python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    packages = ("wsgw", "aiohttp", "uvloop", "httptools", "orjson", "picows")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "processor": f"{model}, {os.cpu_count()} cores",
        "system": platform.platform(),
        "python": version,
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages),
        "load average at the end": os.getloadavg()[0],
        "trials": options.trials,
        "seconds per trial": options.duration,
    }


if __name__ == "__main__":
    sys.exit(main())
