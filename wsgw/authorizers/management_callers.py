"""Whom a node lets use `@connections`: the access keys and the tokens of its definitions and settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from wsgw.authorizers.access import Access
from wsgw.authorizers.management import ManagementGuard
from wsgw.authorizers.used_signatures import USED, UsedSignatures
from wsgw.definitions.access import NOBODY_IN_PARTICULAR, AccessKey
from wsgw.settings import Settings


class ManagementCallers(NamedTuple):
    """Replaced as a whole, with deployments."""

    access_keys: tuple[AccessKey, ...]
    tokens: tuple[str, ...]

    @classmethod
    def of(
        cls, settings: Settings, access_keys: Iterable[AccessKey], management_tokens: Iterable[str]
    ) -> ManagementCallers:
        """These and the settings' tokens; keys that name no principal are the root of the settings' account."""
        root = f"arn:aws:iam::{settings.account_id}:root"
        named = (
            msgspec.structs.replace(key, principal=root) if key.principal == NOBODY_IN_PARTICULAR else key
            for key in access_keys
        )
        return cls(tuple(named), (*management_tokens, *settings.management_tokens))

    @property
    def configured(self) -> bool:
        """Whether there are any; where there are none, the loopback interface alone is let in."""
        return bool(self.access_keys or self.tokens)

    def guard(self, settings: Settings, access: Access) -> ManagementGuard:
        """What lets them in, and nobody else. Raises PolicyError."""
        return ManagementGuard(
            self.access_keys,
            self.tokens,
            region=settings.region,
            account_id=settings.account_id,
            now=access.now,
            skew=settings.clock_skew_seconds,
            allow_unsigned_payload=settings.unsigned_payloads,
            vpc_sources=settings.vpc_sources,
            used=access.kept(USED, UsedSignatures) if settings.refuse_replays else None,
            revoked=access.revoked,
        )
