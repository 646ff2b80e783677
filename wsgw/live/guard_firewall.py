"""A stage's web ACL made ready."""

from __future__ import annotations

from functools import partial

from wsgw.authorizers.access import Access
from wsgw.definitions.api import Api, Stage
from wsgw.firewall.compile import Firewall, Place, compile_firewall
from wsgw.firewall.firewalls import Firewalls
from wsgw.firewall.injection import detector
from wsgw.live.parts import Parts


def firewalls_of(access: Access) -> Firewalls:
    """What the web ACLs of this node have learnt."""
    return access.kept("web ACLs", lambda: Firewalls(access.now))


def firewall(api: Api, stage: Stage, parts: Parts) -> Firewall | None:
    """What looks at every request and handshake of `stage`; None without one. Raises ValueError for a bad rule."""
    if stage.web_acl is None:
        return None
    firewalls = firewalls_of(parts.access)
    place = Place(
        api.id,
        stage.name,
        region=parts.settings.region,
        account_id=parts.settings.account_id,
        firewalls=firewalls,
        countries=partial(firewalls.countries, parts.settings.geo_database),
        detector=detector,
    )
    return compile_firewall(stage.web_acl, place)
