"""Where a route's HTTP integration leads: the link of a private one, its TLS options, the stage's client certificate.

`Backends(parts.http_pool, parts.settings).target(integration, stage, url)` is called at deployment, and says then what
cannot be called. A link of the settings takes the place of a VpcLink: traffic for it goes to the link's target.
Source: developer guide, "Private integrations for REST APIs" and "… for HTTP APIs"; API reference, TlsConfig.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration
from wsgw.errors import ApiConfigurationError
from wsgw.integrations.http_pool import HttpPool, Target
from wsgw.integrations.http_tls import TlsOptions
from wsgw.mapping.parameters import stage_variables_in
from wsgw.settings import Settings

_URL = re.compile(r"https?://", re.IGNORECASE)
_PLAIN = TlsOptions()


class Link(NamedTuple):
    """A line of `vpc_links`: what the definition calls it, and where its traffic goes (`url` has no path)."""

    name: str
    url: str


class Backends:
    """Targets of HTTP integrations, made at deployment. Raises ApiConfigurationError, whose detail has the remedy."""

    def __init__(self, pool: HttpPool, settings: Settings) -> None:
        self._pool = pool
        self._links = dict(_pair(line) for line in settings.vpc_links)
        self._certificates = dict(_pair(line) for line in settings.backend_certificates)

    def target(self, integration: Integration, stage: Stage, url: str) -> Target:
        """The target that `integration` has in `stage`.

        url: the integration's uri with all variables filled in: absolute, or, of an HTTP API's private integration, the
        ARN of a listener or service; `Target.at` then says the path. The URL of a REST API's private integration gives
        the Host header and the name in TLS; its connections lead to the link.
        """
        tls = self._tls(integration, stage)
        if integration.connection_type != "VPC_LINK":
            return self._pool.target(url, tls)
        link = self._link(integration, stage, url)
        if _URL.match(url):
            return self._pool.target(url, tls, via=link.url)
        if tls is not None and tls.server_name:
            # TlsConfig of a private integration makes it HTTPS.
            return self._pool.target(re.sub("^http:", "https:", link.url) + "/", tls)
        return self._pool.target(link.url + "/", tls)

    def _link(self, integration: Integration, stage: Stage, url: str) -> Link:
        name = stage_variables_in(integration.connection_id or "")(stage.variables)
        # An ARN may end in a query that picks instances by their attributes; a link may be given for it, or for all.
        for known in (url, url.partition("?")[0], name):
            if known in self._links:
                return Link(known, self._links[known])
        wanted = name if _URL.match(url) or not url else url
        raise ApiConfigurationError(
            detail=f"there is no target for the private integration {wanted!r}: add {wanted}=http://HOST:PORT to the "
            "setting vpc_links"
        )

    def _tls(self, integration: Integration, stage: Stage) -> TlsOptions | None:
        certificate = key = ""
        if stage.client_certificate is not None:
            pair = self._certificates.get(stage.client_certificate)
            if pair is None:
                raise ApiConfigurationError(
                    detail=f"there is no client certificate {stage.client_certificate!r}: add "
                    f"{stage.client_certificate}=CERT.pem:KEY.pem to the setting backend_certificates"
                )
            certificate, _, key = pair.partition(":")
        config = integration.tls
        options = TlsOptions(
            not (config is not None and config.insecure_skip_verification),
            (config.server_name_to_verify if config is not None else None) or "",
            certificate,
            key,
        )
        return None if options == _PLAIN else options


def _pair(line: str) -> tuple[str, str]:
    # From the right: an ARN may have `=` in the query behind it, a target has none.
    name, _, value = line.rpartition("=")
    return name, value.rstrip("/")
