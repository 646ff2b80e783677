"""How much slower than on an idle machine things may run here: a factor for bounds on time.

Coverage traces every line, which makes tight loops of Python several times slower; `make test` runs more test processes
than there are cores, and says so in WSGW_TEST_SLOWER.
"""

from __future__ import annotations

import os
import sys

SLOWER = max(5 if sys.gettrace() is not None else 1, int(os.environ.get("WSGW_TEST_SLOWER", "1")))
