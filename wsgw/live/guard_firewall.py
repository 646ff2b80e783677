"""A stage's web ACL made ready."""

from __future__ import annotations

from collections.abc import Callable

from wsgw.definitions.api import Api, Stage
from wsgw.invocation import Invocation
from wsgw.live.parts import Parts


def firewall(api: Api, stage: Stage, parts: Parts) -> Callable[[Invocation], None] | None:
    """What looks at every request and handshake of `stage`; None without one. Raises ValueError for a bad rule."""
    if stage.web_acl is None:
        return None
    raise ValueError("web ACLs are not served by this version")
