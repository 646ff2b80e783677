"""What a WebSocket message must be allowed by, after its connection was let in.

API Gateway decides once, when a client connects. Where a stage's `authorizeMessages` says so, the policies that
`$connect` was let in by are asked about every message's route, too: `execute-api:Invoke` on the route's own ARN.
"""

from __future__ import annotations

from wsgw.authorizers.arns import INVOKE, route_arn
from wsgw.authorizers.policy import Decision
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.errors import AccessDenied
from wsgw.invocation import Invocation
from wsgw.live.guard_policy import request_facts
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step


def message_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """Where the stage authorizes messages: whether the policy of `$connect` allows `route`."""
    if not stage.authorize_messages:
        return []
    facts = request_facts(parts)
    arn = route_arn(parts.settings.region, parts.settings.account_id, api.id, stage.name, route.key)

    async def authorize_message(invocation: Invocation) -> None:
        principal = invocation.caller.principal
        # Without policies (a JWT, a ticket) whoever was let in may send what there is a route for.
        if principal is None or principal.grants is None:
            return
        decision = principal.grants.decide(INVOKE, arn, lambda: facts(invocation))
        if decision is not Decision.ALLOW:
            raise AccessDenied(detail=f"the policy of $connect does not allow the route ({decision.name})")

    return [authorize_message]
