"""How tests are spread over test processes: those that start many processes themselves, one at a time.

Several clusters at once on two cores would tell more of the machine than of the gateway. Everything else goes out file
by file, in the order of the collection.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

#: Folders and files under tests/ by what their tests must not meet: another one of the same group. The first that fits
#: counts.
GROUPS = {
    "nodes": ("cluster/", "cli/test_workers.py", "server/"),
    "programs": ("autobahn/", "browser/", "cli/", "deploy/", "loadtest/", "sdk/", "tutorials/"),
}


def group_of(nodeid: str) -> str | None:
    """The group of a test, if it has one."""
    path = nodeid.removeprefix("tests/")
    return next((name for name, places in GROUPS.items() if path.startswith(places)), None)


def first_of_all(nodeid: str) -> int:
    """A key to sort tests by: groups first, for nobody can share their work."""
    group = group_of(nodeid)
    return list(GROUPS).index(group) if group else len(GROUPS)


class OneAtATime(LoadScopeScheduling):
    """A scope is a group, or a file."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid.partition("::")[0]
