"""What nodes must share, behind small protocols: `base` has the protocols, `memory` serves one process.

Only `app.py` names concrete stores. May import settings, ids, definitions, errors.
"""
