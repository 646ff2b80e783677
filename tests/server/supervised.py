"""Runs a supervisor over fake workers, as a process: `python supervised.py FILE WORKERS [SETTING=VALUE …]`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from wsgw.observe.logs import configure
from wsgw.server.slots import Pace
from wsgw.server.supervisor import Supervisor
from wsgw.settings import load


def main() -> int:
    file, workers, *settings = sys.argv[1:]
    configure("info")
    values = dict(word.split("=", 1) for word in settings)
    pace = Pace(shortest=0.05, longest=float(values.pop("longest", 0.4)), patient=float(values.pop("patient", 1)))
    # The workers are no gateways: nothing connects to this.
    given = {"port": 0, "control_port": 0, "workers": workers, "redis": "redis://127.0.0.1:1/0", **values}
    command = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
    return asyncio.run(Supervisor(load(given).settings, [Path(file)], command, pace=pace).run())


if __name__ == "__main__":
    sys.exit(main())
