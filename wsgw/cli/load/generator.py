"""Runs a plan, in this process or shared out over several."""

from __future__ import annotations

import gc
import multiprocessing
import resource
from multiprocessing.connection import Connection, wait

import uvloop

from wsgw.cli.load.plan import Plan
from wsgw.cli.load.run import Report, Run
from wsgw.cli.load.scenarios import SCENARIOS
from wsgw.cli.load.tally import Tally, merged

_SPARE_FILES = 100


class TooManyFiles(Exception):
    """The run needs more open files than a process may have; the text names the remedy."""


def execute(plan: Plan, report: Report, processes: int = 1) -> Tally:
    """Do what `plan` says; `report` is called about once a second. Raises TooManyFiles."""
    plans = plan.split(processes)
    _allow_files(max(part.connections + part.in_flight for part in plans), len(plans))
    if len(plans) == 1:
        return uvloop.run(drive(plans[0], report))
    return _spread(plans, report)


async def drive(plan: Plan, report: Report) -> Tally:
    """Do what `plan` says on the running loop."""
    tally = Tally()
    run = Run(plan, tally, report)
    # Thousands of clients live to the end of the run: there is nothing for the collector to find among them.
    gc.freeze()
    gc.disable()
    try:
        await SCENARIOS[plan.scenario](run)
    finally:
        await run.close()
        gc.enable()
        gc.unfreeze()
    return tally


def _allow_files(connections: int, processes: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and needed > hard:
        processes = -(-connections * processes // (hard - _SPARE_FILES))
        raise TooManyFiles(
            f"needs {needed} open files, a process may have {hard}: add --processes {processes}, or raise the limit"
        )
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _spread(plans: list[Plan], report: Report) -> Tally:
    context = multiprocessing.get_context("spawn")
    tallies = [Tally() for _ in plans]
    numbers: dict[object, int] = {}
    children = []
    for number, plan in enumerate(plans):
        mine, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(plan, theirs), daemon=True)
        child.start()
        theirs.close()
        numbers[mine] = number
        children.append(child)
    try:
        _follow(numbers, tallies, report)
    finally:
        for child, tally in zip(children, tallies, strict=True):
            child.join(1)
            child.kill()
            if child.exitcode != 0:
                tally.errors += 1
                tally.fault("a process of the load generator failed")
    return merged(tallies)


def _follow(numbers: dict[object, int], tallies: list[Tally], report: Report) -> None:
    """Take in what the children say until the last has ended; report a second when all have had it."""
    reported = 0
    while numbers:
        for pipe in wait([pipe for pipe in numbers if isinstance(pipe, Connection)]):
            assert isinstance(pipe, Connection)
            try:
                tallies[numbers[pipe]], left = pipe.recv()
            except EOFError:
                del numbers[pipe]
                continue
            seconds = min(len(tally.seconds) for tally in tallies)
            if seconds > reported:
                reported = seconds
                whole = merged(tallies)
                del whole.seconds[seconds:]
                report(whole, left)


def _child(plan: Plan, pipe: Connection) -> None:
    def report(tally: Tally, left: float) -> None:
        pipe.send((tally, left))

    tally = uvloop.run(drive(plan, report))
    pipe.send((tally, 0.0))
    pipe.close()
