"""How much slower than usual Python runs here: bounds on processor time are for code that nobody traces."""

from __future__ import annotations

import sys

#: Coverage traces every line, which makes tight loops of Python several times slower.
SLOWER = 5 if sys.gettrace() is not None else 1
