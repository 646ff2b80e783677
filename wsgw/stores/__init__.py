"""What nodes must share, behind small protocols: `base` has the protocols, `memory` serves one process.

Only `app.py` names concrete stores. May import definitions, errors and what is below.
"""
