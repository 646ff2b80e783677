"""AWS_IAM authorization made ready."""

from __future__ import annotations

from wsgw.authorizers.base import Verifier
from wsgw.authorizers.iam_verifier import IamVerifier
from wsgw.authorizers.used_signatures import USED, UsedSignatures
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.live.parts import Parts


def iam_verifier(api: Api, stage: Stage, route: Route, parts: Parts) -> Verifier:
    """What checks the signatures of requests: the node's, for keys are the same for all routes."""
    settings = parts.settings
    return parts.access.kept(
        "AWS_IAM",
        lambda: IamVerifier(
            parts.access,
            region=settings.region,
            skew=settings.clock_skew_seconds,
            allow_unsigned_payload=settings.unsigned_payloads,
            used=parts.access.kept(USED, UsedSignatures) if settings.refuse_replays else None,
        ),
    )
