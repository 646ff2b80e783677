"""What is wrong with a stage's web ACL.

Whether its patterns compile is proved in `live/prove.py`, whether the file of countries is there in
`live/prove_beside.py`; libraries are loaded when it is deployed.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.firewall import WebAcl


def check_firewall(path: Path, acl: WebAcl) -> Iterator[Finding]:
    """Findings of `acl`, which stands at `path`."""
    for problem in acl.problems:
        yield error((*path, *problem.path), problem.message, problem.remedy)
    if not acl.problems and not acl.rules and acl.default_action == "ALLOW":
        yield warning(path, "a web ACL without rules lets everything through", "add rules, or remove it")
